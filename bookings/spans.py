"""When meetings take place: single ones, the occurrences of series, and slots near a wished time. Mostly pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bookings.availability import clip, merge, subtract
from bookings.models import Calendar, Meeting
from bookings.occurrences import find_changed
from bookings.timezones import expand, zone
from integrations.providers.calendar_live.client import Interval

# How far ahead the occurrences of a series take their time, and how far back those that are over still do.
AHEAD, BEHIND = timedelta(days=366), timedelta(days=31)
MOST_OCCURRENCES = 500
# States in which a meeting takes its time.
TAKING = (Meeting.Status.HELD, Meeting.Status.TENTATIVE, Meeting.Status.CONFIRMED)


@dataclass(frozen=True, slots=True)
class Span:
    """One stretch of time; `occurrence` is where the series' rule has it."""

    start: datetime
    end: datetime
    occurrence: datetime | None = None


@dataclass(frozen=True, slots=True)
class Footprint:
    """All of a meeting that says when its calendar is taken."""

    calendar_id: int
    is_taking: bool
    start: datetime
    end: datetime
    timezone: str
    rrule: str
    exdates: tuple[datetime, ...]
    series_id: str
    original_start: datetime | None


def read_footprint(meeting: Meeting) -> Footprint:
    return Footprint(
        calendar_id=meeting.calendar_id,
        is_taking=meeting.status in TAKING,
        start=meeting.start,
        end=meeting.end,
        timezone=meeting.timezone,
        rrule=meeting.rrule,
        exdates=tuple(meeting.exdates),
        series_id=meeting.series_id,
        original_start=meeting.original_start,
    )


def list_spans(meeting: Meeting, now: datetime) -> list[Span]:
    """The time that a meeting takes; of a series, the occurrences of a year, without those that were changed."""
    if meeting.status not in TAKING:
        return []
    if not meeting.rrule:
        return [Span(meeting.start, meeting.end)]
    moved = {change.original_start for change in find_changed(meeting)}
    found = expand(
        start=meeting.start,
        end=meeting.end,
        zone=zone(meeting.timezone),
        rrule=meeting.rrule,
        exdates=meeting.exdates,
        window_start=max(meeting.start, now - BEHIND) if meeting.start < now else meeting.start,
        window_end=max(meeting.start, now) + AHEAD,
        limit=MOST_OCCURRENCES,
    )
    return [Span(each.start, each.end, each.original_start) for each in found if each.original_start not in moved]


def block(calendar: Calendar, span: Interval) -> Interval:
    """The time with the calendar's buffers around it."""
    return span[0] - buffer_before(calendar), span[1] + buffer_after(calendar)


def buffer_before(calendar: Calendar) -> timedelta:
    return timedelta(minutes=calendar.buffer_before_min)


def buffer_after(calendar: Calendar) -> timedelta:
    return timedelta(minutes=calendar.buffer_after_min)


# --- Slots near a wished one ------------------------------------------------------------------------------------------


def find_nearest(free: Iterable[Interval], wished: Interval, count: int) -> list[Interval]:
    """Slots as long as the wished one inside free times, apart from each other: the nearest first, of two the earlier.

    Slots are chosen one after the other, each as near as it can be.
    """
    left, found = merge(list(free)), list[Interval]()
    while len(found) < count:
        candidates = [slot for interval in left if (slot := nearest_within(interval, wished))]
        if not candidates:
            break
        best = min(candidates, key=lambda slot: (abs(slot[0] - wished[0]), slot[0]))
        found.append(best)
        left = subtract(left, [best])
    return found


def nearest_within(interval: Interval, wished: Interval) -> Interval | None:
    length = wished[1] - wished[0]
    latest = interval[1] - length
    if latest < interval[0] or not length:
        return None
    start = min(max(wished[0], interval[0]), latest)
    return start, start + length


def find_free(
    hours: Sequence[Interval], taken: Sequence[Interval], calendar: Calendar, since: datetime
) -> list[Interval]:
    """What is left of the hours from `since` on, where a meeting with the calendar's buffers meets nothing taken."""
    widened = [(start - buffer_after(calendar), end + buffer_before(calendar)) for start, end in taken]
    ahead = [clip(interval, since, interval[1]) for interval in hours]
    return subtract(merge(ahead), merge(widened))
