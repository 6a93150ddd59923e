"""How history rows are made, and the column that they have beside the user: the delivery that made the change."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any
from uuid import UUID

from django.db import models
from django.utils import timezone
from simple_history.manager import HistoryManager
from simple_history.models import HistoricalRecords

from integrations.privacy.encryption import keep_unreadable

# The delivery that is being processed in this thread, if any.
current_delivery: ContextVar[UUID | None] = ContextVar("current_delivery", default=None)


@contextmanager
def caused_by(delivery_id: UUID | None) -> Iterator[None]:
    """History rows made inside name this delivery."""
    token = current_delivery.set(delivery_id)
    try:
        yield
    finally:
        current_delivery.reset(token)


def current_delivery_id() -> UUID | None:
    return current_delivery.get()


def create_recorded(rows: Sequence[models.Model], deliveries: Iterable[UUID | None]) -> None:
    """Create rows of one model with their history, in two statements. `deliveries`: what led to each of them."""
    if not rows:
        return
    type(rows[0])._default_manager.bulk_create(rows)
    record(rows, "+", deliveries)


def update_recorded(rows: Sequence[models.Model], fields: Sequence[str]) -> None:
    """Write these fields of rows of one model with their history, in two statements, for the current delivery."""
    if not rows:
        return
    type(rows[0])._default_manager.bulk_update(rows, fields)
    record(rows, "~", [current_delivery.get()] * len(rows))


def record(rows: Sequence[models.Model], history_type: str, deliveries: Iterable[UUID | None]) -> None:
    now = timezone.now()
    history: Any = type(rows[0]).history.model  # type: ignore[attr-defined]
    with keep_unreadable():
        history.objects.bulk_create(
            history(
                history_date=now,
                history_type=history_type,
                history_user=history.get_default_history_user(row),
                delivery_id=delivery_id,
                **{field.attname: getattr(row, field.attname) for field in history.tracked_fields},
            )
            for row, delivery_id in zip(rows, deliveries, strict=True)
        )


class RecordedManager(HistoryManager):
    """simple-history makes its manager's class anew each time that `history` is looked up; this one makes it once."""

    @classmethod
    @cache
    def from_queryset(cls, queryset_class: Any, class_name: str | None = None) -> Any:
        return super().from_queryset(queryset_class, class_name)


class RecordedChange(models.Model):
    """Base of history rows: which delivery made this change. None where a user or a command did."""

    delivery_id = models.UUIDField(null=True, db_index=True, default=current_delivery_id, editable=False)

    class Meta:
        abstract = True


class History(HistoricalRecords):
    """Of a model with encrypted fields: values whose key is missing are copied as they are stored."""

    @keep_unreadable()
    def create_historical_record(self, instance: Any, history_type: str, using: str | None = None) -> None:
        super().create_historical_record(instance, history_type, using)


def record_changes(**options: Any) -> HistoricalRecords:
    """The `history` of a model that deliveries change."""
    return History(bases=[RecordedChange], history_manager=RecordedManager, **options)
