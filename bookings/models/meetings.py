"""Meetings on calendars, with the people who attend them."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.validators import MaxValueValidator
from django.db import models
from uuid_utils.compat import uuid7

from contacts.models import ERASED, Contact, merged_from
from integrations.models import Connection
from integrations.models.provenance import record_changes
from integrations.privacy.encryption import EncryptedJSONField, EncryptedTextField, show_unreadable

LONGEST_BUFFER_MIN = 240


class Calendar(models.Model):
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    external_id = models.CharField(max_length=255)
    name = EncryptedTextField()
    timezone = models.CharField(max_length=255)
    owner_email = EncryptedTextField(default="")
    # The time of the state that these values come from: an older one changes nothing.
    seen_at = models.DateTimeField()
    # Minutes around each meeting in which nothing else is booked through Keepsync.
    buffer_before_min = models.PositiveSmallIntegerField(
        "buffer before", default=0, validators=[MaxValueValidator(LONGEST_BUFFER_MIN)], help_text="In minutes."
    )
    buffer_after_min = models.PositiveSmallIntegerField(
        "buffer after", default=0, validators=[MaxValueValidator(LONGEST_BUFFER_MIN)], help_text="In minutes."
    )

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["connection", "external_id"], name="calendar_once")]

    @show_unreadable()
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
    # Until calendar.live has it: our own id, no uid, and version 0.
    external_id = models.CharField(max_length=255)
    calendar_event_uid = models.CharField(max_length=255, db_index=True, blank=True)
    version = models.BigIntegerField(default=0)
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
    # As calendar.live has it, and the one that Keepsync made.
    join_url = EncryptedTextField(default="", blank=True)
    made_join_url = EncryptedTextField(default="", blank=True)
    payment_session_id = models.CharField(max_length=255, blank=True)
    payment_status = models.CharField(max_length=16, blank=True)
    payment_amount = models.BigIntegerField(null=True, blank=True, help_text="In the currency's minor unit.")
    payment_currency = models.CharField(max_length=3, blank=True)
    payment_url = EncryptedTextField(default="", blank=True)
    source = models.CharField(max_length=32, blank=True)
    client_reference = models.CharField(max_length=255, blank=True)
    # What the program that booked it through Keepsync calls it.
    caller_id = models.CharField(max_length=255, blank=True)
    external_created_at = models.DateTimeField()
    external_updated_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    history = record_changes()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["connection", "external_id"], name="meeting_once")]
        indexes: ClassVar = [
            models.Index(fields=["external_id"], name="meeting_external_id"),
            models.Index(fields=["caller_id"], condition=~models.Q(caller_id=""), name="meeting_caller_id"),
            models.Index(
                fields=["payment_session_id"], condition=~models.Q(payment_session_id=""), name="meeting_session"
            ),
            models.Index(fields=["connection", "series_id"], condition=~models.Q(series_id=""), name="meeting_series"),
        ]

    @show_unreadable()
    def __str__(self) -> str:
        return str(self.title or self.external_id)

    @property
    def is_pending(self) -> bool:
        """Whether calendar.live has not got it yet, as far as is known."""
        return self.version == 0


class Attendance(models.Model):
    """One attendee of a meeting, as typed there, and the contact it was found to be."""

    class Response(models.TextChoices):
        ACCEPTED = "accepted", "Accepted"
        DECLINED = "declined", "Declined"
        NEEDS_ACTION = "needs_action", "No answer yet"

    meeting = models.ForeignKey(Meeting, on_delete=models.CASCADE, related_name="attendances")
    contact = models.ForeignKey(Contact, on_delete=models.PROTECT, related_name="attendances")
    merged_from = merged_from()
    attendee_id = models.CharField(max_length=255)
    email = EncryptedTextField(default="")
    full_name = EncryptedTextField(default="", blank=True)
    response = models.CharField(max_length=16, choices=Response, default=Response.NEEDS_ACTION)
    lead_score = models.IntegerField(default=0)
    # Field → digest of what the attendee said last about himself, as it was typed.
    said = models.JSONField(default=dict, blank=True, editable=False)
    history = record_changes(excluded_fields=["merged_from", "said"])

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["meeting", "attendee_id"], name="attendance_once")]
        indexes: ClassVar = [
            models.Index(
                fields=["merged_from"], condition=models.Q(merged_from__isnull=False), name="attendance_merged_from"
            )
        ]

    @show_unreadable()
    def __str__(self) -> str:
        return str(self.full_name or self.email or ERASED)


class MeetingLink(models.Model):
    """A meeting's record at a CRM, or its online meeting at Zoom."""

    meeting = models.ForeignKey(Meeting, on_delete=models.CASCADE, related_name="links")
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    external_id = models.CharField(max_length=255)
    # Of what was last brought there: the same again need not be sent, and its echo is not news.
    pushed_hash = models.CharField(max_length=64, blank=True, editable=False)
    pushed_at = models.DateTimeField(null=True, blank=True)
    # What both sides last said of each field, and the fields that a person is to decide about: see ownership.py.
    exchanged = models.JSONField(default=dict, blank=True, editable=False)
    disputed = models.JSONField(default=list, blank=True, editable=False)
    # Somebody deleted it over there.
    is_gone = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    history = record_changes(excluded_fields=["exchanged"])

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["meeting", "connection"], name="meeting_link_once"),
            models.UniqueConstraint(fields=["connection", "external_id"], name="meeting_link_external_id"),
        ]

    def __str__(self) -> str:
        return f"{self.external_id} at {self.connection}"


class Invitation(models.Model):
    """One attendee's way into an online meeting that Keepsync made: registration, personal link, confirmation."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    meeting = models.ForeignKey(Meeting, on_delete=models.CASCADE, related_name="invitations")
    attendee_id = models.CharField(max_length=255)
    email = EncryptedTextField(default="")
    full_name = EncryptedTextField(default="", blank=True)
    # Of a meeting for several: who it is there, and in which online meeting.
    registrant_id = models.CharField(max_length=255, blank=True)
    online_id = models.CharField(max_length=255, blank=True)
    join_url = EncryptedTextField(default="", blank=True)
    # When a confirmation was sent that has not been taken back.
    confirmed_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    history = record_changes()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["meeting", "attendee_id"], name="invitation_once")]

    @show_unreadable()
    def __str__(self) -> str:
        return str(self.full_name or self.email or ERASED)
