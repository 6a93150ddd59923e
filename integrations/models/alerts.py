"""Alerts: what administrators should know, from when it is found until it is over."""

from typing import ClassVar

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from simple_history.models import HistoricalRecords

from integrations.models.connections import Connection


class Alert(models.Model):
    """One open alert for each kind, connection and what it is about; what has been over and comes again is a new one.

    integrations/operations/alerts.py opens, updates and closes them, muting.py beside it mutes them.
    """

    class Level(models.TextChoices):
        INFO = "info", "Reminder"
        WARNING = "warning", "Warning"
        CRITICAL = "critical", "Critical"

    kind = models.CharField(max_length=32)
    # None: it concerns the whole installation.
    connection = models.ForeignKey(Connection, null=True, blank=True, on_delete=models.CASCADE, related_name="alerts")
    # Where a rule has several of them for one connection, or for none: which one.
    about = models.CharField(max_length=64, blank=True)
    title = models.CharField(max_length=200)
    # Plain lines, as they were seen last. They name nobody.
    text = models.TextField(blank=True)
    level = models.CharField(max_length=16, choices=Level)
    # The admin's page where something can be done about it, and what the link says.
    page = models.CharField(max_length=500, blank=True)
    press = models.CharField(max_length=100, blank=True)
    opened_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    times_seen = models.PositiveIntegerField(default=1)
    # None: it is not muted. Without an end it is muted until it is over.
    muted_at = models.DateTimeField(null=True, blank=True)
    muted_until = models.DateTimeField(null=True, blank=True)
    muted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    mute_reason = models.CharField(max_length=500, blank=True)
    # Who looks after it.
    taken_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering: ClassVar = [F("closed_at").desc(nulls_first=True), "-pk"]
        permissions: ClassVar = [("operate_alert", "Can take and mute alerts, and have their cause looked at again")]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "connection", "about"],
                condition=Q(closed_at=None),
                nulls_distinct=False,
                name="alert_open_once",
            )
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_muted(self) -> bool:
        return self.muted_at is not None


class AlertEntry(models.Model):
    """What happened to an alert, and in which message it was told."""

    class What(models.TextChoices):
        OPENED = "opened", "Opened"
        WORSE = "worse", "Became critical"
        UPDATED = "updated", "Changed"
        TAKEN = "taken", "Taken"
        RELEASED = "released", "Given back"
        MUTED = "muted", "Muted"
        UNMUTED = "unmuted", "Muted no longer"
        CLOSED = "closed", "Over"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="entries")
    what = models.CharField(max_length=16, choices=What)
    at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    note = models.CharField(max_length=500, blank=True)
    # Whether it is still to be told, and the first entry of the message that tells it.
    is_due = models.BooleanField(default=False)
    told_with = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["pk"]
        default_permissions: ClassVar = ()
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=Q(is_due=True), name="alert_entry_due"),
        ]

    def __str__(self) -> str:
        return self.get_what_display()


class AlertRule(models.Model):
    """What an administrator has decided about one rule; every rule has a row. The rule itself is code.

    integrations/operations/rules.py says what holds where a limit is empty.
    """

    kind = models.CharField(max_length=32, unique=True, editable=False)
    is_enabled = models.BooleanField(
        "on", default=True, help_text="Off: it opens nothing, and what it has open is over."
    )
    opens_at = models.FloatField(
        "opens at",
        null=True,
        blank=True,
        validators=[MinValueValidator(0.001)],
        help_text="From how much on. Empty: as it is shipped.",
    )
    minimum = models.PositiveIntegerField(
        null=True, blank=True, help_text="Below so many nothing is concluded. Empty: as it is shipped."
    )
    to_slack = models.BooleanField("tell it by Slack", default=True)
    to_email = models.BooleanField("tell it by e-mail", default=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["kind"]

    def __str__(self) -> str:
        return self.kind.replace("_", " ").capitalize()
