"""What bookings keep for a time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from bookings.booking_requests import ANSWERS, find_answered, forget
from bookings.models import BookingRequest, Discrepancy
from integrations.ids import first_id_at
from integrations.retention.kinds import Kind, delete_rows, keeps_for_a_time

# What a person has dismissed stays dismissed by its row.
SETTLED = (
    Discrepancy.Status.REPAIRED,
    Discrepancy.Status.APPLIED,
    Discrepancy.Status.PUSHED,
    Discrepancy.Status.OVER,
)


def forget_answers(keys: Sequence[Any]) -> None:
    forget(BookingRequest.objects.filter(pk__in=keys))


def find_settled(before: datetime) -> QuerySet[Discrepancy]:
    return Discrepancy.objects.filter(status__in=SETTLED, pk__lt=first_id_at(before))


keeps_for_a_time(
    Kind(
        ANSWERS,
        "What was asked for and answered when something was booked through Keepsync",
        7,
        find_answered,
        forget_answers,
        "The caller's key, so that nothing is booked twice, and the meeting.",
    )
)
keeps_for_a_time(
    Kind(
        "discrepancies",
        "Discrepancies that are settled",
        365,
        find_settled,
        delete_rows(Discrepancy),
        "The runs with their counts, what waits for a person, and what a person has dismissed.",
        shortest=31,
    )
)
