"""Purging: a walk through all kinds, in small batches, each in a short transaction of its own.

1. A run's row is locked for each batch: one process works on it at a time, and another goes away. Rows that somebody
   else has locked are left to the next run.
2. What is deleted, the run's counts and its place commit together: a process that dies leaves a batch done whole or
   not at all, and whoever comes next goes on from there.
3. A slice ends after a few seconds, and the next one waits while others have more urgent work.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone
from django_q.models import OrmQ

from integrations.models import PurgeRun
from integrations.retention import rows  # noqa: F401  (its kinds register themselves)
from integrations.retention.kinds import Kind, count_due, find_due, list_kinds, read_days

logger = logging.getLogger(__name__)

BATCH = 500
SLICE_S = 4.0
# Between two slices; and while so many jobs are due that others would have to wait.
PAUSE_S, BUSY_S, BUSY_FROM = 1.0, 60.0, 200
# A run on which nobody has worked for so long has lost its job.
LOST_AFTER = timedelta(minutes=5)


def start() -> UUID:
    """The run that is not over, or a new one."""
    found = PurgeRun.objects.filter(finished_at=None).first()
    if found is None:
        try:
            with transaction.atomic():
                found = PurgeRun.objects.create()
        except IntegrityError:
            found = PurgeRun.objects.get(finished_at=None)
    return found.pk


def find_idle(now: datetime) -> list[UUID]:
    idle = PurgeRun.objects.filter(finished_at=None, worked_at__lt=now - LOST_AFTER)
    return list(idle.values_list("pk", flat=True))


def take_slice(run_id: UUID, *, report: Callable[[int], None] = lambda count: None) -> bool:
    """Work on a run for a slice of time. Whether there is more to do. `report` gets the rows of each batch."""
    ends_at = time.monotonic() + SLICE_S
    while (count := take_batch(run_id)) is not None:
        report(count)
        if time.monotonic() >= ends_at:
            return True
    return PurgeRun.objects.filter(pk=run_id, finished_at=None).exists()


def find_pause() -> float:
    """Seconds until the next slice: longer while more urgent work waits."""
    due = OrmQ.objects.filter(lock__lte=timezone.now()).values("pk")[:BUSY_FROM]
    return BUSY_S if due.count() >= BUSY_FROM else PAUSE_S


@transaction.atomic
def take_batch(run_id: UUID) -> int | None:
    """The rows that were purged; None where another process has the run, or it is over."""
    run = PurgeRun.objects.select_for_update(skip_locked=True).filter(pk=run_id, finished_at=None).first()
    if run is None:
        return None
    kind = find_kind(run)
    if kind is None:
        finish(run)
        return None
    keys = choose_keys(kind, run)
    if keys:
        kind.purge(keys)
        run.counts[kind.name] = run.counts.get(kind.name, 0) + len(keys)
    run.place = place_after(kind, keys)
    run.save()
    return len(keys)


def find_kind(run: PurgeRun) -> Kind | None:
    """The one at which the run stands; None where all were looked at."""
    kinds = list_kinds()
    if "kind" not in run.place:
        return kinds[0]
    return next((kind for kind in kinds if kind.name == run.place["kind"]), None)


def choose_keys(kind: Kind, run: PurgeRun) -> list[Any]:
    """The next rows that were over when the run began, after those that were looked at."""
    due = find_due(kind, read_days()[kind.name], run.started_at)
    if due is None:
        return []
    if "after" in run.place:
        due = due.filter(pk__gt=run.place["after"])
    locked = due.order_by("pk").select_for_update(of=("self",), skip_locked=True)
    return list(locked.values_list("pk", flat=True)[:BATCH])


def place_after(kind: Kind, keys: list[Any]) -> dict[str, Any]:
    if len(keys) == BATCH:
        return {"kind": kind.name, "after": str(keys[-1])}
    names = [each.name for each in list_kinds()]
    return {"kind": next(iter(names[names.index(kind.name) + 1 :]), "")}


def finish(run: PurgeRun) -> None:
    run.finished_at = timezone.now()
    run.save()
    logger.info("purged", extra={"count": sum(run.counts.values())})


# --- For the launch checklist -----------------------------------------------------------------------------------------


def check_retention(now: datetime) -> tuple[bool, str]:
    """Whether what is over is removed, and a sentence that says how it stands."""
    last = PurgeRun.objects.exclude(finished_at=None).first()
    kept = sum(days is None for days in read_days().values())
    times = f"{len(list_kinds()) - kept} kinds of rows are kept for a time, {kept} for ever."
    if last is None or last.finished_at is None:
        return False, f"{times} No purge has run yet: run manage.py purge."
    due = sum(count_due(now).values())
    when = f"The last purge ended on {last.finished_at:%Y-%m-%d %H:%M} UTC"
    if last.finished_at < now - timedelta(days=2):
        return False, f"{times} {when}, more than two days ago; {due:,} rows are over."
    return True, f"{times} {when} and removed {sum(last.counts.values()):,} rows; {due:,} are over now."
