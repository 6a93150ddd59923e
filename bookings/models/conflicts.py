"""Conflicts: what two sides say differently, and a person decides."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from uuid_utils.compat import uuid7

from bookings.models.meetings import Meeting
from contacts.models import Contact
from integrations.models import Connection
from integrations.privacy.encryption import EncryptedTextField


class Conflict(models.Model):
    """Of a double booking `meeting` is the one that was booked later, `other_meeting` the one that it meets.

    Of a field, `connection` is the CRM that says something else about a meeting or a contact; `ours` and `theirs` are
    values in the normal form of ownership's fields, each with its time and its author in words.
    """

    class Kind(models.TextChoices):
        DOUBLE_BOOKING = "double_booking", "Double booking"
        FIELD = "field", "Changed on both sides"

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        # The contradiction is gone, or a person has decided how it goes away.
        SETTLED = "settled", "Settled"
        # A person leaves it as it is.
        DISMISSED = "dismissed", "Left as it is"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=32, choices=Kind)
    status = models.CharField(max_length=16, choices=Status, default=Status.OPEN)
    meeting = models.ForeignKey(Meeting, null=True, blank=True, on_delete=models.CASCADE, related_name="conflicts")
    other_meeting = models.ForeignKey(
        Meeting, null=True, blank=True, on_delete=models.CASCADE, related_name="conflicts_of_others"
    )
    contact = models.ForeignKey(Contact, null=True, blank=True, on_delete=models.CASCADE, related_name="conflicts")
    connection = models.ForeignKey(Connection, null=True, blank=True, on_delete=models.CASCADE)
    field = models.CharField(max_length=64, blank=True)
    ours = EncryptedTextField(default="", blank=True)
    theirs = EncryptedTextField(default="", blank=True)
    ours_at = models.DateTimeField(null=True, blank=True)
    theirs_at = models.DateTimeField(null=True, blank=True)
    ours_by = models.CharField(max_length=128, blank=True)
    theirs_by = models.CharField(max_length=128, blank=True)
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
            ),
            models.UniqueConstraint(
                fields=["meeting", "contact", "connection", "field"],
                condition=models.Q(status="open", kind="field"),
                nulls_distinct=False,
                name="field_conflict_open_once",
            ),
            models.CheckConstraint(
                condition=models.Q(meeting__isnull=False) | models.Q(contact__isnull=False), name="conflict_about_one"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["status", "-id"], name="conflict_status")]
        permissions: ClassVar = [("settle_conflict", "Can settle conflicts")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {str(self.pk)[-8:]}"

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN
