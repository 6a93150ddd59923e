"""Our expansion of series against `recurring-ical-events`, which nobody here wrote: at every transition until 2030."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import available_timezones

import pytest

from bookings.timezones import Transition, expand, next_occurrence, transitions, zone

icalendar = pytest.importorskip("icalendar", reason="icalendar is not installed: pip install recurring-ical-events")
oracle = pytest.importorskip("recurring_ical_events", reason="recurring-ical-events is not installed")

pytestmark = pytest.mark.slow

BEGIN, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
LENGTH = timedelta(minutes=30)
AROUND = timedelta(days=8)
FIRST_DAY = date(2026, 10, 1)
# At night, where clocks change, and by day.
NIGHT, EARLY, DAY = time(2, 30), time(0, 30), time(9, 0)
SERIES = [
    *[(wall, "FREQ=DAILY") for wall in (EARLY, NIGHT, DAY)],
    (NIGHT, "FREQ=WEEKLY;BYDAY=SU,MO"),
    (NIGHT, "FREQ=WEEKLY;INTERVAL=2;BYDAY=SA,SU"),
    (NIGHT, "FREQ=MONTHLY;BYDAY=-1SU,1MO"),
]


@cache
def list_zones() -> dict[tuple[Transition, ...], str]:
    """One zone for each different course of its clock; the others are the same under another name."""
    names = sorted(available_timezones() - {"localtime", "Factory"})
    return {tuple(transitions(zone(name), BEGIN, END)): name for name in names}


def ask_oracle(name: str, wall: time, rule: str, start: datetime, end: datetime) -> list[datetime]:
    """The starts within [start, end), in UTC."""
    event = icalendar.Event()
    event.add("uid", "1")
    event.add("dtstart", datetime.combine(FIRST_DAY, wall, zone(name)))
    event.add("duration", LENGTH)
    event.add("rrule", icalendar.vRecur.from_ical(rule))
    calendar = icalendar.Calendar()
    calendar.add_component(event)
    found = (each["DTSTART"].dt.astimezone(UTC) for each in oracle.of(calendar).between(start, end))
    return sorted(moment for moment in found if start <= moment < end)


@pytest.mark.parametrize(("wall", "rule"), SERIES)
def test_around_every_transition_of_every_zone_the_occurrences_and_the_next_one_are_the_oracles(wall, rule):
    different = []
    for course, name in list_zones().items():
        first = datetime.combine(FIRST_DAY, wall, zone(name)).astimezone(UTC)
        series = {"start": first, "end": first + LENGTH, "zone": zone(name), "rrule": rule}
        for transition in course:
            start, end = transition.at - AROUND, transition.at + AROUND
            theirs = ask_oracle(name, wall, rule, start, end)
            ours = [each.start for each in expand(**series, window_start=start, window_end=end) if each.start >= start]
            following = next_occurrence(**series, after=transition.at)
            expected = next((each for each in theirs if each > transition.at), None)
            if ours != theirs or (expected and (following is None or following.start != expected)):
                different.append((name, transition.at))
    assert different == []
