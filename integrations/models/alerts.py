"""Alerts: what administrators should know, from when it is found until it is over."""

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from integrations.models.connections import Connection


class Alert(models.Model):
    """One open alert for each kind and connection; what has been over and comes again is a new one.

    integrations/operations/alerts.py opens, updates and closes them.
    """

    class Level(models.TextChoices):
        INFO = "info", "Reminder"
        WARNING = "warning", "Warning"
        CRITICAL = "critical", "Critical"

    kind = models.CharField(max_length=32)
    # None: it concerns the whole installation.
    connection = models.ForeignKey(Connection, null=True, blank=True, on_delete=models.CASCADE, related_name="alerts")
    title = models.CharField(max_length=200)
    # Plain lines, as they were seen last. They name nobody.
    text = models.TextField(blank=True)
    level = models.CharField(max_length=16, choices=Level)
    opened_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    times_seen = models.PositiveIntegerField(default=1)

    class Meta:
        ordering: ClassVar = [F("closed_at").desc(nulls_first=True), "-pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "connection"],
                condition=Q(closed_at=None),
                nulls_distinct=False,
                name="alert_open_once",
            )
        ]

    def __str__(self) -> str:
        return self.title
