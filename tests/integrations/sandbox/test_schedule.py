from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from integrations.sandbox.calendar_live.records import Recurrence
from integrations.sandbox.calendar_live.schedule import Interval, merge, occurrences, opening_hours, slots

PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def span(start: datetime, **length: float) -> Interval:
    return Interval(start, start + timedelta(**length))


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    start = draw(st.integers(0, 200))
    return span(MONDAY + timedelta(minutes=start), minutes=draw(st.integers(1, 60)))


@given(st.lists(intervals()))
def test_merged_intervals_are_apart_in_order_and_cover_the_same_minutes(given_intervals: list[Interval]) -> None:
    def minutes(items: list[Interval]) -> set[datetime]:
        every_minute = (MONDAY + timedelta(minutes=minute) for minute in range(300))
        return {at for at in every_minute if any(item.start <= at < item.end for item in items)}

    merged = merge(given_intervals)
    assert minutes(merged) == minutes(given_intervals)
    assert all(first.end < second.start for first, second in pairwise(merged))


def test_opening_hours_are_nine_to_five_on_workdays_in_the_calendars_zone() -> None:
    week = opening_hours(PARIS, span(MONDAY, days=7))
    assert len(week) == 5
    assert week[0] == Interval(datetime(2026, 11, 23, 8, tzinfo=UTC), datetime(2026, 11, 23, 16, tzinfo=UTC))
    assert opening_hours(NEW_YORK, span(MONDAY, days=1))[0].start == datetime(2026, 11, 23, 14, tzinfo=UTC)


def test_opening_hours_follow_the_clock_over_the_change_to_winter_time() -> None:
    friday_before, monday_after = opening_hours(PARIS, span(datetime(2026, 10, 23, tzinfo=UTC), days=4))
    assert friday_before.start.hour == 7
    assert monday_after.start.hour == 8


def test_opening_hours_are_cut_to_the_window() -> None:
    window = Interval(MONDAY + timedelta(hours=10), MONDAY + timedelta(hours=11))
    assert opening_hours(PARIS, window) == [window]


def test_slots_fill_the_day_and_start_no_earlier_than_the_window() -> None:
    found = slots(PARIS, span(MONDAY + timedelta(hours=9, minutes=10), days=1), timedelta(minutes=45))
    assert found[0] == span(MONDAY + timedelta(hours=9, minutes=30), minutes=45)
    monday = [slot for slot in found if slot.start.date() == MONDAY.date()]
    assert monday[-1].end <= MONDAY + timedelta(hours=16)


def test_a_series_keeps_its_local_time_and_leaves_out_its_exceptions() -> None:
    first = span(datetime(2026, 10, 19, 8, tzinfo=UTC), hours=1)
    rule = Recurrence("FREQ=WEEKLY;COUNT=4", (datetime(2026, 11, 2, 9, tzinfo=UTC),))
    found = occurrences(first, PARIS, rule, span(first.start, days=60))
    assert [item.start for item in found] == [
        datetime(2026, 10, 19, 8, tzinfo=UTC),
        datetime(2026, 10, 26, 9, tzinfo=UTC),
        datetime(2026, 11, 9, 9, tzinfo=UTC),
    ]


def test_an_occurrence_that_reaches_into_the_window_counts() -> None:
    first = span(MONDAY, hours=2)
    window = span(MONDAY + timedelta(days=1, hours=1), minutes=10)
    assert occurrences(first, PARIS, Recurrence("FREQ=DAILY;UNTIL=20261201T000000Z"), window) == [
        span(MONDAY + timedelta(days=1), hours=2)
    ]
