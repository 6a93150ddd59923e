"""What contacts keep for a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from contacts.models import ImportRow, ImportRun
from integrations.retention.kinds import Kind, delete_rows, keeps_for_a_time


def find_files(before: datetime) -> QuerySet[ImportRun]:
    """Of imports that are over, or were never begun for real."""
    held = ImportRun.objects.filter(content__isnull=False, created_at__lt=before)
    return held.exclude(status__in=(ImportRun.Status.WAITING, ImportRun.Status.RUNNING))


def forget_files(keys: Sequence[Any]) -> None:
    ImportRun.objects.filter(pk__in=keys).update(content=None)


keeps_for_a_time(
    Kind(
        "import_rows",
        "Rows of imports that were refused, or put up for review",
        180,
        lambda before: ImportRow.objects.filter(run__finished_at__lt=before),
        delete_rows(ImportRow),
        "The import with its counts.",
    )
)
keeps_for_a_time(
    Kind(
        "import_files",
        "Files that were uploaded and not imported for real",
        30,
        find_files,
        forget_files,
        "The import with its counts.",
    )
)
