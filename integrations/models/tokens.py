"""OAuth: the token that a connection is called with, and the walks by which administrators obtained it."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from integrations.models.connections import Connection
from integrations.privacy.encryption import EncryptedTextField


class Token(models.Model):
    """What a grant gave a connection. integrations/tokens.py keeps it alive, and is the only one that writes it.

    `generation` is one higher with each new access token: a refresh is written only onto the generation that it began
    with. `lease_owner` is the one process that may ask the provider for a new one until `lease_expires_at`.
    """

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, primary_key=True, related_name="token")
    access_token = EncryptedTextField(default="", blank=True)
    # Empty: nothing can be refreshed, a person authorises again.
    refresh_token = EncryptedTextField(default="", blank=True)
    generation = models.PositiveIntegerField(default=1)
    obtained_at = models.DateTimeField()
    # None: the provider did not say; it counts until it is refused.
    expires_at = models.DateTimeField(null=True, blank=True)
    # As granted, which may be less than what was asked for.
    scope = models.TextField(default="", blank=True)
    # The API's origin, where the provider names one with the token (Salesforce's instance, Pipedrive's company).
    api_url = models.URLField(default="", blank=True)
    # Whose account it is over there.
    account_id = models.CharField(max_length=255, default="", blank=True)
    account_name = EncryptedTextField(default="", blank=True)
    # Refreshes that have failed in a row, the last one's RFC 6749 error code or cause, and when to try again.
    failures = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=64, default="", blank=True)
    failed_at = models.DateTimeField(null=True, blank=True)
    retry_at = models.DateTimeField(null=True, blank=True)
    lease_owner = models.UUIDField(null=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, editable=False)

    def __str__(self) -> str:
        return f"token {self.generation} of {self.connection_id}"


class Authorisation(models.Model):
    """One walk of an administrator to a provider's consent page and back (RFC 6749 4.1, RFC 7636)."""

    class Outcome(models.TextChoices):
        STARTED = "started", "Started"
        GRANTED = "granted", "Granted"
        REFUSED = "refused", "Refused"
        FAILED = "failed", "Failed"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="authorisations")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL)
    # SHA-256 of the state, and of the session that it belongs to: neither is of use to a reader of the table.
    state_digest = models.BinaryField(max_length=32, unique=True)
    session_digest = models.BinaryField(max_length=32)
    # PKCE's secret; forgotten when the walk is over.
    verifier = EncryptedTextField()
    scope = models.TextField(default="", blank=True)
    # The administrator means to connect another account than before.
    may_change_account = models.BooleanField(default=False)
    started_at = models.DateTimeField(auto_now_add=True)
    # Set by the first answer that comes back with the state; a second one finds it used.
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.STARTED)
    error = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        ordering: ClassVar = ["-pk"]

    def __str__(self) -> str:
        return f"{self.connection_id} at {self.started_at:%Y-%m-%d %H:%M}"
