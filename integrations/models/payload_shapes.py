"""Payload shapes: which fields a provider sends, by event type and version. Names of fields only, never values."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class PayloadShape(models.Model):
    """What was learnt from the payloads of one kind. integrations/payload_shapes.py writes it."""

    provider = models.CharField(max_length=32)
    event_type = models.CharField(max_length=64, blank=True)
    version = models.CharField(max_length=32, blank=True)
    # How many payloads were looked at, and how many of them there were when a person last accepted what they have.
    payloads = models.PositiveIntegerField(default=0)
    accepted_payloads = models.PositiveIntegerField(default=0)
    # Path → the number of the payload that had it first.
    fields = models.JSONField(default=dict)
    # Paths that every payload had so far that had their object at all.
    constant = models.JSONField(default=list)
    # Of those, the ones that the last payloads lack: path → {"count": how many, "since": the first one's time}.
    absent = models.JSONField(default=dict)
    # More fields than are kept: new ones are not noted any more.
    is_full = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["provider", "event_type", "version"]
        permissions: ClassVar = [("accept_payloadshape", "Can accept new and vanished fields of payloads")]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "event_type", "version"], name="payload_shape_once")
        ]

    def __str__(self) -> str:
        return " ".join(filter(None, (self.provider, self.event_type or "webhooks", self.version)))
