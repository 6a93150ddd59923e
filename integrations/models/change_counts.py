"""How many changes at a provider were looked at by a reconciliation, and how many of them no webhook had told."""

from typing import ClassVar

from django.db import models

from integrations.models.connections import Connection


class ChangeCount(models.Model):
    """Of one connection and one day (UTC), the day on which they were looked at."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE)
    day = models.DateField()
    checked = models.PositiveIntegerField(default=0)
    missed = models.PositiveIntegerField(default=0)

    class Meta:
        ordering: ClassVar = ["-day", "connection"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["connection", "day"], name="change_count_once")]

    def __str__(self) -> str:
        return f"{self.missed} of {self.checked} on {self.day}"
