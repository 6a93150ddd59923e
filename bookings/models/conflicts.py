"""Conflicts: what two sides say differently, and a person decides."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from uuid_utils.compat import uuid7

from bookings.models.meetings import Meeting


class Conflict(models.Model):
    """`meeting` is the one that brought it about: of a double booking, the one that came later."""

    class Kind(models.TextChoices):
        DOUBLE_BOOKING = "double_booking", "Double booking"

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        # The contradiction is gone, or a person has decided how it goes away.
        SETTLED = "settled", "Settled"
        # A person leaves it as it is.
        DISMISSED = "dismissed", "Left as it is"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=32, choices=Kind)
    status = models.CharField(max_length=16, choices=Status, default=Status.OPEN)
    meeting = models.ForeignKey(Meeting, on_delete=models.CASCADE, related_name="conflicts")
    other_meeting = models.ForeignKey(
        Meeting, null=True, blank=True, on_delete=models.CASCADE, related_name="conflicts_of_others"
    )
    # Nothing about people.
    details = models.JSONField(default=dict, blank=True)
    settled_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL)
    settled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "meeting"],
                condition=models.Q(status="open", kind="double_booking"),
                name="double_booking_open_once",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["status", "-id"], name="conflict_status")]
        permissions: ClassVar = [("settle_conflict", "Can settle conflicts")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {str(self.pk)[-8:]}"
