"""Comparisons with calendar.live and the CRMs, and what they have found."""

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from bookings.models.meetings import Meeting
from integrations.models import Connection
from integrations.models.deliveries import ERROR_LENGTH
from integrations.retries import Cause


class ReconciliationRun(models.Model):
    """One comparison of a calendar.live connection with what is known here and at its CRMs. It goes on where it was."""

    class Status(models.TextChoices):
        RUNNING = "running", "Running"
        WAITING = "waiting", "Waiting"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    class Step(models.TextChoices):
        EVENTS = "events", "Events at calendar.live"
        UNSEEN = "unseen", "Meetings that calendar.live did not list"
        CRMS = "crms", "Records at the CRMs"
        DELIVERIES = "deliveries", "calendar.live's delivery log"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="reconciliations")
    # What it is confined to, if to anything: one meeting, or what has changed since a moment.
    meeting = models.ForeignKey(Meeting, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    since = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    status = models.CharField(max_length=16, choices=Status, default=Status.RUNNING)
    cause = models.CharField(max_length=16, choices=Cause, blank=True)
    error = models.CharField(max_length=ERROR_LENGTH, blank=True)
    notes = models.JSONField(default=list, blank=True)
    # Where it goes on: the step, the page of it, and of the CRMs which one.
    step = models.CharField(max_length=16, choices=Step, default=Step.EVENTS)
    cursor = models.TextField(blank=True, editable=False)
    crm = models.ForeignKey(
        Connection, null=True, blank=True, on_delete=models.SET_NULL, related_name="+", editable=False
    )
    # From when on changes are listed; None for a full listing. And the last change that was seen.
    updated_since = models.DateTimeField(null=True, blank=True)
    changed_until = models.DateTimeField(null=True, blank=True)
    expected = models.PositiveIntegerField(default=0, help_text="About how many will be checked.")
    checked = models.PositiveIntegerField(default=0)
    discrepancies = models.PositiveIntegerField(default=0)
    repaired = models.PositiveIntegerField(default=0)
    escalated = models.PositiveIntegerField(default=0)
    by_kind = models.JSONField(default=dict, blank=True)
    redelivered = models.PositiveIntegerField(default=0)
    # Outages and rate limits met since the last page, when it goes on after them, and who works on it.
    failures = models.PositiveIntegerField(default=0, editable=False)
    resumes_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [("operate_reconciliation", "Can start reconciliations and settle discrepancies")]
        indexes: ClassVar = [
            models.Index(fields=["connection", "status", "id"], name="reconciliation_connection"),
            models.Index(fields=["id"], condition=Q(status__in=["running", "waiting"]), name="reconciliation_open"),
        ]

    def __str__(self) -> str:
        return f"{self.connection} of {self.created_at:%Y-%m-%d %H:%M}"


class SeenEvent(models.Model):
    """An event that a full listing has shown, until its end: what is missing then is what it did not show."""

    run = models.ForeignKey(ReconciliationRun, on_delete=models.CASCADE, related_name="seen_events")
    external_id = models.CharField(max_length=255)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["run", "external_id"], name="seen_event_once")]

    def __str__(self) -> str:
        return self.external_id


class Discrepancy(models.Model):
    """What differed between a meeting here and its event or record at a connection, and what was done about it.

    It names fields, and never holds their values.
    """

    class Kind(models.TextChoices):
        MISSING_HERE = "missing_here", "Missing here"
        MISSING_THERE = "missing_there", "Missing there"
        FIELD_DIFFERS = "field_differs", "Field differs"
        GHOST = "ghost", "There, but cancelled here"
        DUPLICATE_LINK = "duplicate_link", "Duplicate link"

    class Status(models.TextChoices):
        REPAIRED = "repaired", "Repaired"
        OPEN = "open", "Waits for a person"
        APPLIED = "applied", "Theirs applied"
        PUSHED = "pushed", "Ours pushed"
        DISMISSED = "dismissed", "Dismissed"
        OVER = "over", "Over by itself"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # The run that found it last.
    run = models.ForeignKey(ReconciliationRun, on_delete=models.CASCADE, related_name="found")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="+")
    meeting = models.ForeignKey(Meeting, null=True, blank=True, on_delete=models.SET_NULL, related_name="discrepancies")
    # What it is about over there or, where nothing is there, here: event:<id> or meeting:<id>.
    subject = models.CharField(max_length=300)
    external_id = models.CharField(max_length=255, blank=True)
    kind = models.CharField(max_length=16, choices=Kind)
    status = models.CharField(max_length=16, choices=Status)
    fields = ArrayField(models.CharField(max_length=128), default=list, blank=True)
    version_here = models.BigIntegerField(null=True, blank=True)
    version_there = models.BigIntegerField(null=True, blank=True)
    text = models.CharField(max_length=ERROR_LENGTH, blank=True, help_text="What was done, or why it was not.")
    # No webhook had told of it.
    is_missed = models.BooleanField(default=False)
    # The same again, whichever run finds it: what a person dismissed stays dismissed.
    fingerprint = models.CharField(max_length=64, editable=False)
    reason = models.CharField(max_length=ERROR_LENGTH, blank=True)
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    times_seen = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "discrepancies"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "subject"], condition=Q(status="open"), name="discrepancy_open_once"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["subject", "id"], name="discrepancy_subject"),
            models.Index(fields=["run", "status"], name="discrepancy_run"),
            models.Index(fields=["status", "id"], condition=Q(status="open"), name="discrepancy_open"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.connection}"
