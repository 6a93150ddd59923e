"""The columns that every history table has beside the user: the delivery that made the change."""

from contextvars import ContextVar
from uuid import UUID

from django.db import models

# The delivery that is being processed in this thread, if any.
current_delivery: ContextVar[UUID | None] = ContextVar("current_delivery", default=None)


def current_delivery_id() -> UUID | None:
    return current_delivery.get()


class RecordedChange(models.Model):
    """Base of history rows: which delivery made this change. None where a user or a command did."""

    delivery_id = models.UUIDField(null=True, db_index=True, default=current_delivery_id, editable=False)

    class Meta:
        abstract = True
