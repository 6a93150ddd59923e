"""Whether somebody hears of it when something goes wrong."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django_q.models import Failure, Schedule

from integrations.effect_kinds import list_messages
from integrations.models import AlertRule, Connection, Drain, Effect
from integrations.operations import alert_messages
from integrations.operations.alert_rules import (
    MISSED_WEBHOOKS,
    NEEDS_REAUTHORISATION,
    REFRESH_FAILING,
    SECRET_OLD,
    TOKEN_EXPIRING,
)
from integrations.operations.checklist import HOUR, Evidence, Section, failed, passed, proves
from integrations.operations.heartbeats import find_silences
from integrations.operations.pages import list_of, page_of
from integrations.operations.rules import find_rule, read_decisions
from integrations.operations.traffic_rules import CALLS_REFUSED, FAILING_DELIVERIES, WEBHOOKS_REFUSED
from integrations.providers import PROVIDERS
from integrations.retries import Cause

CHECK_ALERTS = "integrations.jobs.check_alerts"
# The schedule beats each minute, and nothing of it is ever so late while a worker has time.
LATE = timedelta(minutes=5)
# What must be watched: webhooks that fail, and tokens and secrets that run out.
WATCHED = (
    FAILING_DELIVERIES,
    WEBHOOKS_REFUSED,
    CALLS_REFUSED,
    MISSED_WEBHOOKS,
    NEEDS_REAUTHORISATION,
    REFRESH_FAILING,
    TOKEN_EXPIRING,
    SECRET_OLD,
)
UNSENT = ("pending", "running", "suppressed")


# --- The schedule -----------------------------------------------------------------------------------------------------


@proves(
    "schedule",
    Section.INTEGRATION,
    "The schedule and its rules run",
    why="Retries, reconciliation and alerts come from the schedule: where it stands still, nobody is told.",
    holds=HOUR,
)
def probe_schedule(now: datetime) -> Evidence:
    if silences := find_silences(now):
        told = f"{silences[0].what} is missing or too old."
        return failed(told, advice=f"{silences[0].hint[0].upper()}{silences[0].hint[1:]}")
    if late := list(Schedule.objects.filter(next_run__lt=now - LATE).order_by("name").values_list("name", flat=True)):
        advice = "See whether the worker has time: the list says when each should have run."
        return failed(f"These should have run long ago: {', '.join(late)}.", advice=advice, address=list_of(Schedule))
    if not Schedule.objects.filter(func=CHECK_ALERTS).exists():
        return failed("Nothing asks the rules of alerts.", advice="Run manage.py migrate.")
    if broken := Failure.objects.filter(func=CHECK_ALERTS, stopped__gte=now - HOUR).count():
        told = f"Asking the rules of alerts has failed {broken} times within the last hour."
        return failed(told, advice="See the log of the worker.", address=list_of(Failure))
    count = Schedule.objects.count()
    return passed(f"The worker lives, and all {count} schedules are on time, that of the alerts among them.")


# --- Rules ------------------------------------------------------------------------------------------------------------


@proves(
    "watched",
    Section.INTEGRATION,
    "Webhook failures, rate limits and token expiry are watched",
    why="They are what stops a connection sooner or later, and each is mended quickly once somebody knows.",
    holds=HOUR,
)
def probe_watched(now: datetime) -> Evidence:
    decided = read_decisions()
    if missing := [kind for kind in WATCHED if find_rule(kind) is None or not decided[kind].is_enabled]:
        told = f"No rule opens alerts of these kinds: {', '.join(missing)}."
        return failed(told, advice="Switch each on again.", address=list_of(AlertRule))
    used = list(Connection.objects.exclude(status=Connection.Status.DISABLED).defer("credentials").order_by("slug"))
    if bare := next((each for each in used if not has_budget(each)), None):
        told = f"{bare}: how many calls its provider allows is not known, so no limit is kept."
        return failed(told, advice="Give its provider a rate.", address=page_of(bare))
    resting = Drain.objects.filter(hold_cause=Cause.RATE_LIMITED, held_until__gt=now).count()
    return passed(
        f"Rules are asked for {', '.join(WATCHED)}.",
        f"{len(used)} connections keep to their providers' rates; {resting} rest at this moment because of them.",
    )


def has_budget(connection: Connection) -> bool:
    known = PROVIDERS.get(connection.provider)
    return known is not None and known.rate.per_s > 0 and known.rate.burst > 0


# --- Channels ---------------------------------------------------------------------------------------------------------


@proves(
    "alert_channel",
    Section.INTEGRATION,
    "Alerts reach people",
    why="An alert that only stands on a page is seen by whoever looks there by chance.",
    holds=HOUR,
)
def probe_channel(now: datetime) -> Evidence:
    """The last message that went out through a channel, whatever it was about, says whether it works."""
    channels = list(find_channels())
    if not channels:
        advice = "Connect Slack, or set EMAIL_URL and give administrators an e-mail address."
        return failed("Alerts go out by no channel.", advice=advice, address=list_of(Connection))
    for channel in channels:
        last = find_last_message(channel)
        if last is not None and last.status == Effect.Status.SUCCEEDED:
            return passed(f"{channel}: its last message arrived, at {last.created_at:%Y-%m-%d %H:%M} UTC.")
    told = (
        f"Nothing shows that a message arrives by {' or '.join(map(str, channels))}: the last one has not, or none was."
    )
    advice = "See its effects. A booking with a high score sends one to Slack, a confirmed online meeting an e-mail."
    return failed(told, advice=advice, address=list_of(Effect, connection__id__exact=channels[0].pk))


def find_channels() -> Iterator[Connection]:
    """Those by which an alert would go out now."""
    active = Connection.objects.filter(status=Connection.Status.ACTIVE).defer("credentials").order_by("pk")
    if slack := active.filter(provider="slack").first():
        yield slack
    has_mailer = "smtp" in settings.MAILERS["default"]["BACKEND"] and bool(alert_messages.list_recipients())
    if has_mailer and (mailer := active.filter(provider="email").first()):
        yield mailer


def find_last_message(channel: Connection) -> Effect | None:
    """Of each kind the last one by its index, and of these the newest."""
    kinds = [kind for kind in list_messages() if channel.provider in kind]
    sent = Effect.objects.filter(connection=channel).exclude(status__in=UNSENT).order_by("-id")
    newest = [effect for kind in kinds if (effect := sent.filter(kind=kind).first())]
    return max(newest, key=lambda effect: effect.pk, default=None)
