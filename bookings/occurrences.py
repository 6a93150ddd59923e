"""A series' occurrences in a window, with the changed ones in their place."""

from dataclasses import dataclass
from datetime import datetime

from bookings.models import Meeting
from bookings.timezones import expand, zone

# More than a daily series has in the longest window that may be asked for.
LIMIT = 5000


@dataclass(frozen=True, slots=True)
class MeetingOccurrence:
    """`start`, `end` and `original_start` are UTC; `local_start` has the meeting's zone."""

    start: datetime
    end: datetime
    local_start: datetime
    original_start: datetime
    status: str


def list_occurrences(meeting: Meeting, window_start: datetime, window_end: datetime) -> list[MeetingOccurrence]:
    """Occurrences that overlap the window, by start. An occurrence that was changed by itself stands as it is now."""
    changed = find_changed(meeting)
    moved = {change.original_start for change in changed}
    regular = [
        MeetingOccurrence(item.start, item.end, item.local_start, item.original_start, meeting.status)
        for item in expand(
            start=meeting.start,
            end=meeting.end,
            zone=zone(meeting.timezone),
            rrule=meeting.rrule or None,
            exdates=meeting.exdates,
            window_start=window_start,
            window_end=window_end,
            limit=LIMIT,
        )
        if item.original_start not in moved
    ]
    present = [describe_change(change, meeting) for change in changed if is_within(change, window_start, window_end)]
    return sorted(regular + present, key=lambda occurrence: occurrence.start)


def is_within(meeting: Meeting, window_start: datetime, window_end: datetime) -> bool:
    return meeting.start < window_end and (meeting.end > window_start or meeting.start >= window_start)


def find_changed(meeting: Meeting) -> list[Meeting]:
    if not meeting.rrule:
        return []
    return list(
        Meeting.objects.filter(
            connection=meeting.connection_id, series_id=meeting.external_id, original_start__isnull=False
        )
    )


def describe_change(change: Meeting, series: Meeting) -> MeetingOccurrence:
    """The changed occurrence; a cancelled series takes it with it."""
    local_start = change.start.astimezone(zone(change.timezone))
    status = series.status if series.status == Meeting.Status.CANCELLED else change.status
    return MeetingOccurrence(change.start, change.end, local_start, change.original_start or change.start, status)
