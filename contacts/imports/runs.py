"""Imports as people start, stop and resume them. engine.py works on them; edges queue its slices."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.utils import timezone

from contacts.imports.csv_files import CsvFile, FileError
from contacts.imports.engine import OPEN
from contacts.models import ImportRow, ImportRun
from integrations.exceptions import StateError
from integrations.mappings import fill_defaults, get_crm
from integrations.models import Connection

Status = ImportRun.Status
RESUMABLE = (Status.STOPPED, Status.FAILED)
# How long a file that was not imported for real is kept, and what a person should see of a run.
KEEP_FILE, KEEP_ROWS = timedelta(days=7), timedelta(days=30)
STOPPED = "Somebody has stopped it. Resume it, and it goes on where it was."
NAME_LENGTH = 255


def list_runs() -> QuerySet[ImportRun]:
    """Without their files, of which `has_file` says whether they are there."""
    has_file = ExpressionWrapper(Q(content__isnull=False), output_field=BooleanField())
    return ImportRun.objects.defer("content").annotate(has_file=has_file)


def start_crm(connection: Connection, *, is_dry_run: bool, user: Any = None) -> ImportRun:
    """Begin to pull all contacts of a CRM. Raises SetupError where it is none, StateError where that is going on."""
    get_crm(connection)
    fill_defaults(connection)
    with one_at_a_time():
        return ImportRun.objects.create(
            source=ImportRun.Source.CRM, connection=connection, is_dry_run=is_dry_run, user=user
        )


def start_csv(
    content: bytes, *, file_name: str, default_region: str = "", is_dry_run: bool, user: Any = None
) -> ImportRun:
    """Begin to import a file. It is read to its end first: raises FileError, naming the line, and stores nothing."""
    file = CsvFile.open(content)
    total = sum(1 for _ in file.list_lines())
    if not total:
        raise FileError("There is no line below the header.")
    return ImportRun.objects.create(
        source=ImportRun.Source.CSV,
        content=content,
        file_name=file_name[-NAME_LENGTH:],
        default_region=default_region.upper(),
        total=total,
        notes=file.list_notes(),
        is_dry_run=is_dry_run,
        user=user,
    )


@transaction.atomic
def run_for_real(run: ImportRun, user: Any = None) -> ImportRun:
    """After a dry run: import the same file, or the CRM as it is now. Raises StateError."""
    if not (run.is_dry_run and run.status == Status.DONE):
        raise StateError("Only a dry run that is done can be followed by a real one.")
    if run.connection is not None:
        return start_crm(run.connection, is_dry_run=False, user=user)
    stored = ImportRun.objects.select_for_update().get(pk=run.pk)
    if stored.content is None:
        raise StateError("The file is not here any more: upload it again.")
    real = start_csv(
        stored.content, file_name=run.file_name, default_region=run.default_region, is_dry_run=False, user=user
    )
    ImportRun.objects.filter(pk=run.pk).update(content=None)
    return real


def stop(run: ImportRun) -> None:
    """What is done stays; the page that is being worked on is not done. Raises StateError where it is over."""
    still_open = ImportRun.objects.filter(pk=run.pk, status__in=OPEN)
    if not still_open.update(status=Status.STOPPED, leased_until=None, problem=STOPPED, finished_at=timezone.now()):
        raise StateError("The import is over already.")


def may_resume(run: Any) -> bool:
    return run.status in RESUMABLE and (run.source == ImportRun.Source.CRM or run.has_file)


def resume(run: ImportRun) -> None:
    """Let it go on where it was. Raises StateError where it was not stopped, or its file is gone."""
    stopped = ImportRun.objects.filter(pk=run.pk, status__in=RESUMABLE)
    here = stopped.filter(Q(source=ImportRun.Source.CRM) | Q(content__isnull=False))
    with one_at_a_time():
        if not here.update(status=Status.WAITING, leased_until=None, problem="", finished_at=None):
            raise StateError("Only an import that was stopped, or has failed, and whose file is still here goes on.")


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Raises StateError where another import of the same connection is open."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        raise StateError("This CRM is being imported already: wait until that is over, or stop it.") from error


def find_unfinished(source: Q) -> ImportRun | None:
    """The latest run of a source, where it can go on."""
    latest = list_runs().filter(source).select_related("connection").first()
    return latest if latest and (latest.status in OPEN or may_resume(latest)) else None


# --- What the sweeper does --------------------------------------------------------------------------------------------


def find_idle(now: datetime) -> list[UUID]:
    """Open runs that nobody works on: what they waited for is over, or their process has died."""
    free = Q(leased_until=None) | Q(leased_until__lte=now)
    able = Q(connection=None) | Q(connection__status=Connection.Status.ACTIVE)
    return list(ImportRun.objects.filter(free, able, status__in=OPEN).values_list("pk", flat=True))


def forget_old(now: datetime) -> None:
    """Delete files that nobody has imported for real, and what there was to see of runs, some time after they ended."""
    ended = ImportRun.objects.exclude(status__in=OPEN)
    ended.filter(finished_at__lt=now - KEEP_FILE, content__isnull=False).update(content=None)
    ImportRow.objects.filter(run__finished_at__lt=now - KEEP_ROWS).delete()
