"""When a calendar is busy and when it can be booked, as calendar.live says at this moment."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bookings.models import Calendar
from integrations.calls import use_account
from integrations.providers.calendar_live.client import FREE_BUSY_DAYS, Interval, get_free_busy

LONGEST_WINDOW = timedelta(days=FREE_BUSY_DAYS)
# For another process's refresh of the token: somebody waits for the answer.
PATIENCE_S = 3.0


@dataclass(frozen=True, slots=True)
class Availability:
    """Merged, sorted intervals within the window that was asked for. `free` is inside the calendar's opening hours."""

    busy: list[Interval]
    free: list[Interval]


def read_availability(calendar: Calendar, start: datetime, end: datetime) -> Availability:
    """Raises TransientError while calendar.live is away, another KeepsyncError where it refuses."""
    found = use_account(
        calendar.connection,
        lambda account: get_free_busy(account, calendar.external_id, start, end),
        wait_s=PATIENCE_S,
    )
    busy = merge([clip(interval, start, end) for interval in found.busy])
    hours = merge([clip(interval, start, end) for interval in found.hours])
    return Availability(busy, subtract(hours, busy))


def clip(interval: Interval, start: datetime, end: datetime) -> Interval:
    return max(interval[0], start), min(interval[1], end)


def merge(intervals: list[Interval]) -> list[Interval]:
    """Sorted and disjoint; intervals that touch become one, empty ones go."""
    merged: list[Interval] = []
    for start, end in sorted(interval for interval in intervals if interval[0] < interval[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((start, end))
    return merged


def subtract(intervals: list[Interval], taken: list[Interval]) -> list[Interval]:
    """What is left of the intervals; both are sorted and disjoint."""
    left: list[Interval] = []
    for start, end in intervals:
        for taken_start, taken_end in taken:
            if taken_end <= start or taken_start >= end:
                continue
            if start < taken_start:
                left.append((start, taken_start))
            start = max(start, taken_end)
        if start < end:
            left.append((start, end))
    return left
