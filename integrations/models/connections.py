"""Connections: one authorised account at a provider, and the secrets that its webhooks are signed with."""

from typing import ClassVar

from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone
from simple_history.models import HistoricalRecords

from integrations.models.residency import REGION_LENGTH
from integrations.privacy.encryption import EncryptedJSONField, EncryptedTextField


class Connection(models.Model):
    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        # What is to be done there waits for a person to authorise it again; its webhooks are worked on.
        NEEDS_REAUTHORISATION = "needs_reauthorisation", "Needs reauthorisation"
        PAUSED = "paused", "Paused"
        DISABLED = "disabled", "Disabled"

    slug = models.CharField(
        max_length=63,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9_-]*$", "Use lower-case letters, digits, - and _.")],
        help_text="Its name in addresses and commands, such as calendar-live. It cannot be changed later.",
    )
    provider = models.CharField(max_length=32)
    base_url = models.URLField(
        blank=True, help_text="One origin that stands for all of the provider's hosts. Empty: the provider's own."
    )
    status = models.CharField(max_length=32, choices=Status, default=Status.ACTIVE)
    status_changed_at = models.DateTimeField(default=timezone.now, editable=False)
    default_region = models.CharField(
        max_length=2, blank=True, help_text="Two-letter country of phone numbers that name none, such as FR."
    )
    region = models.CharField(
        max_length=REGION_LENGTH,
        blank=True,
        help_text="Where it keeps its data: which contacts may go there is set under Residency. Empty: all may.",
    )
    options = models.JSONField(default=dict, blank=True, help_text="What is not secret: scope, calendar_id, channel …")
    credentials = EncryptedJSONField(default=dict, blank=True)
    # One higher with every change that the webhook intake must see at once; see integrations/intake.py.
    generation = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    history = HistoricalRecords(excluded_fields=["credentials"])

    class Meta:
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.slug


class WebhookSecret(models.Model):
    """Shown once, when it is made. Several may be active, so that a rotation has no gap."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="webhook_secrets")
    secret = EncryptedTextField()
    created_at = models.DateTimeField(auto_now_add=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"secret {self.pk} of {self.connection_id}"
