"""Working on deliveries: claim, dispatch, record the attempt; and what operators do with them.

A delivery is claimed by a conditional update with a lease. Its attempt is written in the claim's own transaction, so
that it outlives a rollback and a killed process. Handlers run in one transaction with the mark "processed", which only
takes while the lease is still ours: whoever lost it changes nothing.
"""

import logging
import os
import socket
import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Min, Q, QuerySet
from django.utils import timezone
from django_q.models import OrmQ

from integrations import payload_shapes
from integrations.correlation import carrying
from integrations.events import Origin, Outcome, dispatch
from integrations.exceptions import EmptiedError, ErasedError, LeaseLostError, StateError
from integrations.failures import Failure, explain, fingerprint
from integrations.models import Attempt, Connection, Delivery
from integrations.models.deliveries import ERROR_LENGTH
from integrations.models.provenance import caused_by
from integrations.operations.metrics import ATTEMPTS, PROCESSING_SECONDS
from integrations.privacy import blind_index
from integrations.providers import get_provider, label_provider
from integrations.races import run_race
from integrations.retries import next_delay

logger = logging.getLogger(__name__)

Status = Delivery.Status
# A grant that has ended stops what goes out, not what comes in.
WORKING = (Connection.Status.ACTIVE, Connection.Status.NEEDS_REAUTHORISATION)
SUBJECT_LOCK_TIMEOUT = "10s"
# A job that was queued this long ago and is in the queue no more is lost.
LOST_AFTER = timedelta(seconds=30)
SWEEP_LIMIT = 1000
ERASED = "Its payload was erased, with the data of a person: nothing is left to be worked on."


# --- Processing -------------------------------------------------------------------------------------------------------


def process(delivery_id: uuid.UUID) -> float | None:
    """Try a delivery once. Returns the seconds until its next try, or None where there is none."""
    claimed = claim(delivery_id)
    if claimed is None:
        return None
    delivery, attempt = claimed
    started = time.monotonic()
    with caused_by(delivery.pk), carrying(delivery.correlation_id):
        try:
            status = work(delivery, attempt)
            payload_shapes.learn(delivery)
        except LeaseLostError:
            logger.warning("lease lost", extra={"delivery_id": str(delivery.pk)})
            return None
        except Exception as error:
            failure = explain(error)
            delay = record_failure(delivery, attempt, failure)
            status = Status.DEAD if delay is None else Status.RETRYING
            note_try(delivery, status, seconds=time.monotonic() - started, failure=failure, retry_in_s=delay)
            return delay
        note_try(delivery, status, seconds=time.monotonic() - started)
        return None


def note_try(
    delivery: Delivery,
    status: Status,
    *,
    seconds: float,
    failure: Failure | None = None,
    retry_in_s: float | None = None,
) -> None:
    """In the log and in the metrics."""
    provider, cause = label_provider(delivery.connection.provider), failure.cause if failure else ""
    ATTEMPTS.labels(queue="deliveries", provider=provider, outcome=status, cause=cause).inc()
    PROCESSING_SECONDS.labels(provider=provider).observe(seconds)
    about = {
        "delivery_id": str(delivery.pk),
        "connection": delivery.connection.slug,
        "status": status,
        "attempt": delivery.attempts,
        "duration_ms": round(seconds * 1000),
    }
    if failure is None:
        logger.info("delivery processed", extra=about)
    else:
        logger.warning("delivery failed", extra={**about, "cause": cause, "retry_in_s": retry_in_s})


