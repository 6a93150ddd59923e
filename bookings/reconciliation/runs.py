"""Runs: started, worked on for a slice of time by one process at a time, held while a provider is away, and resumed.

A run keeps its place after each page, in the transaction of the page's counts. A process that dies leaves a lease that
runs out, and the next one goes on with the page that it was at: repairing twice changes nothing.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db.models import Q
from django.utils import timezone

from bookings.models import Meeting, ReconciliationRun, SeenEvent
from bookings.reconciliation.events import take_events, take_unseen
from bookings.reconciliation.ledger import DryLedger, Ledger
from bookings.reconciliation.log import take_log
from bookings.reconciliation.records import count_records, take_records
from bookings.reconciliation.walks import Step, Walk
from integrations.exceptions import (
    LeaseLostError,
    ReauthoriseError,
    StateError,
    TransientError,
)
from integrations.failures import explain
from integrations.models import Connection
from integrations.models.deliveries import ERROR_LENGTH
from integrations.pairs import CALENDAR
from integrations.retries import RETRY_AFTER_MAX_S, Cause
from integrations.tokens import read_token

logger = logging.getLogger(__name__)

Status = ReconciliationRun.Status
OPEN = (Status.RUNNING, Status.WAITING)
# How long before the last change that was seen the next run begins: changes may be listed late.
OVERLAP = timedelta(minutes=10)
LEASE = timedelta(seconds=60)
# How long one job works before it makes room for others.
SLICE_S = 6.0
# A rest that nobody has named the length of, at first and at most; and how often a person's deed is looked for.
FIRST_HOLD_S, LONGEST_HOLD_S, REAUTHORISE_S = 5.0, 300.0, 60.0
# A run whose job is lost is taken up again after this.
LOST_AFTER = timedelta(seconds=90)
JOB_LATE = timedelta(seconds=30)
# What a run rests for until a person has authorised or resumed its connection.
AWAITS_PERSON = (Cause.REAUTHORISE, "")
# An unfinished run makes room for the next day's.
GIVEN_UP_AFTER = timedelta(hours=20)
STEPS: dict[str, tuple[Callable[[Walk], bool], Step | None]] = {
    Step.EVENTS: (take_events, Step.UNSEEN),
    Step.UNSEEN: (take_unseen, Step.CRMS),
    Step.CRMS: (take_records, Step.DELIVERIES),
    Step.DELIVERIES: (take_log, None),
}

# Called with the run after each page.
type Report = Callable[[ReconciliationRun], None]


# --- Starting ---------------------------------------------------------------------------------------------------------


def start(
    connection: Connection, *, meeting: Meeting | None = None, since: datetime | None = None, user: Any = None
) -> ReconciliationRun:
    """A new run, to be worked on. Raises StateError where the connection cannot be compared now."""
    run = make_run(connection, meeting=meeting, since=since)
    run.started_by = user
    run.save()
    return run


def make_run(
    connection: Connection, *, meeting: Meeting | None = None, since: datetime | None = None
) -> ReconciliationRun:
    """A run that is not stored yet. It lists changes since the last whole one with an overlap, or else everything."""
    if connection.provider != CALENDAR:
        raise StateError(f"{connection} is no calendar.live connection.")
    if connection.status != Connection.Status.ACTIVE:
        raise StateError(f"{connection} is {connection.get_status_display().lower()}.")
    updated_since = since or find_cursor(connection)
    run = ReconciliationRun(
        connection=connection, meeting=meeting, since=since, updated_since=updated_since, created_at=timezone.now()
    )
    run.expected = sum(count_records(run).values()) + count_events(run)
    return run


def find_cursor(connection: Connection) -> datetime | None:
    """From when on changes are to be listed; None where no run has come to its end yet."""
    whole = ReconciliationRun.objects.filter(connection=connection, status=Status.DONE, meeting=None, since=None)
    until = whole.exclude(changed_until=None).order_by("-id").values_list("changed_until", flat=True).first()
    return until - OVERLAP if until else None


def count_events(run: ReconciliationRun) -> int:
    """A guess: as many as there are here."""
    if run.meeting:
        return 1
    known = Meeting.objects.filter(connection=run.connection_id)
    return (known.filter(external_updated_at__gte=run.updated_since) if run.updated_since else known).count()


def start_due(now: datetime) -> list[UUID]:
    """The day's runs, one for each connection that can be called. One that has waited since yesterday makes room."""
    stale = ReconciliationRun.objects.filter(status__in=OPEN, created_at__lt=now - GIVEN_UP_AFTER)
    SeenEvent.objects.filter(run__in=stale).delete()
    stale.update(status=Status.FAILED, error="It did not come to its end; a newer one was started.", finished_at=now)
    active = Connection.objects.filter(provider=CALENDAR, status=Connection.Status.ACTIVE).order_by("id")
    busy = ReconciliationRun.objects.filter(status__in=OPEN, meeting=None, since=None).values("connection")
    return [start(connection).pk for connection in active.exclude(pk__in=busy) if may_be_called(connection)]


def may_be_called(connection: Connection) -> bool:
    """A connection may have been made for its webhooks alone."""
    token = read_token(connection.pk)
    known = token is not None and bool(token.access_token or token.refresh_token)
    return known or bool(connection.credentials.get("access_token"))


