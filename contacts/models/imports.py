"""Many contacts at once: all of a CRM's, or those of a CSV file."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from contacts.models.contacts import Contact
from integrations.models import Connection
from integrations.privacy.encryption import EncryptedBinaryField, EncryptedJSONField


class ImportRun(models.Model):
    """One pull of all contacts of a source, page by page. `cursor` is where the next page begins.

    A dry run counts what a real one would do, and changes nothing.
    """

    class Source(models.TextChoices):
        CRM = "crm", "CRM"
        CSV = "csv", "CSV file"

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.CharField(max_length=8, choices=Source)
    connection = models.ForeignKey(Connection, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=255, blank=True)
    # Of a CSV file, until it has been imported for real.
    content = EncryptedBinaryField(null=True, editable=False)
    default_region = models.CharField(max_length=2, blank=True)
    is_dry_run = models.BooleanField(default=False)
    status = models.CharField(max_length=16, choices=Status, default=Status.WAITING)
    cursor = models.CharField(max_length=255, blank=True, editable=False)
    # How many there are, where the source tells.
    total = models.PositiveIntegerField(null=True)
    read = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    matched = models.PositiveIntegerField(default=0)
    # Of those, how many left a pair to review.
    for_review = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    # Of people who were erased here: they are not brought back.
    erased = models.PositiveIntegerField(default=0)
    # What the source's form says to who looks at it, such as columns that are ignored.
    notes = EncryptedJSONField(default=list, editable=False)
    problem = models.CharField(max_length=500, blank=True, help_text="Why it has stopped, and what to do next.")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    # The process that works on it holds it until then.
    leased_until = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "import"
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection"],
                condition=Q(source="crm", status__in=["waiting", "running"]),
                name="import_one_a_connection",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_source_display()} {self.connection or self.file_name}"


class ImportRow(models.Model):
    """A row of a run that a person should see: refused, or put up for review."""

    class Outcome(models.TextChoices):
        REFUSED = "refused", "Refused"
        FOR_REVIEW = "for_review", "For review"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="rows")
    # The line of the file, or the place in the CRM's list; and the CRM's id.
    number = models.PositiveIntegerField()
    external_id = models.CharField(max_length=255, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome)
    field = models.CharField(max_length=64, blank=True)
    problem = models.CharField(max_length=500, blank=True)
    contact = models.ForeignKey(Contact, null=True, on_delete=models.SET_NULL, related_name="+")
    # Column → text, as it came.
    values = EncryptedJSONField(default=dict)

    class Meta:
        ordering: ClassVar = ["number"]
        indexes: ClassVar = [models.Index(fields=["run", "number"], name="import_row_place")]

    def __str__(self) -> str:
        return f"row {self.number}"


class ImportSeen(models.Model):
    """What a dry run remembers of a person it has seen, by a blind index of what identifies them; until it is over."""

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="+", db_index=False)
    index = models.BinaryField(max_length=16, editable=False)
    seen = EncryptedJSONField(default=dict)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "index"], name="import_seen_once")]

    def __str__(self) -> str:
        return f"somebody in {self.run_id}"
