"""Effects: every change outside, planned with the data that causes it, and carried out by a drain."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from integrations import correlation
from integrations.models.connections import Connection
from integrations.models.deliveries import ERROR_LENGTH
from integrations.models.provenance import current_delivery_id
from integrations.retries import Cause


class Effect(models.Model):
    """One change at one connection.

    A change of state ("bring contact 42 to this CRM") reads what to send when it runs; while it is open, another one
    for the same subject coalesces into it. Anything else (a message, a refund) happens once for its idempotency key.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Pending"
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        RETRYING = "retrying", "Retrying"
        WAITING = "waiting", "Waiting"
        SUPPRESSED = "suppressed", "Suppressed"
        DEAD = "dead", "Dead letter"
        DISCARDED = "discarded", "Discarded"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, db_index=False)
    # Dotted, such as contact.upsert; integrations/effect_kinds.py says how kinds are declared.
    kind = models.CharField(max_length=64)
    # What it is about, such as contact:<id>: effects of one subject at one connection happen in order.
    subject = models.CharField(max_length=255)
    idempotency_key = models.CharField(max_length=255, unique=True)
    is_state = models.BooleanField(editable=False)
    # One higher with each state that coalesced into it, and what it was when the running try began.
    revision = models.PositiveIntegerField(default=1)
    tried_revision = models.PositiveIntegerField(default=0, editable=False)
    parameters = models.JSONField(default=dict, blank=True, help_text="Ids only; what is sent is read when it runs.")
    # The delivery that led to it; none where a person or a job did.
    delivery_id = models.UUIDField(null=True, default=current_delivery_id, editable=False)
    # That of the delivery, or of the request or job: by which the log is searched; see integrations/correlation.py.
    correlation_id = models.CharField(
        max_length=correlation.LENGTH, blank=True, default=correlation.current_id, db_default="", editable=False
    )
    status = models.CharField(max_length=16, choices=Status, default=Status.PENDING)
    cause = models.CharField(max_length=16, choices=Cause, blank=True)
    error = models.CharField(max_length=ERROR_LENGTH, blank=True)
    fingerprint = models.CharField(max_length=16, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    # Attempts that used no try up: those that met a connection at rest, and all before the last replay.
    free_attempts = models.PositiveIntegerField(default=0)
    # How often the same key was planned again, and nothing was done for it.
    repeats = models.PositiveIntegerField(default=0)
    external_id = models.CharField(max_length=255, blank=True)
    close_reason = models.CharField(max_length=ERROR_LENGTH, blank=True)
    # 0, or 1 for what builds on effects of priority 0.
    priority = models.SmallIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # From when on it may be tried; until when a process has claimed it.
    due_at = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        permissions: ClassVar = [
            ("operate_effect", "Can replay, suppress and discard effects, and settle unknown ones")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["connection", "kind", "subject"],
                condition=Q(is_state=True, status__in=["pending", "running", "retrying", "waiting"]),
                name="effect_coalesced",
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["connection", "priority", "id"],
                condition=Q(status__in=["pending", "running", "retrying"]),
                name="effect_due",
            ),
            models.Index(
                fields=["connection", "id"],
                condition=Q(status__in=["pending", "running", "retrying", "waiting"]),
                name="effect_open",
            ),
            models.Index(
                fields=["connection", "subject", "id"],
                condition=Q(status__in=["pending", "running", "retrying"]),
                name="effect_in_order",
            ),
            models.Index(fields=["status", "id"], condition=~Q(status="succeeded"), name="effect_unfinished"),
            # When what waits for the residency policy is looked at again.
            models.Index(
                fields=["due_at", "id"], condition=Q(status="waiting", cause="residency"), name="effect_residency"
            ),
            models.Index(fields=["kind", "id"], name="effect_kind"),
            models.Index(fields=["subject", "id"], name="effect_subject"),
            models.Index(fields=["delivery_id"], name="effect_delivery"),
            models.Index(fields=["external_id"], condition=~Q(external_id=""), name="effect_external_id"),
            models.Index(fields=["fingerprint", "id"], condition=Q(status="dead"), name="effect_dead"),
            models.Index(fields=["fingerprint", "id"], condition=~Q(fingerprint=""), name="effect_fingerprint"),
            models.Index(fields=["status", "cause"], condition=Q(status__in=["waiting", "dead"]), name="effect_stuck"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class Drain(models.Model):
    """How the work on one connection's effects stands: its rate budget, and whether it rests, and why."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, primary_key=True)
    # When its job will run; None where none is queued.
    queued_for = models.DateTimeField(null=True, blank=True)
    # Calls left in the rate budget, at the time of `counted_at`.
    calls_left = models.FloatField(null=True, blank=True)
    counted_at = models.DateTimeField(null=True, blank=True)
    held_until = models.DateTimeField(null=True, blank=True)
    hold_cause = models.CharField(max_length=16, choices=Cause, blank=True)
    # Outages and rate limits met since the last success.
    failures = models.PositiveIntegerField(default=0)
    # Which version of what Keepsync needs over there (custom fields …) was made.
    prepared_version = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"drain of {self.connection_id}"
