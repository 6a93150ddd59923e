"""Deliveries: incoming webhooks, stored raw, with every attempt at them."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from integrations import correlation
from integrations.models.connections import Connection, WebhookSecret
from integrations.privacy.encryption import EncryptedBinaryField, EncryptedJSONField
from integrations.retries import Cause

DELIVERY_ID_LENGTH = 128
ERROR_LENGTH = 500


class Delivery(models.Model):
    class Status(models.TextChoices):
        RECEIVED = "received", "Received"
        PROCESSING = "processing", "Processing"
        PROCESSED = "processed", "Processed"
        IGNORED = "ignored", "Ignored"
        STALE = "stale", "Stale"
        RETRYING = "retrying", "Retrying"
        DEAD = "dead", "Dead letter"
        REJECTED = "rejected", "Rejected"
        DISCARDED = "discarded", "Discarded"

    # Time-ordered (UUIDv7) and made before the insert, so that the job's payload is known: lists order by it.
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # No foreign key in the database: its check would lock the connection's row for each webhook. The insert checks it.
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, db_constraint=False, db_index=False)
    # As the sender names it. A refused request may claim any: only those that were accepted hold theirs.
    delivery_id = models.CharField(max_length=DELIVERY_ID_LENGTH, blank=True)
    is_accepted = models.BooleanField(default=True)
    # Which secret had signed it: what a rotation waits for. Secrets are never deleted but with their connection.
    secret = models.ForeignKey(
        WebhookSecret, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False
    )
    event_type = models.CharField(max_length=64, blank=True)
    # What is ordered and locked while it is worked on: the event uid.
    subject = models.CharField(max_length=255, blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.RECEIVED)
    cause = models.CharField(max_length=16, choices=Cause, blank=True)
    error = models.CharField(max_length=ERROR_LENGTH, blank=True)
    fingerprint = models.CharField(max_length=16, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    # Tries made before the last replay: a replay starts the retry schedule anew.
    attempts_before_replay = models.PositiveIntegerField(default=0)
    discard_reason = models.CharField(max_length=500, blank=True)
    duplicates = models.PositiveIntegerField(default=0)
    notes = models.JSONField(default=list, blank=True)
    body = EncryptedBinaryField()
    headers = EncryptedJSONField(default=dict)
    body_digest = models.BinaryField(max_length=32)
    # Since when it is to be emptied, because a person whom it tells of is erased; and when its body and headers were.
    # The digest stays, so that a repeat is still known as one. See integrations/privacy/payload_erasure.py.
    erasing_since = models.DateTimeField(null=True, blank=True, editable=False)
    erased_at = models.DateTimeField(null=True, blank=True, editable=False)
    # By which the log is searched; see integrations/correlation.py.
    correlation_id = models.CharField(
        max_length=correlation.LENGTH, blank=True, default=correlation.current_id, db_default="", editable=False
    )
    # When its body and headers were emptied because their time was over: see integrations/retention/.
    emptied_at = models.DateTimeField(null=True, blank=True, editable=False)
    received_at = models.DateTimeField()
    # When its job was last put into the queue, when the next try is due, and until when a process has claimed it.
    queued_at = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name_plural = "deliveries"
        permissions: ClassVar = [
            ("operate_delivery", "Can replay, discard and verify deliveries again"),
            ("reveal_delivery", "Can see a delivery's payload in clear"),
        ]
        constraints: ClassVar = [
            # A refused request does not use its delivery id up.
            models.UniqueConstraint(
                fields=["connection", "delivery_id"], condition=Q(is_accepted=True), name="delivery_once"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["status", "id"], condition=~Q(status="processed"), name="delivery_unprocessed"),
            models.Index(fields=["subject", "id"], condition=~Q(subject=""), name="delivery_subject"),
            models.Index(fields=["fingerprint", "id"], condition=Q(status="dead"), name="delivery_dead"),
            models.Index(fields=["cause"], condition=Q(status="dead"), name="delivery_dead_cause"),
            models.Index(fields=["fingerprint", "id"], condition=~Q(fingerprint=""), name="delivery_fingerprint"),
            models.Index(fields=["id"], condition=Q(erasing_since__isnull=False), name="delivery_erasing"),
            # Payloads that are still held, the oldest first.
            models.Index(
                fields=["id"], condition=Q(emptied_at__isnull=True, erased_at__isnull=True), name="delivery_held"
            ),
            # What no subject leads to.
            models.Index(fields=["id"], condition=Q(subject="") | Q(event_type="batch"), name="delivery_unnamed"),
        ]

    def __str__(self) -> str:
        return self.delivery_id or str(self.id)


class RejectionCount(models.Model):
    """Rejected requests of a connection in one hour: what bounds how many of them are kept."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE)
    hour = models.DateTimeField()
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "hour"], name="rejection_count_once"),
        ]

    def __str__(self) -> str:
        return f"{self.count} at {self.hour}"
