"""Meetings on calendars, with the people who attend them."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

from contacts.models import Contact
from integrations.models import Connection, RecordedChange
from integrations.privacy.encryption import EncryptedJSONField, EncryptedTextField


class Calendar(models.Model):
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    external_id = models.CharField(max_length=255)
    name = EncryptedTextField()
    timezone = models.CharField(max_length=255)
    owner_email = EncryptedTextField(default="")
    # The time of the state that these values come from: an older one changes nothing.
    seen_at = models.DateTimeField()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["connection", "external_id"], name="calendar_once")]

    def __str__(self) -> str:
        return str(self.name)


class Meeting(models.Model):
    """One booking, one series, or one changed occurrence of a series. Times are UTC; `timezone` is where it is kept."""

    class Status(models.TextChoices):
        HELD = "held", "Held"
        TENTATIVE = "tentative", "Tentative"
        CONFIRMED = "confirmed", "Confirmed"
        CANCELLED = "cancelled", "Cancelled"
        COMPLETED = "completed", "Completed"
        NO_SHOW = "no_show", "No-show"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    external_id = models.CharField(max_length=255)
    calendar_event_uid = models.CharField(max_length=255, db_index=True)
    version = models.BigIntegerField()
    status = models.CharField(max_length=16, choices=Status)
    title = EncryptedTextField(default="", blank=True)
    description = EncryptedTextField(default="", blank=True)
    calendar = models.ForeignKey(Calendar, on_delete=models.PROTECT)
    start = models.DateTimeField(db_index=True)
    end = models.DateTimeField()
    timezone = models.CharField(max_length=255)
    # RFC 5545 RRULE, in the zone's wall-clock time; empty for a single meeting.
    rrule = models.CharField(max_length=500, blank=True)
    exdates = ArrayField(models.DateTimeField(), default=list, blank=True)
    # Of an occurrence that was changed by itself: its series' external id, and when it would have started.
    series_id = models.CharField(max_length=255, blank=True)
    original_start = models.DateTimeField(null=True, blank=True)
    event_type = models.JSONField(null=True, blank=True)
    answers = EncryptedJSONField(default=list, blank=True)
    join_url = EncryptedTextField(default="", blank=True)
    payment_session_id = models.CharField(max_length=255, blank=True)
    payment_status = models.CharField(max_length=16, blank=True)
    payment_amount = models.BigIntegerField(null=True, blank=True, help_text="In the currency's minor unit.")
    payment_currency = models.CharField(max_length=3, blank=True)
    payment_url = EncryptedTextField(default="", blank=True)
    source = models.CharField(max_length=32, blank=True)
    client_reference = models.CharField(max_length=255, blank=True)
    external_created_at = models.DateTimeField()
    external_updated_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    history = HistoricalRecords(bases=[RecordedChange])

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["connection", "external_id"], name="meeting_once")]
        indexes: ClassVar = [
            models.Index(fields=["external_id"], name="meeting_external_id"),
            models.Index(fields=["connection", "series_id"], condition=~models.Q(series_id=""), name="meeting_series"),
        ]

    def __str__(self) -> str:
        return str(self.title or self.external_id)


class Attendance(models.Model):
    """One attendee of a meeting, as typed there, and the contact it was found to be."""

    class Response(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"
        NEEDS_ACTION = "needs_action", "No answer yet"

    meeting = models.ForeignKey(Meeting, on_delete=models.CASCADE, related_name="attendances")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="attendances")
    attendee_id = models.CharField(max_length=255)
    email = EncryptedTextField(default="")
    full_name = EncryptedTextField(default="", blank=True)
    response = models.CharField(max_length=16, choices=Response, default=Response.NEEDS_ACTION)
    history = HistoricalRecords(bases=[RecordedChange])

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["meeting", "attendee_id"], name="attendance_once")]

    def __str__(self) -> str:
        return str(self.full_name or self.email)
