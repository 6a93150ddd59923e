"""Background jobs: thin edges around the domain modules. They take ids only."""

import logging
from collections.abc import Callable
from time import monotonic
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from contacts.detection import full
from contacts.detection.comparing import compare_batch
from contacts.detection.policy import merge_certain
from contacts.imports import engine, runs
from contacts.models import ImportRun
from integrations.exceptions import StateError
from integrations.jobs import CALLING_TIMEOUT_S, wake_planned
from integrations.queue import enqueue

logger = logging.getLogger(__name__)

COMPARE_CHANGES = "contacts.jobs.compare_changes"
COMPARE_ALL = "contacts.jobs.compare_all"
IMPORT_SLICE = "contacts.jobs.import_slice"
# Of the time that a job has, what batches may take: the last one goes beyond it.
COMPARING_S = settings.JOB_TIMEOUT_S / 2
# For a million contacts; all are read and cleaned by one process.
COMPARE_ALL_TIMEOUT_S = 60 * 60


# --- Duplicates -------------------------------------------------------------------------------------------------------


def compare_changes() -> None:
    """Each minute, by schedule: the contacts that have changed, and all where that is due."""
    if full.is_wanted():
        enqueue(COMPARE_ALL, timeout_s=COMPARE_ALL_TIMEOUT_S)
    begun = monotonic()
    while compare_batch():
        if monotonic() - begun > COMPARING_S:
            enqueue(COMPARE_CHANGES)
            break
    merge_by_policy()


def compare_all() -> None:
    """Queued each minute for as long as it is wanted: of several such jobs the first one does it."""
    if not full.is_wanted():
        return
    try:
        full.run(workers=0, report=lambda step, done, total: None)
    except StateError:
        # Somebody has begun at this very moment.
        return
    merge_by_policy()


def merge_by_policy() -> None:
    if merged := merge_certain():
        logger.info("certain pairs merged", extra={"count": merged})
    wake_planned()


# --- Imports ----------------------------------------------------------------------------------------------------------


@transaction.atomic
def start_import(start: Callable[[], ImportRun]) -> ImportRun:
    """Start a run and queue its first slice."""
    run = start()
    queue_import(run.pk)
    return run


@transaction.atomic
def resume_import(run: ImportRun) -> None:
    runs.resume(run)
    queue_import(run.pk)


def queue_import(run_id: UUID, delay_s: float = 0) -> None:
    enqueue(IMPORT_SLICE, str(run_id), delay_s=delay_s, timeout_s=CALLING_TIMEOUT_S)


def import_slice(run_id: str) -> None:
    delay_s = engine.work(UUID(run_id))
    if delay_s is not None:
        queue_import(UUID(run_id), delay_s)
    wake_planned()


def sweep_imports() -> None:
    """Each minute, by schedule."""
    now = timezone.now()
    for run_id in runs.find_idle(now):
        queue_import(run_id)
    runs.forget_old(now)