def find_due(now: datetime) -> list[UUID]:
    """Runs that nobody would work on otherwise: those whose rest is over, and those whose job is lost."""
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    rested = Q(status=Status.WAITING) & (
        Q(resumes_at__lte=now - JOB_LATE) | Q(cause__in=AWAITS_PERSON, resumes_at__lte=now)
    )
    lost = Q(status=Status.RUNNING, created_at__lt=now - LOST_AFTER)
    found = ReconciliationRun.objects.filter(free, rested | lost, connection__status=Connection.Status.ACTIVE)
    return list(found.order_by("id").values_list("pk", flat=True))


# --- Working ----------------------------------------------------------------------------------------------------------


def work(run_id: UUID, *, seconds: float = SLICE_S, report: Report = lambda run: None) -> float | None:
    """Go on with a run for a while. Returns the seconds until there is more to do.

    None where it is over, where it rests until a person has done something, and where another process has it.
    """
    run = claim(run_id)
    if run is None:
        return None
    walk, ends_at = Walk(run, Ledger(run)), time.monotonic() + seconds
    try:
        while take_page(walk):
            report(run)
            if walk.rest_s:
                return hold(run, Cause.RATE_LIMITED, walk.rest_s, "The provider asked for a rest.")
            if time.monotonic() >= ends_at:
                return give_back(run)
        finish(run)
    except LeaseLostError:
        logger.warning("reconciliation lost its lease", extra={"run": str(run.pk)})
    except Exception as error:
        return take_failure(run, error)
    return None


def take_page(walk: Walk) -> bool:
    """Work on the next page and keep the place. False where all is done."""
    take, following = STEPS[walk.run.step]
    if take(walk):
        if following is None:
            walk.finish_page()
            return False
        walk.go_to(following)
    walk.run.lease_expires_at = timezone.now() + LEASE
    walk.finish_page()
    return True


def claim(run_id: UUID) -> ReconciliationRun | None:
    """Lease a run. None where another process has it, where it rests, or where its connection does."""
    now, token = timezone.now(), uuid4()
    free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    rested = Q(resumes_at=None) | Q(resumes_at__lte=now)
    due = ReconciliationRun.objects.filter(free, rested, pk=run_id, status__in=OPEN)
    if not due.update(status=Status.RUNNING, lease_token=token, lease_expires_at=now + LEASE, resumes_at=None):
        return None
    run = ReconciliationRun.objects.select_related("connection", "meeting", "crm").get(pk=run_id)
    if run.connection.status == Connection.Status.ACTIVE:
        return run
    cause = Cause.REAUTHORISE if run.connection.status == Connection.Status.NEEDS_REAUTHORISATION else ""
    hold(run, cause, REAUTHORISE_S, f"{run.connection} is {run.connection.get_status_display().lower()}.")
    return None


def mine(run: ReconciliationRun) -> Any:
    return ReconciliationRun.objects.filter(pk=run.pk, lease_token=run.lease_token)


def give_back(run: ReconciliationRun) -> float:
    """Let the next job go on."""
    mine(run).update(lease_token=None, lease_expires_at=None)
    return 0.0


def finish(run: ReconciliationRun) -> None:
    closed = {"lease_token": None, "lease_expires_at": None, "cursor": "", "crm": None, "cause": "", "error": ""}
    if mine(run).update(status=Status.DONE, finished_at=timezone.now(), **closed):
        run.seen_events.all().delete()


# --- Resting and failing ----------------------------------------------------------------------------------------------


def take_failure(run: ReconciliationRun, error: Exception) -> float | None:
    """What passes holds the run where it is; anything else ends it."""
    failure = explain(error)
    match error:
        case ReauthoriseError():
            hold(run, failure.cause, REAUTHORISE_S, failure.message)
            return None
        case TransientError():
            return hold(run, failure.cause, failure.retry_after_s or next_pause(run), failure.message)
    logger.warning("reconciliation failed", extra={"run": str(run.pk), "cause": failure.cause}, exc_info=True)
    mine(run).update(
        status=Status.FAILED,
        cause=failure.cause,
        error=failure.message[:ERROR_LENGTH],
        finished_at=timezone.now(),
        lease_token=None,
        lease_expires_at=None,
    )
    run.seen_events.all().delete()
    return None


def next_pause(run: ReconciliationRun) -> float:
    return min(FIRST_HOLD_S * 2.0 ** min(run.failures, 10), LONGEST_HOLD_S)


def hold(run: ReconciliationRun, cause: Cause | str, seconds: float, text: str) -> float:
    """Let it rest for so long; returns that."""
    seconds = min(seconds, RETRY_AFTER_MAX_S)
    mine(run).update(
        status=Status.WAITING,
        cause=cause,
        error=text[:ERROR_LENGTH],
        failures=run.failures + 1,
        resumes_at=timezone.now() + timedelta(seconds=seconds),
        lease_token=None,
        lease_expires_at=None,
    )
    return seconds


# --- Without changing anything ----------------------------------------------------------------------------------------


def rehearse(run: ReconciliationRun, report: Report = lambda run: None) -> DryLedger:
    """Walk through a run that is not stored, and count what it would do. Raises what its calls raise."""
    ledger = DryLedger(run)
    walk = Walk(run, ledger)
    while take_page(walk):
        report(run)
        if walk.rest_s:
            time.sleep(min(walk.rest_s, FIRST_HOLD_S))
            walk.rest_s = 0.0
    return ledger
