"""Attempts: what happened at each try, kept for good."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from integrations.models.deliveries import ERROR_LENGTH, Delivery
from integrations.models.effects import Effect
from integrations.retries import Cause


class Attempt(models.Model):
    """One try at a delivery or at an effect. Written outside its transaction, so that it survives a rollback."""

    class Outcome(models.TextChoices):
        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        ABANDONED = "abandoned", "Its process died"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    delivery = models.ForeignKey(Delivery, null=True, on_delete=models.CASCADE, related_name="tries")
    effect = models.ForeignKey(Effect, null=True, on_delete=models.CASCADE, related_name="tries")
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.RUNNING)
    cause = models.CharField(max_length=16, choices=Cause, blank=True)
    error = models.CharField(max_length=ERROR_LENGTH, blank=True)
    # Where an unexpected error arose: types and frames, never messages.
    trace = models.JSONField(null=True, blank=True)
    # The calls that were made: method, path, status (0: no answer) and duration_ms of each.
    calls = models.JSONField(default=list, blank=True)
    worker = models.CharField(max_length=128, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(delivery__isnull=False, effect=None) | Q(delivery=None, effect__isnull=False),
                name="attempt_at_one_thing",
            )
        ]

    def __str__(self) -> str:
        return f"attempt {self.number}"
