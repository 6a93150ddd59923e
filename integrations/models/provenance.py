"""The columns that every history table has beside the user: the delivery that made the change."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from django.db import models

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
