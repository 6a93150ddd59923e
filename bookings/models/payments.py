"""What was paid for meetings, and what event types cost."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

from bookings.models.meetings import Meeting
from integrations.models import Connection
from integrations.models.provenance import record_changes
from integrations.privacy.encryption import EncryptedTextField


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
