"""The rules about Keepsync itself: its workers and queue, its public address, and what payloads look like."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min
from django.urls import reverse
from django_q.models import OrmQ

from integrations import payload_shapes
from integrations.models import Alert, Certificate, Heartbeat, PayloadShape
from integrations.operations import certificates
from integrations.operations.heartbeats import WORKER
from integrations.operations.rules import Finding, Limit, Seen, raises_alert
from integrations.providers import name_provider

Level, Problem = Alert.Level, Certificate.Problem
WORKER_SILENT, QUEUE_LATE = "worker_silent", "queue_late"
CERTIFICATE, PAYLOAD_DRIFT = "certificate", "payload_drift"
# So long a silence that is over is told, and the certificate's end is critical from so many days on.
TOLD = timedelta(hours=1)
CRITICAL_DAYS = 7
FIELDS_TOLD = 10
WHAT_TO_DO = {
    Problem.UNREACHABLE: "Webhooks do not arrive either. See whether the proxy runs, and where the name leads.",
    Problem.EXPIRED: "Senders refuse it, and no webhook arrives. Renew it, and have the proxy load it.",
    Problem.SELF_SIGNED: "Senders refuse it, and no webhook arrives. Have it signed by an authority that they know.",
    Problem.UNTRUSTED: "Senders may refuse it. Have the proxy send the whole chain, of an authority that they know.",
    Problem.WRONG_NAME: "Senders refuse it, and no webhook arrives. Get one for the name in BASE_URL.",
}


@raises_alert(
    WORKER_SILENT,
    title="Silent workers",
    watches="No worker ran for so long. While none does, readyz and the dashboard say so; afterwards this does.",
    limit=Limit(3, "minutes"),
)
def find_silence(seen: Seen) -> Iterator[Finding]:
    beat = Heartbeat.objects.filter(name=WORKER, silent_until__gt=seen.now - TOLD).first()
    if beat is None or beat.silent_from is None or beat.silent_until is None:
        return
    minutes = (beat.silent_until - beat.silent_from) / timedelta(minutes=1)
    if minutes >= seen.limit.opens_at:
        text = (
            f"From {beat.silent_from:%Y-%m-%d %H:%M} to {beat.silent_until:%H:%M} UTC, {minutes:,.0f} minutes, nothing "
            "was worked on. What came meanwhile was stored, and is worked on now. Unless somebody had stopped it, the "
            "logs of that time say why."
        )
        yield Finding(None, "No worker ran for a while", Level.WARNING, text)


@raises_alert(
    QUEUE_LATE,
    title="Full queue",
    watches="The oldest job that is due has waited for so long: too few workers run.",
    limit=Limit(5, "minutes"),
)
def find_late_jobs(seen: Seen) -> Iterator[Finding]:
    late = OrmQ.objects.filter(lock__lt=seen.now).aggregate(oldest=Min("lock"), count=Count("pk"))
    oldest: datetime | None = late["oldest"]
    minutes = (seen.now - oldest) / timedelta(minutes=1) if oldest else 0
    if seen.is_wrong(minutes):
        text = (
            f"{late['count']:,} jobs are due, the oldest since {oldest:%Y-%m-%d %H:%M} UTC. What comes in waits "
            "for them: start more workers (Q_WORKERS, or manage.py qcluster on another host)."
        )
        page = reverse("admin:django_q_ormq_changelist")
        yield Finding(None, "Jobs wait for a worker", Level.WARNING, text, page=page, press="Look at the queue")


# --- Certificate ------------------------------------------------------------------------------------------------------


@raises_alert(
    CERTIFICATE,
    title="Certificate",
    watches="The public address cannot be reached, its certificate is refused, or runs out within so many days.",
    limit=Limit(21, "days before its end"),
    why_not=certificates.explain_inapplicable,
)
def find_certificate(seen: Seen) -> Iterator[Finding]:
    address = certificates.find_address()
    known = Certificate.objects.filter(address=address).first()
    if known is None:
        return
    if known.problem:
        problem = Problem(known.problem)
        title = f"The public address {name_problem(problem)}"
        text = f"{address}, looked at {known.checked_at:%Y-%m-%d %H:%M} UTC: {known.detail} {WHAT_TO_DO[problem]}"
        yield Finding(None, title, Level.CRITICAL, text)
    elif known.expires_at and known.expires_at <= seen.now + timedelta(days=seen.limit.opens_at):
        yield warn_of_expiry(known.address, known.expires_at, seen.now)


def name_problem(problem: Certificate.Problem) -> str:
    return {
        Problem.UNREACHABLE: "cannot be reached",
        Problem.EXPIRED: "has a certificate that has run out",
        Problem.SELF_SIGNED: "has a certificate that is signed by itself",
        Problem.UNTRUSTED: "has a certificate of an unknown authority",
        Problem.WRONG_NAME: "has a certificate for another name",
    }[problem]


def warn_of_expiry(address: str, expires_at: datetime, now: datetime) -> Finding:
    days = (expires_at - now).days
    level = Level.CRITICAL if days < CRITICAL_DAYS else Level.WARNING
    text = (
        f"That of {address} is good until {expires_at:%Y-%m-%d %H:%M} UTC. From then on no webhook arrives and nobody "
        "can sign in: renew it, and see why it was not renewed by itself."
    )
    return Finding(None, "The public address's certificate runs out soon", level, text)


# --- Payloads ---------------------------------------------------------------------------------------------------------


@raises_alert(
    PAYLOAD_DRIFT,
    title="Payload drift",
    watches="A payload has a field that none had before, or so many in a row lack one that all had.",
    limit=Limit(20, "payloads in a row", calm=1, minimum=100, counted="payloads to learn from first"),
)
def find_drift(seen: Seen) -> Iterator[Finding]:
    for shape in PayloadShape.objects.filter(payloads__gt=seen.limit.minimum):
        drift = payload_shapes.find_drift(shape, learnt=seen.limit.minimum, lacking=seen.limit.opens_at, now=seen.now)
        if drift.unseen or drift.vanished:
            title = f"{name_provider(shape.provider)} sends {shape.event_type or 'webhooks'} in another form"
            text = (
                f"{describe_fields('New', drift.unseen)}{describe_fields('Not there any more', drift.vanished)}Of "
                f"{shape.payloads:,} payloads, version {shape.version or 'not named'}. Nothing stops by itself: see "
                "whether what is new matters and what vanished is needed, then accept it as it is now."
            )
            page = reverse("admin:integrations_payloadshape_change", args=[shape.pk])
            level = Level.WARNING if drift.vanished else Level.INFO
            yield Finding(None, title, level, text, about=str(shape.pk), page=page, press="Compare, and accept")


def describe_fields(heading: str, paths: list[str]) -> str:
    """A line of its own, or nothing."""
    more = f" and {len(paths) - FIELDS_TOLD:,} more" if len(paths) > FIELDS_TOLD else ""
    return f"{heading}: {', '.join(paths[:FIELDS_TOLD])}{more}.\n" if paths else ""
