"""How history rows are made, and the column that they have beside the user: the delivery that made the change."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from uuid import UUID

from django.db import models
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
