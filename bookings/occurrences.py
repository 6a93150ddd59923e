"""A series' occurrences in a window, with the changed ones in their place."""

from dataclasses import dataclass
from datetime import datetime

from bookings.models import Meeting
from bookings.timezones import expand, zone


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
    changed = list(find_changed(meeting))
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
        )
        if item.original_start not in moved
    ]
    present = [describe_change(change) for change in changed if change.start < window_end and change.end > window_start]
    return sorted(regular + present, key=lambda occurrence: occurrence.start)


def find_changed(meeting: Meeting) -> list[Meeting]:
    if not meeting.rrule:
        return []
    return list(
        Meeting.objects.filter(
            connection=meeting.connection_id, series_id=meeting.external_id, original_start__isnull=False
        )
    )


def describe_change(change: Meeting) -> MeetingOccurrence:
    local_start = change.start.astimezone(zone(change.timezone))
    return MeetingOccurrence(
        change.start, change.end, local_start, change.original_start or change.start, change.status
    )
