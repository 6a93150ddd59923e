"""Arithmetic of time: intervals, opening hours, repetition and slots. Pure; all instants are aware UTC."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from integrations.sandbox.calendar_live.catalog import CLOSES_AT, OPENS_AT, WORKDAYS
from integrations.sandbox.calendar_live.records import Recurrence

# No series of this world is looked at further than this many occurrences in one window.
MAX_OCCURRENCES = 1000


@dataclass(frozen=True, order=True)
class Interval:
    """From `start` up to, but without, `end`."""

    start: datetime
    end: datetime

    def overlaps(self, other: "Interval") -> bool:
        return self.start < other.end and other.start < self.end


def merge(intervals: Iterable[Interval]) -> list[Interval]:
    """The same time as sorted intervals that neither overlap nor touch."""
    merged: list[Interval] = []
    for interval in sorted(intervals):
        if merged and interval.start <= merged[-1].end:
            merged[-1] = Interval(merged[-1].start, max(merged[-1].end, interval.end))
        else:
            merged.append(interval)
    return merged


def opening_hours(zone: ZoneInfo, window: Interval) -> list[Interval]:
    """The hours of the zone's workdays that lie in the window, cut to it."""
    hours = (_opening_of(day, zone) for day in _days(window, zone) if day.weekday() in WORKDAYS)
    return [Interval(max(day.start, window.start), min(day.end, window.end)) for day in hours if day.overlaps(window)]


def slots(zone: ZoneInfo, window: Interval, duration: timedelta) -> list[Interval]:
    """Back-to-back slots from opening to closing time that start and end in the window."""
    found = []
    for day in _days(window, zone):
        if day.weekday() in WORKDAYS:
            found += [slot for slot in _slots_of(_opening_of(day, zone), duration) if window.start <= slot.start]
    return [slot for slot in found if slot.end <= window.end]


def occurrences(first: Interval, zone: ZoneInfo, recurrence: Recurrence | None, window: Interval) -> list[Interval]:
    """The event's times that overlap the window. A series keeps its wall-clock time in `zone` (RFC 5545, 3.8.5.3)."""
    if recurrence is None:
        return [first] if first.overlaps(window) else []
    length = first.end - first.start
    rule = rrulestr(recurrence.rrule, dtstart=first.start.astimezone(zone))
    found: list[Interval] = []
    for start in rule.xafter(window.start - length, count=MAX_OCCURRENCES, inc=True):
        occurrence = Interval(start.astimezone(UTC), start.astimezone(UTC) + length)
        if occurrence.start >= window.end:
            break
        if occurrence.start not in recurrence.exdates and occurrence.overlaps(window):
            found.append(occurrence)
    return found


def _days(window: Interval, zone: ZoneInfo) -> Iterator[date]:
    day, last = window.start.astimezone(zone).date(), window.end.astimezone(zone).date()
    while day <= last:
        yield day
        day += timedelta(days=1)


def _opening_of(day: date, zone: ZoneInfo) -> Interval:
    opens = datetime.combine(day, OPENS_AT, tzinfo=zone)
    closes = datetime.combine(day, CLOSES_AT, tzinfo=zone)
    return Interval(opens.astimezone(UTC), closes.astimezone(UTC))


def _slots_of(opening: Interval, duration: timedelta) -> Iterator[Interval]:
    start = opening.start
    while start + duration <= opening.end:
        yield Interval(start, start + duration)
        start += duration