def claim(delivery_id: uuid.UUID) -> tuple[Delivery, Attempt] | None:
    """Lease a delivery that is due and open its attempt. None where another process has it or its connection rests."""
    now = timezone.now()
    is_due = (
        Q(status=Status.RECEIVED)
        | Q(status=Status.RETRYING, next_attempt_at__lte=now)
        | Q(status=Status.PROCESSING, lease_expires_at__lte=now)
    )
    with transaction.atomic():
        claimed = Delivery.objects.filter(is_due, pk=delivery_id).update(
            status=Status.PROCESSING,
            attempts=F("attempts") + 1,
            lease_token=uuid.uuid4(),
            lease_expires_at=now + timedelta(seconds=settings.DELIVERY_LEASE_S),
        )
        if not claimed:
            return None
        delivery = Delivery.objects.select_related("connection").get(pk=delivery_id)
        if delivery.connection.status not in WORKING:
            transaction.set_rollback(True)
            return None
        if delivery.attempts > 1:
            delivery.tries.filter(outcome=Attempt.Outcome.RUNNING).update(
                outcome=Attempt.Outcome.ABANDONED, finished_at=now
            )
        worker = f"{socket.gethostname()}:{os.getpid()}"
        attempt = delivery.tries.create(number=delivery.attempts, worker=worker, started_at=now)
    return delivery, attempt


def work(delivery: Delivery, attempt: Attempt) -> Status:
    """Parse and dispatch in one transaction; the status that it led to.

    One that lost a race with another delivery is run again at once.
    """
    if delivery.erased_at:
        raise ErasedError(ERASED)
    if delivery.emptied_at:
        raise EmptiedError(explain_emptied(delivery))
    parsed = get_provider(delivery.connection.provider).parse(bytes(delivery.body))
    origin = Origin(delivery.connection_id, delivery.connection.slug, delivery.pk, delivery.connection.default_region)

    statuses = []

    def apply() -> None:
        lock_subject(delivery.connection_id, delivery.subject)
        outcome = dispatch(parsed.events, origin)
        status = status_of(outcome) if parsed.is_known else Status.IGNORED
        finish(delivery, attempt, status=status, notes=parsed.notes)
        statuses.append(status)

    run_race(apply)
    return statuses[-1]


def status_of(outcome: Outcome) -> Status:
    return Status.STALE if outcome == Outcome.STALE else Status.PROCESSED


def lock_subject(connection_id: int, subject: str) -> None:
    """One delivery, or repair, of a subject at a time, over all processes, until the transaction ends."""
    if not subject:
        return
    key = blind_index.number("subject", f"{connection_id}:{subject}")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('lock_timeout', %s, true), pg_advisory_xact_lock(%s)", [SUBJECT_LOCK_TIMEOUT, key]
        )


def finish(delivery: Delivery, attempt: Attempt, *, status: Status, notes: Sequence[str]) -> None:
    """Mark success, in the handlers' transaction. Raises LeaseLostError where another process has the row now."""
    now = timezone.now()
    held = Delivery.objects.filter(pk=delivery.pk, lease_token=delivery.lease_token)
    if not held.update(
        status=status,
        cause="",
        error="",
        fingerprint="",
        notes=list(notes),
        lease_token=None,
        lease_expires_at=None,
        next_attempt_at=None,
        processed_at=now,
    ):
        raise LeaseLostError("the lease ran out while the delivery was worked on.")
    Attempt.objects.filter(pk=attempt.pk).update(outcome=Attempt.Outcome.SUCCEEDED, finished_at=now)


def record_failure(delivery: Delivery, attempt: Attempt, failure: Failure) -> float | None:
    """Close the attempt and set the next time, or make it a dead letter. Returns the seconds until the next try."""
    now = timezone.now()
    tries = delivery.attempts - delivery.attempts_before_replay
    delay = next_delay(tries, failure.cause, retry_after_s=failure.retry_after_s)
    error = failure.message[:ERROR_LENGTH]
    with transaction.atomic():
        Attempt.objects.filter(pk=attempt.pk, outcome=Attempt.Outcome.RUNNING).update(
            outcome=Attempt.Outcome.FAILED, cause=failure.cause, error=error, trace=failure.trace, finished_at=now
        )
        Delivery.objects.filter(pk=delivery.pk, lease_token=delivery.lease_token).update(
            status=Status.DEAD if delay is None else Status.RETRYING,
            cause=failure.cause,
            error=error,
            fingerprint=fingerprint(delivery.connection.provider, failure.cause, error),
            lease_token=None,
            lease_expires_at=None,
            next_attempt_at=None if delay is None else now + timedelta(seconds=delay),
            queued_at=None if delay is None else now + timedelta(seconds=delay),
        )
    return delay


