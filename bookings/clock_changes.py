"""What the coming changes of a zone's clock do to a series: its last occurrence before each, and its first after."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bookings.models import Meeting
from bookings.occurrences import MeetingOccurrence, list_occurrences
from bookings.timezones import Transition, transitions, zone

SHOWN = 6
HORIZON = timedelta(days=4 * 366)
# Looked at in turn until an occurrence is found: most series are weekly, some are yearly.
WINDOWS = (timedelta(days=32), timedelta(days=400))


@dataclass(frozen=True, slots=True)
class ClockChange:
    """`before` is None where the series begins after the change. `in_utc` is how far its time in UTC moves."""

    transition: Transition
    before: MeetingOccurrence | None
    after: MeetingOccurrence

    @property
    def in_utc(self) -> timedelta:
        return self.transition.before - self.transition.after


def list_clock_changes(meeting: Meeting, now: datetime) -> list[ClockChange]:
    """The next ones of its zone while the series goes on, at most six within four years."""
    found: list[ClockChange] = []
    begin = max(now, meeting.start)
    for transition in transitions(zone(meeting.timezone), begin, begin + HORIZON):
        after = find_first(meeting, transition.at)
        if after is None or len(found) == SHOWN:
            break
        found.append(ClockChange(transition, find_last(meeting, transition.at), after))
    return found


def find_first(meeting: Meeting, moment: datetime) -> MeetingOccurrence | None:
    """The first one that starts at that moment or later."""
    around = (list_occurrences(meeting, moment, moment + window) for window in WINDOWS)
    return next((each for each in list_started(around) if each.start >= moment), None)


def find_last(meeting: Meeting, moment: datetime) -> MeetingOccurrence | None:
    """The last one that starts before it."""
    for window in WINDOWS:
        earlier = [each for each in list_occurrences(meeting, moment - window, moment) if each.start < moment]
        if earlier:
            return earlier[-1]
    return None


def list_started(pages: Iterator[list[MeetingOccurrence]]) -> Iterator[MeetingOccurrence]:
    for page in pages:
        yield from page
