"""Working on imports: page by page, one process at a time for each run.

1. The run is claimed: a conditional update with a lease. Whoever else tries goes away.
2. The page at the run's cursor is read, outside any transaction.
3. One transaction: its people, their consents, what a person should see, the counts, and the cursor of the next page,
   if the lease is still ours and nobody has stopped the run. A process that dies at any line leaves a page done whole
   or not at all; repeating one changes nothing and counts nothing twice.
4. A source that limits the rate, is down, or refuses the credentials holds the run, which goes on by itself.

A dry run changes nothing but its own rows, with what it remembers of those whom it has seen.
"""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import Q
from django.utils import timezone

from contacts.imports.bringing import bring, find_changed
from contacts.imports.crm_rows import CrmSource
from contacts.imports.csv_rows import CsvSource
from contacts.imports.foretelling import foretell
from contacts.imports.outcomes import COUNTS, PROBLEM_LENGTH, Tally, count, list_shown
from contacts.imports.rows import Page, RowSource
from contacts.models import Contact, ImportRow, ImportRun, ImportSeen
from contacts.sync import plan_contacts
from integrations.exceptions import (
    KeepsyncError,
    LeaseLostError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    TokenOutageError,
    TransientError,
)
from integrations.models import Connection
from integrations.races import run_race
from integrations.retries import RETRY_AFTER_MAX_S

logger = logging.getLogger(__name__)

Status = ImportRun.Status
OPEN = (Status.WAITING, Status.RUNNING)
# How long a job works before it makes room for others. A lease outlasts a page: its calls, and its transaction.
SLICE_S = 6.0
LEASE = timedelta(seconds=120)
# Before a source is asked again that is down, or limits the rate without a time.
OUTAGE_S, PAUSE_S = 15.0, 5.0

SOURCES: dict[str, Callable[[ImportRun], RowSource]] = {
    ImportRun.Source.CRM: CrmSource,
    ImportRun.Source.CSV: CsvSource,
}

type Report = Callable[[ImportRun], None]


def work(run_id: UUID, *, report: Report = lambda run: None) -> float | None:
    """Work on a run for a slice of time. Returns the seconds until it is to go on.

    None where it is over, is another process's, or waits for somebody. `report` is told after each page.
    """
    run = claim(run_id)
    if run is None:
        return None
    try:
        check_connection(run)
        return Slice(run, SOURCES[run.source](run), report).work()
    except LeaseLostError:
        return None
    except TransientError as error:
        return hold(run, error)
    except KeepsyncError as error:
        fail(run, str(error))
    except (OperationalError, InterfaceError):
        # The database is away: the sweeper goes on with the run when it is back.
        raise
    except Exception as error:
        logger.exception("import failed", extra={"job": str(run.pk)})
        fail(run, f"Unexpected {type(error).__name__}, which the log describes: once it is mended, resume the import.")
    return None


# --- Whose it is ------------------------------------------------------------------------------------------------------


def claim(run_id: UUID) -> ImportRun | None:
    now = timezone.now()
    free = ImportRun.objects.filter(Q(leased_until=None) | Q(leased_until__lte=now), pk=run_id, status__in=OPEN)
    if not free.update(status=Status.RUNNING, leased_until=now + LEASE):
        return None
    return ImportRun.objects.select_related("connection").get(pk=run_id)


def save(run: ImportRun, **values: object) -> None:
    """Write the run, as long as it is ours. Raises LeaseLostError where it is another's, or was stopped."""
    mine = ImportRun.objects.filter(pk=run.pk, status=Status.RUNNING, leased_until=run.leased_until)
    if not mine.update(**values):
        raise LeaseLostError("Another process works on the import, or somebody has stopped it.")


def check_connection(run: ImportRun) -> None:
    """Raises ReauthoriseError where the connection waits for a person."""
    if run.connection and run.connection.status != Connection.Status.ACTIVE:
        state = run.connection.get_status_display().lower()
        raise ReauthoriseError(f"{run.connection} is {state}.")


