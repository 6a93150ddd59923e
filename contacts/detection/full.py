"""Comparing all contacts, as `manage.py find_duplicates` does: killed at any point and run again, it goes on.

1. Contacts are read and cleaned, and blocking keys that differ are written.
2. All are matched in memory, and the census of their values takes the place of the last one.
3. Pairs are written in the order of their first contacts, a batch in a transaction, and with it how far that is.
4. Clusters are brought up to date where they differ.

Reading and matching are done anew by a run that goes on; what was written is not written again. Contacts that change
meanwhile are compared by themselves, as always. Their pairs are left alone here, and once all keys are there, they are
compared again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from django.db import Error as DatabaseError
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from contacts.detection.census import LEAST, store_census
from contacts.detection.cleaning import read_all
from contacts.detection.locks import is_running, lock_comparing, try_lock_run, unlock_run
from contacts.detection.reading import fetch
from contacts.detection.writing import Comparison, write_clusters, write_pairs
from contacts.duplicates.matches import find_matches
from contacts.models import BlockingKeys, Census, Contact, ContactChange, DuplicateRun
from integrations.exceptions import StateError

Phase = DuplicateRun.Phase
BATCH = 1000
# All are compared anew after so long, or once this part of them has changed.
LONGEST = timedelta(days=1)
CHANGED = 0.5
# A run that nobody has gone on with for so long was left.
LEFT_AFTER = timedelta(hours=1)

# What is being done, how many of it are done, and of how many.
type Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Found:
    """What a comparison of all contacts finds, whether it is written or not."""

    contacts: int
    unreadable: int
    compared: int
    certain: int
    review: int


# --- The run ----------------------------------------------------------------------------------------------------------


def look(*, workers: int, report: Report) -> Found:
    """What there is, with nothing written."""
    return count(compare_all(workers=workers, has_writes=False, report=report))


def run(*, workers: int, report: Report, batch: int = BATCH) -> tuple[DuplicateRun, Found]:
    """Compare all contacts, or go on with the run that was stopped. Raises StateError where another process does it.

    Without workers, contacts are read by this process, as a job must.
    """
    with hold_run():
        current = begin()
        comparison = compare_all(workers=workers, has_writes=True, report=report)
        if current.phase == Phase.READING:
            finish_reading(current, comparison)
        if current.phase == Phase.PAIRS:
            write_pairs(current, comparison, batch=batch, report=lambda *done: report("pairs", *done))
            enter(current, Phase.CLUSTERS)
        write_clusters(batch=batch, report=lambda *done: report("clusters", *done))
        finish(current)
        return current, count(comparison)


def is_wanted() -> bool:
    """Whether all contacts should be compared by now, and nobody does."""
    if is_running():
        return False
    if left := DuplicateRun.objects.filter(finished_at=None).first():
        return left.updated_at < timezone.now() - LEFT_AFTER
    census = Census.objects.order_by("-pk").first()
    if census is None:
        return Contact.objects.exists()
    return census.changed > census.contacts * CHANGED or census.counted_at < timezone.now() - LONGEST


@contextmanager
def hold_run() -> Iterator[None]:
    """Until the block ends or the process dies."""
    if not try_lock_run():
        raise StateError("All contacts are being compared by another process: let it end.")
    try:
        yield
    finally:
        # A lost database connection has given the lock back by itself.
        with suppress(DatabaseError):
            unlock_run()


@transaction.atomic
def begin() -> DuplicateRun:
    """The unfinished run, or a new one, which stands for all changes so far."""
    lock_comparing()
    unfinished = DuplicateRun.objects.filter(finished_at=None).first()
    if unfinished is None:
        ContactChange.objects.all().delete()
        return DuplicateRun.objects.create()
    return unfinished


def compare_all(*, workers: int, has_writes: bool, report: Report) -> Comparison:
    [[total]] = fetch("SELECT count(*) FROM contacts_contact WHERE merged_into_id IS NULL AND erased_at IS NULL")
    [[read_at]] = fetch("SELECT clock_timestamp()")
    people = read_all(workers=workers, has_writes=has_writes, report=lambda done: report("contacts", done, total))
    report("comparing", 0, 0)
    return Comparison.make(people, find_matches(people.columns, people.owners, LEAST), read_at)


def count(comparison: Comparison) -> Found:
    certain = int(comparison.is_certain.sum())
    return Found(
        contacts=len(comparison.people),
        unreadable=comparison.people.unreadable,
        compared=comparison.matches.compared,
        certain=certain,
        review=len(comparison.links) - certain,
    )


@transaction.atomic
def finish_reading(current: DuplicateRun, comparison: Comparison) -> None:
    lock_comparing()
    people = comparison.people
    store_census(people.columns, len(people), comparison.matches.prior)
    BlockingKeys.objects.exclude(contact__merged_into=None, contact__erased_at=None).delete()
    current.contacts, current.compared = len(people), comparison.matches.compared
    current.unreadable, current.keys_written = people.unreadable, people.keys_written
    enter(current, Phase.PAIRS)


def enter(current: DuplicateRun, phase: DuplicateRun.Phase) -> None:
    current.phase = phase
    current.save()


@transaction.atomic
def finish(current: DuplicateRun) -> None:
    """Who was compared while keys were missing may have missed somebody."""
    lock_comparing()
    with database.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO contacts_contactchange (contact_id)
            SELECT contact_id FROM contacts_blockingkeys WHERE compared_at > %s
            """,
            [current.created_at],
        )
    current.finished_at = timezone.now()
    enter(current, Phase.DONE)
