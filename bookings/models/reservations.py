"""Time that is taken on a calendar: by a meeting, or by one that is about to be made."""

from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeOperators
from django.contrib.postgres.indexes import GistIndex
from django.db import models

from bookings.models.meetings import Calendar, Meeting
from bookings.models.requests import BookingRequest


class Reservation(models.Model):
    """One stretch of a calendar's time. `period` is blocked: from `start` to `end`, with the calendar's buffers.

    Exclusive ones never overlap on one calendar, whatever races: the database sees to that. All that is booked through
    Keepsync is exclusive. What calendar.live says stands: of a time that it has sold twice, the later one is not.
    """

    class Kind(models.TextChoices):
        HOLD = "hold", "Hold"
        MEETING = "meeting", "Meeting"

    calendar = models.ForeignKey(Calendar, on_delete=models.CASCADE, db_index=False)
    kind = models.CharField(max_length=16, choices=Kind)
    start = models.DateTimeField()
    end = models.DateTimeField()
    period = DateTimeRangeField()
    # When this occurrence of a series starts by its rule.
    occurrence = models.DateTimeField(null=True, blank=True)
    is_exclusive = models.BooleanField(default=True)
    meeting = models.ForeignKey(Meeting, null=True, blank=True, on_delete=models.CASCADE, related_name="reservations")
    request = models.ForeignKey(
        BookingRequest, null=True, blank=True, on_delete=models.CASCADE, related_name="reservations"
    )
    # Of a hold: from then on nobody needs to mind it. None for one that lasts until its request is settled.
    expires_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            ExclusionConstraint(
                name="reservation_exclusive",
                expressions=[("calendar", RangeOperators.EQUAL), ("period", RangeOperators.OVERLAPS)],
                condition=models.Q(is_exclusive=True),
            ),
            models.CheckConstraint(
                name="reservation_has_owner",
                condition=models.Q(kind="meeting", meeting__isnull=False)
                | models.Q(kind="hold", request__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            GistIndex(
                fields=["calendar", "period"], condition=models.Q(is_exclusive=False), name="reservation_overlapping"
            ),
            models.Index(
                fields=["expires_at"], condition=models.Q(expires_at__isnull=False), name="reservation_expiring"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pk}"
