"""Background jobs: thin edges around the domain modules."""

import logging
from time import monotonic

from django.conf import settings

from contacts.detection import full
from contacts.detection.comparing import compare_batch
from contacts.detection.policy import merge_certain
from integrations.exceptions import StateError
from integrations.jobs import wake_planned
from integrations.queue import enqueue

logger = logging.getLogger(__name__)

COMPARE_CHANGES = "contacts.jobs.compare_changes"
COMPARE_ALL = "contacts.jobs.compare_all"
# Of the time that a job has, what batches may take: the last one goes beyond it.
COMPARING_S = settings.JOB_TIMEOUT_S / 2
# For a million contacts; all are read and cleaned by one process.
COMPARE_ALL_TIMEOUT_S = 60 * 60


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
