"""Test bookings: made at calendar.live by a button, watched on their way to the CRMs, and cancelled again."""

from typing import ClassVar

from django.contrib.auth.models import User
from django.db import models
from django.db.models import Q
from uuid_utils.compat import uuid7

from integrations.models import Connection


class TrialBooking(models.Model):
    """Until it is cancelled there is one for each connection. How far it has come is read from what it has led to."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="+")
    calendar_id = models.CharField("calendar", max_length=255)
    timezone = models.CharField(max_length=255)
    start = models.DateTimeField()
    end = models.DateTimeField()
    # Empty until calendar.live has answered: it may have the event all the same, and the same key finds it.
    event_id = models.CharField(max_length=255, blank=True)
    event_uid = models.CharField(max_length=255, blank=True)
    user = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name="made by")
    asked_at = models.DateTimeField(auto_now_add=True)
    booked_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    # What calendar.live has said of its webhooks, when it was asked.
    finding = models.CharField(max_length=500, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        verbose_name = "test booking"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection"], condition=Q(cancelled_at=None), name="trial_booking_once")
        ]

    def __str__(self) -> str:
        return f"test booking of {self.asked_at:%Y-%m-%d %H:%M} UTC" if self.asked_at else "test booking"
