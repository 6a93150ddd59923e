"""Meetings on calendars, with the people who attend them."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

from contacts.models import ERASED, Contact, merged_from
from integrations.models import Connection
from integrations.models.provenance import record_changes
from integrations.privacy.encryption import EncryptedJSONField, EncryptedTextField, show_unreadable


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
            models.Index(
                fields=["payment_session_id"], condition=~models.Q(payment_session_id=""), name="meeting_session"
            ),
            models.Index(fields=["connection", "series_id"], condition=~models.Q(series_id=""), name="meeting_series"),
        ]

    @show_unreadable()
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
    merged_from = merged_from()
    attendee_id = models.CharField(max_length=255)
    email = EncryptedTextField(default="")
    full_name = EncryptedTextField(default="", blank=True)
    response = models.CharField(max_length=16, choices=Response, default=Response.NEEDS_ACTION)
    lead_score = models.IntegerField(default=0)
    history = record_changes(excluded_fields=["merged_from"])

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
    # Somebody deleted it over there.
    is_gone = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    history = record_changes()

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


class Payment(models.Model):
    """What one Checkout Session came to, whoever told it first: calendar.live, Stripe, or both."""

    class Status(models.TextChoices):
        UNPAID = "unpaid", "Unpaid"
        FAILED = "failed", "Failed"
        EXPIRED = "expired", "Expired"
        PAID = "paid", "Paid"
        DISPUTED = "disputed", "Disputed"
        REFUNDED = "refunded", "Refunded"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    meeting = models.ForeignKey(Meeting, null=True, blank=True, on_delete=models.CASCADE, related_name="payments")
    session_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    payment_intent = models.CharField(max_length=255, null=True, blank=True, unique=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.UNPAID)
    amount = models.BigIntegerField(null=True, blank=True, help_text="In the currency's minor unit.")
    currency = models.CharField(max_length=3, blank=True)
    url = EncryptedTextField(default="", blank=True)
    # The Stripe connection at which Keepsync made the session; none for a session that calendar.live made.
    connection = models.ForeignKey(Connection, null=True, blank=True, on_delete=models.PROTECT)
    told_by = ArrayField(models.CharField(max_length=32), default=list, help_text="Who said that it was paid.")
    paid_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    history = record_changes()

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.session_id or self.payment_intent or str(self.id)


class Price(models.Model):
    """What an event type costs where calendar.live takes no payment for it: Keepsync sells it through Stripe."""

    event_type = models.CharField(max_length=255, unique=True, help_text="The event type's slug, or its id.")
    amount = models.BigIntegerField(help_text="In the currency's minor unit: 4900 is 49.00.")
    currency = models.CharField(max_length=3, help_text="ISO 4217, such as eur.")
    is_refunded = models.BooleanField("refund a cancelled booking", default=True)
    history = HistoricalRecords()

    class Meta:
        ordering: ClassVar = ["event_type"]
        constraints: ClassVar = [models.CheckConstraint(condition=models.Q(amount__gt=0), name="price_above_zero")]

    def __str__(self) -> str:
        return self.event_type