def hold(run: ImportRun, error: TransientError) -> float | None:
    """Let the run wait, and say for what. None where the sweeper goes on with it, once somebody has mended that."""
    pause_s, advice = read_pause(error)
    until = None if pause_s is None else timezone.now() + timedelta(seconds=pause_s)
    logger.warning("import held", extra={"job": str(run.pk), "cause": error.cause, "retry_in_s": pause_s})
    try:
        save(run, status=Status.WAITING, leased_until=until, problem=f"{error} {advice}"[:PROBLEM_LENGTH])
    except LeaseLostError:
        return None
    return pause_s


def read_pause(error: TransientError) -> tuple[float | None, str]:
    match error:
        case ReauthoriseError():
            return None, "Once the connection is active again, the import goes on by itself."
        case RateLimitedError() | TokenOutageError():
            return min(error.retry_after_s or PAUSE_S, RETRY_AFTER_MAX_S), "The import goes on by itself."
    return OUTAGE_S, "The import goes on by itself."


def fail(run: ImportRun, problem: str) -> None:
    with suppress(LeaseLostError):
        now = timezone.now()
        save(run, status=Status.FAILED, leased_until=None, problem=problem[:PROBLEM_LENGTH], finished_at=now)


# --- Its pages --------------------------------------------------------------------------------------------------------


@dataclass
class Slice:
    run: ImportRun
    source: RowSource
    report: Report

    def __post_init__(self) -> None:
        self.ends_at = time.monotonic() + SLICE_S

    def work(self) -> float | None:
        """The seconds until the run is to go on; None where it is over."""
        while True:
            page = self.source.read_page(self.run.cursor, self.run.read)
            if page.cursor and page.cursor == self.run.cursor:
                raise PermanentError("The list leads in a circle: it names the same place twice.")
            self.take(page)
            self.report(self.run)
            if not page.cursor:
                return None
            if page.rest_s > 0 or time.monotonic() >= self.ends_at:
                return self.release(page.rest_s)

    def take(self, page: Page) -> None:
        written: list[dict[str, Any]] = []
        run_race(lambda: written.append(self.write_page(page, timezone.now())))
        for name, value in written[-1].items():
            setattr(self.run, name, value)

    def write_page(self, page: Page, began_at: datetime) -> dict[str, Any]:
        """Returns the run's columns as they are then."""
        outcomes = foretell(page.rows, self.run) if self.run.is_dry_run else bring(page.rows, self.source)
        ImportRow.objects.bulk_create(list_shown(self.run, outcomes))
        if self.source.is_passed_on and not self.run.is_dry_run:
            pass_on(find_changed(outcomes, began_at))
        values = self.list_progress(page, count(outcomes))
        if not page.cursor:
            values |= self.list_ending(values["read"])
        save(self.run, **values)
        return values

    def list_progress(self, page: Page, tally: Tally) -> dict[str, Any]:
        """The run's columns after the page."""
        return {
            "cursor": page.cursor,
            "total": self.run.total if page.total is None else page.total,
            "leased_until": timezone.now() + LEASE,
            "problem": "",
            **{name: getattr(self.run, name) + getattr(tally, name) for name in COUNTS},
        }

    def list_ending(self, read: int) -> dict[str, Any]:
        """Its columns after the last one, in the same transaction: an empty cursor would be the beginning as well."""
        ending = {"status": Status.DONE, "finished_at": timezone.now(), "leased_until": None, "total": read}
        if self.run.is_dry_run:
            ImportSeen.objects.filter(run=self.run).delete()
            return ending
        # A file is kept after a dry run only, to be imported for real.
        return {**ending, "content": None}

    def release(self, rest_s: float) -> float:
        save(self.run, leased_until=timezone.now() + timedelta(seconds=rest_s) if rest_s else None)
        return rest_s


def pass_on(changed: Sequence[UUID]) -> None:
    """Bring contacts to where they are already, as an edit by hand does."""
    if not changed:
        return
    for crm in Connection.objects.filter(contactlink__contact__in=changed, calendar_pairs__isnull=False).distinct():
        plan_contacts(Contact.objects.filter(pk__in=changed, links__connection=crm), [crm])