# --- Operators' actions -----------------------------------------------------------------------------------------------

REPLAYABLE = {Status.DEAD, Status.DISCARDED, Status.PROCESSED, Status.IGNORED, Status.STALE, Status.RETRYING}
DISCARDABLE = {Status.DEAD, Status.RETRYING, Status.REJECTED}


def sent_as(delivery_id: str, connections: Sequence[int]) -> Q:
    """Those that their sender calls so, at these connections, with which the index on delivery ids begins.

    Refused requests are left out, as the index does: they may claim any id.
    """
    return Q(connection__in=connections, delivery_id=delivery_id, is_accepted=True)


def may_replay(delivery: Delivery) -> bool:
    return delivery.is_accepted and not delivery.emptied_at and delivery.status in REPLAYABLE


def explain_emptied(delivery: Delivery) -> str:
    """Why a delivery whose payload is not kept any more cannot be replayed, and what to do instead."""
    return (
        f"Its payload was emptied on {delivery.emptied_at:%Y-%m-%d}, when its time was over (see Retention). "
        f"Fetch what it told again: manage.py reconcile --connection {delivery.connection.slug} "
        f"--since {delivery.received_at:%Y-%m-%d}."
    )


def replayable(deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
    """Those that a replay takes. A refused request is never worked on, also where it was discarded.

    Of one whose payload was emptied nothing is left to be worked on.
    """
    return deliveries.filter(status__in=REPLAYABLE, is_accepted=True, emptied_at=None)


def replay(deliveries: QuerySet[Delivery]) -> list[uuid.UUID]:
    """Make deliveries due again, with a new retry schedule. Returns the ids to queue; others are left as they are."""
    with transaction.atomic():
        rows = replayable(deliveries).order_by("id").select_for_update(of=("self",))
        ids = list(rows.values_list("pk", flat=True))
        Delivery.objects.filter(pk__in=ids).update(
            status=Status.RECEIVED,
            attempts_before_replay=F("attempts"),
            next_attempt_at=None,
            discard_reason="",
            queued_at=timezone.now(),
        )
    return ids


def discard(delivery: Delivery, reason: str) -> None:
    """Close a dead letter for good, with the reason. Raises StateError where it is not one."""
    if not reason.strip():
        raise StateError("Say why the delivery is discarded.")
    closed = Delivery.objects.filter(pk=delivery.pk, status__in=DISCARDABLE).update(
        status=Status.DISCARDED, discard_reason=reason.strip()[:ERROR_LENGTH], next_attempt_at=None
    )
    if not closed:
        raise StateError(f"A delivery that is {delivery.status} cannot be discarded.")


# --- Sweeping ---------------------------------------------------------------------------------------------------------


def find_forgotten(now: datetime) -> list[uuid.UUID]:
    """Deliveries that nobody would work on otherwise: due retries, leases of dead processes, rows that lost their job.

    A row lost its job where it was queued before everything that is in the queue now. Marks what it returns as queued.
    """
    oldest = OrmQ.objects.aggregate(oldest=Min("lock"))["oldest"]
    horizon = min(now, oldest or now) - LOST_AFTER
    is_forgotten = (
        Q(status=Status.RECEIVED, queued_at__lt=horizon)
        | Q(status=Status.RETRYING, next_attempt_at__lt=horizon, queued_at__lt=horizon)
        | Q(status=Status.PROCESSING, lease_expires_at__lt=now)
    )
    with transaction.atomic():
        rows = (
            Delivery.objects.filter(is_forgotten, connection__status__in=WORKING)
            .order_by("id")
            .select_for_update(of=("self",), skip_locked=True)[:SWEEP_LIMIT]
        )
        ids = list(rows.values_list("pk", flat=True))
        Delivery.objects.filter(pk__in=ids).update(queued_at=now)
    return ids
