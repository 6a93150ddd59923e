"""What was refused for want of authority (401), counted by the hour."""

from typing import ClassVar

from django.db import models

from integrations.models.connections import Connection


class RefusalCount(models.Model):
    """Of one connection in one hour: webhooks that we refused, as nobody known had signed them, and calls of ours.

    integrations/refusals.py counts them.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, db_index=False)
    hour = models.DateTimeField()
    webhooks = models.PositiveIntegerField(default=0)
    calls = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["hour", "connection"], name="refusal_count_once"),
        ]

    def __str__(self) -> str:
        return f"{self.webhooks} and {self.calls} at {self.hour:%Y-%m-%d %H:%M}"
