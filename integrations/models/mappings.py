"""What goes where: pairs of connections, and which of our fields is which of theirs."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from simple_history.models import HistoricalRecords

from integrations.models.connections import Connection


class Pair(models.Model):
    """A calendar.live connection and a CRM that tell the same story. Nothing is synced to a CRM without one."""

    class Pattern(models.TextChoices):
        IN = "in", "calendar.live → CRM"
        OUT = "out", "CRM → calendar.live"
        TWO_WAY = "two_way", "Both ways"

    calendar = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="crm_pairs")
    crm = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="calendar_pairs")
    pattern = models.CharField(max_length=16, choices=Pattern)
    created_at = models.DateTimeField(auto_now_add=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["calendar", "crm"], name="pair_once")]

    def __str__(self) -> str:
        return f"{self.calendar} and {self.crm}"


class FieldMapping(models.Model):
    """One of our fields and the CRM's field that holds it."""

    class Record(models.TextChoices):
        CONTACT = "contact", "Contact"
        MEETING = "meeting", "Meeting"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="field_mappings")
    record = models.CharField(max_length=16, choices=Record)
    ours = models.CharField(max_length=64)
    theirs = models.CharField(max_length=128)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["connection", "record", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "record", "theirs"], name="field_mapping_once")
        ]

    def __str__(self) -> str:
        return f"{self.record}.{self.ours} → {self.theirs}"


class OwnerMapping(models.Model):
    """One of our users, and who that is in the CRM."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="owner_mappings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    external_id = models.CharField(max_length=255, help_text="The CRM's own id of this user or owner.")

    class Meta:
        ordering: ClassVar = ["connection", "id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["connection", "user"], name="owner_mapping_once")]

    def __str__(self) -> str:
        return f"{self.user} at {self.connection}"
