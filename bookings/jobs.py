"""Background jobs of bookings: thin edges around the domain modules. They take ids only."""

import logging
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from bookings.booking_requests import forget_answers, list_left, list_overdue
from bookings.conflicts import extend_time
from bookings.flows.crm_booking import SETTLE, plan_settling, release_overdue
from bookings.models import ReconciliationRun
from bookings.reconciliation import runs
from bookings.reservations import find_lacking, sweep_expired
from integrations.effect_actions import hurry
from integrations.exceptions import KeepsyncError
from integrations.jobs import CALLING_TIMEOUT_S, wake_planned
from integrations.queue import enqueue

logger = logging.getLogger(__name__)

RECONCILE = "bookings.jobs.continue_reconciliation"


# --- Reserved time, and bookings that begin here ----------------------------------------------------------------------


def sweep_bookings() -> None:
    """Each minute, by schedule: release what has run out, take up what a process that died has left, and ask again."""
    now = timezone.now()
    sweep_expired()
    for request in list_overdue(now):
        release_overdue(request.pk)
    with transaction.atomic():
        for request in list_left(now):
            plan_settling(request)
            logger.warning("unfinished request taken up", extra={"request_id": str(request.pk)})
        hurry(SETTLE)
        wake_planned()
    forget_answers(now)


def extend_reservations() -> None:
    """Each day, by schedule: occurrences that have come into sight take their time."""
    for meeting_id in find_lacking(timezone.now()):
        try:
            with transaction.atomic():
                extend_time(meeting_id)
        except KeepsyncError as error:
            logger.warning("not extended", extra={"meeting_id": str(meeting_id), "exception": str(error)})


# --- Reconciliation ---------------------------------------------------------------------------------------------------


def reconcile_connections() -> None:
    """Once a day, by schedule."""
    for run_id in runs.start_due(timezone.now()):
        queue_run(run_id)


def sweep_reconciliations() -> None:
    """Each minute, by schedule: runs whose rest is over, and those that lost their job, go on."""
    for run_id in runs.find_due(timezone.now()):
        queue_run(run_id)


def continue_reconciliation(run_id: str) -> None:
    delay_s = runs.work(UUID(run_id))
    wake_planned()
    if delay_s is not None:
        queue_run(UUID(run_id), delay_s=delay_s)


def queue_run(run_id: UUID, *, delay_s: float = 0) -> None:
    enqueue(RECONCILE, str(run_id), delay_s=delay_s, timeout_s=CALLING_TIMEOUT_S)


@transaction.atomic
def start_reconciliation(**arguments: object) -> ReconciliationRun:
    """Start a run and queue it. Raises StateError where its connection cannot be compared now."""
    run = runs.start(**arguments)  # type: ignore[arg-type]
    queue_run(run.pk)
    return run
