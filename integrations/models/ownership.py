"""Who may write which field, and what became of the writes that were not taken over as they came."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from simple_history.models import HistoricalRecords

from integrations.models.connections import Connection
from integrations.models.mappings import FieldMapping, Pair


class FieldRule(models.Model):
    """An administrator's decision about one field of a pair; integrations/ownership.py has those of the patterns.

    The owner may always write. `mode` says what a write of the other side does, `policy` what is done where both sides
    have changed the field since they last agreed.
    """

    class Side(models.TextChoices):
        CALENDAR = "calendar", "calendar.live"
        CRM = "crm", "the CRM"

    class Mode(models.TextChoices):
        OVERWRITE = "overwrite", "Overwrites"
        IF_EMPTY = "if_empty", "Fills in what is empty"
        APPEND = "append", "Is appended"
        NEVER = "never", "Is blocked"

    class Policy(models.TextChoices):
        OWNER_WINS = "owner_wins", "The owner wins"
        LAST_WRITE_WINS = "last_write_wins", "The last write wins"
        ASK = "ask", "A person is asked"

    pair = models.ForeignKey(Pair, on_delete=models.CASCADE, related_name="field_rules")
    record = models.CharField(max_length=16, choices=FieldMapping.Record)
    field = models.CharField(max_length=64)
    owner = models.CharField(max_length=16, choices=Side)
    mode = models.CharField("a write of the other side", max_length=16, choices=Mode)
    policy = models.CharField("where both have changed it", max_length=16, choices=Policy)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["pair", "record", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["pair", "record", "field"], name="field_rule_once"),
        ]

    def __str__(self) -> str:
        return f"{self.record}.{self.field} of {self.pair}"


class FieldWrite(models.Model):
    """Fields of one record that a delivery or an answer wrote, with one verdict for all of them. No values."""

    class Verdict(models.TextChoices):
        APPLIED = "applied", "Applied"
        SAME = "same", "The same already"
        ECHO = "echo", "Our own, come back"
        STALE = "stale", "Older than what is known"
        BLOCKED = "blocked", "Blocked"
        CONFLICT = "conflict", "A person is asked"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE)
    delivery_id = models.UUIDField(null=True, db_index=True)
    # As effects name it: `contact:<id>`, `meeting:<id>`.
    subject = models.CharField(max_length=64)
    fields = ArrayField(models.CharField(max_length=64))
    verdict = models.CharField(max_length=16, choices=Verdict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(fields=["subject", "-id"], name="field_write_subject"),
            # Rows stand in the order of their time: what is over is found by blocks.
            BrinIndex(fields=["created_at"], name="field_write_time"),
        ]

    def __str__(self) -> str:
        return f"{', '.join(self.fields)}: {self.get_verdict_display().lower()}"
