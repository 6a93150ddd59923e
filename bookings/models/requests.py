"""What programs and operators ask calendar.live for through Keepsync, and how far each of it has come."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from uuid_utils.compat import uuid7

from bookings.models.meetings import Calendar, Meeting
from integrations.models import Connection
from integrations.privacy.encryption import EncryptedJSONField


class BookingRequest(models.Model):
    """One booking, change or cancellation. The meeting that a booking makes has the booking's id.

    Its states say where a process that died has left it: whoever takes it up goes on from there.
    """

    class Kind(models.TextChoices):
        CREATE = "create", "Booking"
        CHANGE = "change", "Change"
        CANCEL = "cancel", "Cancellation"

    class State(models.TextChoices):
        RECEIVED = "received", "Received"
        RESERVED = "reserved", "Reserved here"
        HELD = "held", "Held at calendar.live"
        CONFIRMED = "confirmed", "Confirmed"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=16, choices=Kind)
    state = models.CharField(max_length=16, choices=State, default=State.RECEIVED)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT)
    calendar = models.ForeignKey(Calendar, on_delete=models.PROTECT)
    meeting = models.ForeignKey(Meeting, null=True, blank=True, on_delete=models.CASCADE, related_name="requests")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    # Of the caller's idempotency key, and of what was asked for under it.
    key_digest = models.BinaryField(max_length=16, null=True, unique=True)
    body_digest = models.BinaryField(max_length=16, default=bytes)
    # What is asked for, and what it was meant to replace; both are emptied some time after the end.
    body = EncryptedJSONField(default=dict)
    base = EncryptedJSONField(default=dict)
    # The CRM's record that a sales rep has made, changed or deleted; none where a program or an operator asks.
    crm = models.ForeignKey(Connection, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    record_id = models.CharField(max_length=255, blank=True)
    # It was deleted over there while it was being booked.
    is_record_gone = models.BooleanField(default=False)
    # The hold at calendar.live.
    hold_id = models.CharField(max_length=255, blank=True)
    # From here on it may have happened over there, whatever was answered.
    asked_at = models.DateTimeField(null=True, blank=True)
    # Its caller was told that it is done later.
    is_postponed = models.BooleanField(default=False)
    failure = models.CharField(max_length=32, blank=True)
    answer_status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer = EncryptedJSONField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            # A record is booked once, whatever races; one that could not be booked may be tried anew.
            models.UniqueConstraint(
                fields=["crm", "record_id"],
                condition=models.Q(kind="create", crm__isnull=False) & ~models.Q(state="failed"),
                name="booking_request_record_once",
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["lease_expires_at"], condition=models.Q(finished_at=None), name="booking_request_unfinished"
            ),
            models.Index(
                fields=["finished_at"],
                condition=models.Q(finished_at__isnull=False, answer__isnull=False),
                name="booking_request_answered",
            ),
            models.Index(
                fields=["crm", "record_id", "id"],
                condition=models.Q(crm__isnull=False),
                name="booking_request_record",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"
