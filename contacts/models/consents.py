"""What people said about being written to."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from contacts.models.contacts import Contact, merged_from
from integrations.models.provenance import current_delivery_id, record_changes
from integrations.privacy.encryption import EncryptedTextField


class Consent(models.Model):
    """What a person said about being written to, once. The latest word for a purpose and a channel counts."""

    class Purpose(models.TextChoices):
        MARKETING = "marketing", "Marketing"
        TRANSACTIONAL = "transactional", "Messages about a booking"

    class Channel(models.TextChoices):
        EMAIL = "email", "E-mail"
        PHONE = "phone", "Phone"
        SMS = "sms", "Text message"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    contact = models.ForeignKey(Contact, on_delete=models.CASCADE, related_name="consents")
    merged_from = merged_from()
    purpose = models.CharField(max_length=16, choices=Purpose)
    channel = models.CharField(max_length=16, choices=Channel)
    is_given = models.BooleanField(help_text="Off: it was refused, or taken back.")
    source = models.CharField(max_length=64, help_text="Where it was said, such as calendar.live.")
    # The attendee id with which it came, as in identifiers.
    introduced_by = models.CharField(max_length=320, blank=True, editable=False)
    wording = EncryptedTextField(default="", blank=True)
    given_at = models.DateTimeField()
    delivery_id = models.UUIDField(null=True, default=current_delivery_id, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    history = record_changes(excluded_fields=["delivery_id", "merged_from"])

    class Meta:
        ordering: ClassVar = ["-given_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["contact", "purpose", "channel", "-given_at"], name="consent_latest"),
            models.Index(fields=["merged_from"], condition=Q(merged_from__isnull=False), name="consent_merged_from"),
        ]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()} by {self.get_channel_display()}: {'yes' if self.is_given else 'no'}"
