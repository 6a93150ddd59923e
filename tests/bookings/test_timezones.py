import time as clock
from dataclasses import FrozenInstanceError
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import islice, pairwise
from zoneinfo import ZoneInfo, available_timezones

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.timezones import (
    Occurrence,
    Transition,
    expand,
    localize,
    next_occurrence,
    parse_rule,
    transitions,
    validate_rule,
    zone,
)

PARIS = ZoneInfo("Europe/Paris")
NEW_YORK = ZoneInfo("America/New_York")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HALF_HOUR = HOUR / 2

bounded = partial(settings, deadline=None, derandomize=True, database=None)
zones = st.sampled_from(sorted(available_timezones() - {"localtime", "Factory"})).map(ZoneInfo)
walls = st.datetimes(datetime(2000, 1, 1), datetime(2035, 1, 1))  # noqa: DTZ001


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def wall(text: str) -> datetime:
    return datetime.fromisoformat(text)


def occurrences(start, rrule, *, length=HALF_HOUR, where=PARIS, exdates=(), between=None, limit=1000):
    window_start, window_end = between or (start - DAY, start + 3653 * DAY)
    return expand(
        start=start,
        end=start + length,
        zone=where,
        rrule=rrule,
        exdates=exdates,
        window_start=window_start,
        window_end=window_end,
        limit=limit,
    )


def starts(*args, **kwargs):
    return [occurrence.start for occurrence in occurrences(*args, **kwargs)]


def local_days(*args, **kwargs):
    return [f"{occurrence.local_start:%Y-%m-%d}" for occurrence in occurrences(*args, **kwargs)]


# Zones


def test_zone_is_found_by_its_iana_name():
    assert zone("Europe/Paris") is zone("Europe/Paris")
    assert zone("Europe/Paris").key == "Europe/Paris"


PATHS = ["../etc/passwd", "/usr/share/zoneinfo/UTC", "Europe", "Europe/", "Europe/Paris\0", "\0", "zone.tab"]
WORDS = ["", " ", "Mars/Olympus", "europe/paris", "CEST", "+02:00", "localtime", "Factory", "posixrules", "x" * 5000]


@pytest.mark.parametrize("name", [*PATHS, *WORDS, "é", None, 5, []])
def test_name_that_is_no_iana_zone_is_refused_in_one_short_line(name):
    with pytest.raises(ValueError, match="not an IANA time zone") as refusal:
        zone(name)
    assert len(str(refusal.value)) < 120


# Wall-clock times


def test_wall_time_becomes_utc():
    assert localize(wall("2026-07-01T09:00"), PARIS) == utc("2026-07-01T07:00")
    assert localize(wall("2026-12-01T09:00"), PARIS).tzinfo is UTC


def test_wall_time_that_does_not_exist_moves_forward_by_the_gap():
    moved = localize(wall("2026-03-29T02:30"), PARIS)
    assert moved.astimezone(PARIS).isoformat() == "2026-03-29T03:30:00+02:00"


def test_wall_time_that_exists_twice_takes_the_first():
    assert localize(wall("2026-10-25T02:30"), PARIS).astimezone(PARIS).isoformat() == "2026-10-25T02:30:00+02:00"
    assert localize(wall("2026-10-25T02:30").replace(fold=1), PARIS) == utc("2026-10-25T00:30")


def test_wall_time_with_an_offset_is_refused():
    with pytest.raises(ValueError, match="no offset"):
        localize(utc("2026-07-01T09:00"), PARIS)


@given(walls, zones)
@bounded(max_examples=300)
def test_localized_time_reads_back_or_lay_in_a_gap(moment, where):
    instant = localize(moment, where)
    back = instant.astimezone(where)
    if back.replace(tzinfo=None) == moment:
        assert back.fold == 0
    else:
        (gap,) = transitions(where, instant - DAY, instant + timedelta(seconds=1))[-1:]
        assert back.replace(tzinfo=None) - moment == gap.after - gap.before > timedelta()


# Transitions


def test_transitions_of_a_zone_are_found_to_the_second():
    assert transitions(PARIS, utc("2026-01-01"), utc("2027-01-01")) == [
        Transition(utc("2026-03-29T01:00"), HOUR, 2 * HOUR),
        Transition(utc("2026-10-25T01:00"), 2 * HOUR, HOUR),
    ]
    assert transitions(ZoneInfo("UTC"), utc("1900-01-01"), utc("2100-01-01")) == []


def test_transitions_include_the_first_instant_and_exclude_the_last():
    change = utc("2026-03-29T01:00")
    assert [found.at for found in transitions(PARIS, change, change + DAY)] == [change]
    assert transitions(PARIS, change - DAY, change) == []
    assert transitions(PARIS, change + DAY, change) == []


# Every zone, every transition


def every_transition():
    for name in sorted(available_timezones() - {"localtime", "Factory"}):
        for change in transitions(ZoneInfo(name), utc("2025-01-01"), utc("2031-01-01")):
            yield ZoneInfo(name), change


@pytest.mark.slow
def test_every_transition_of_every_zone_moves_gaps_forward_takes_the_first_and_keeps_series_on_the_clock():
    seen = 0
    for where, change in every_transition():
        seen += 1
        check_wall_times(where, change)
        edge = (change.at + change.before).replace(tzinfo=None)  # the clock as it changes
        for start_time in {time(9), time(2, 30), edge.time(), (edge - timedelta(minutes=10)).time()}:
            check_daily_series(where, edge.date(), start_time, f"{where} {change} {start_time}")
    assert seen > 2000


def check_wall_times(where, change):
    context = f"{where} {change}"
    clock_before = (change.at + change.before).replace(tzinfo=None)
    clock_after = (change.at + change.after).replace(tzinfo=None)
    low, high = sorted((clock_before, clock_after))
    width = high - low
    for passed in (timedelta(), timedelta(seconds=1), width / 2, width - timedelta(seconds=1)):
        instant = localize(low + passed, where)
        if clock_after > clock_before:
            assert instant == change.at + passed, context
            assert instant.astimezone(where).replace(tzinfo=None) == low + passed + width, context
        else:
            assert instant == change.at - width + passed, context
            assert instant.astimezone(where).replace(tzinfo=None) == low + passed, context
            assert instant.astimezone(where).fold == 0, context
    for outside in (low - timedelta(seconds=1), high):
        instant = localize(outside, where)
        assert instant.astimezone(where).replace(tzinfo=None) == outside, context
        assert instant.astimezone(where).fold == 0, context


def check_daily_series(where, changed_on, start_time, context):
    first = datetime.combine(changed_on - 3 * DAY, start_time)
    series = occurrences(localize(first, where), "FREQ=DAILY;COUNT=7", length=90 * timedelta(minutes=1), where=where)
    assert len(series) == 7, context
    for number, one in enumerate(series):
        expected = first + number * DAY
        exists = localize(expected, where).astimezone(where).replace(tzinfo=None) == expected
        assert not exists or one.local_start.replace(tzinfo=None) == expected, context
        assert exists or one.local_start.replace(tzinfo=None) > expected, context
        assert one.end - one.start == 90 * timedelta(minutes=1), context
        assert one.start == one.original_start == one.local_start.astimezone(UTC), context  # == alone fails in a fold
        assert one.start.tzinfo is one.end.tzinfo is one.original_start.tzinfo is UTC, context
        assert one.local_start.tzinfo is where, context
    assert all(earlier.start < later.start for earlier, later in pairwise(series)), context


# Series


def test_sample_series_stays_at_nine_in_paris_through_the_change_without_its_exdate():
    series = occurrences(utc("2026-10-19T07:00"), "FREQ=WEEKLY;COUNT=6", exdates=[utc("2026-11-09T08:00")])
    assert [one.start for one in series] == [
        utc("2026-10-19T07:00"),
        utc("2026-10-26T08:00"),
        utc("2026-11-02T08:00"),
        utc("2026-11-16T08:00"),
        utc("2026-11-23T08:00"),
    ]
    assert {one.local_start.time() for one in series} == {time(9)}
    assert series[0].local_start.isoformat() == "2026-10-19T09:00:00+02:00"
    assert series[1].local_start.isoformat() == "2026-10-26T09:00:00+01:00"
    assert {one.end - one.start for one in series} == {HALF_HOUR}


def test_occurrence_is_a_value():
    (one,) = occurrences(utc("2026-10-19T07:00"), None)
    assert one == Occurrence(one.start, one.end, one.local_start, one.original_start)
    with pytest.raises(FrozenInstanceError):
        one.start = utc("2026-10-20T07:00")


def test_event_without_a_rule_occurs_once_unless_excluded():
    start = utc("2026-10-19T07:00")
    assert starts(start, None) == [start]
    assert starts(start, None, exdates=[start]) == []


def test_occurrence_in_a_gap_moves_forward_that_day_only():
    series = occurrences(utc("2026-03-28T01:30"), "FREQ=DAILY;COUNT=3")
    assert [f"{one.local_start:%d %H:%M}" for one in series] == ["28 02:30", "29 03:30", "30 02:30"]


def test_occurrence_keeps_its_exact_duration_across_the_change():
    (one,) = occurrences(utc("2026-10-24T22:00"), None, length=6 * HOUR)
    assert one.end - one.start == 6 * HOUR


def test_first_occurrence_stays_where_it_was_put_in_the_repeated_hour():
    second_half_past_two = utc("2026-10-25T01:30")
    series = starts(second_half_past_two, "FREQ=DAILY;COUNT=2")
    assert series == [second_half_past_two, utc("2026-10-26T01:30")]


def test_day_that_a_zone_skipped_gives_no_second_occurrence_on_the_next():
    apia = ZoneInfo("Pacific/Apia")
    first = localize(wall("2011-12-28T09:00"), apia)
    assert local_days(first, "FREQ=DAILY;COUNT=5", where=apia) == [
        "2011-12-28",
        "2011-12-29",
        "2011-12-31",
        "2012-01-01",
    ]


def test_day_of_the_rule_is_the_local_day_and_not_the_utc_day():
    tokyo = ZoneInfo("Asia/Tokyo")
    first = localize(wall("2026-10-19T08:00"), tokyo)  # a Monday there, Sunday evening in UTC
    assert local_days(first, "FREQ=WEEKLY;BYDAY=MO,TU;COUNT=3", where=tokyo) == [
        "2026-10-19",
        "2026-10-20",
        "2026-10-26",
    ]


def test_exdates_count_against_count_and_are_instants_whatever_their_offset():
    start = utc("2026-10-19T07:00")
    exdates = [utc("2026-10-20T07:00").astimezone(NEW_YORK), utc("2026-10-21T06:59")]
    assert starts(start, "FREQ=DAILY;COUNT=3", exdates=exdates) == [start, utc("2026-10-21T07:00")]


def test_start_that_its_rule_does_not_match_is_not_an_occurrence():
    assert local_days(utc("2026-10-19T07:00"), "FREQ=WEEKLY;BYDAY=TU;COUNT=2") == ["2026-10-20", "2026-10-27"]


def test_microseconds_of_the_start_are_kept():
    start = utc("2026-10-19T07:00:00.000123")
    assert starts(start, "FREQ=DAILY;COUNT=2") == [start, start + DAY]


@pytest.mark.parametrize(
    ("rrule", "expected"),
    [
        ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=3", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2", ["2026-01-30", "2026-02-27"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=3", ["2026-01-31", "2026-03-31", "2026-05-31"]),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29;COUNT=2", ["2028-02-29", "2032-02-29"]),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO;COUNT=2", ["2026-05-11", "2027-05-17"]),
        ("FREQ=YEARLY;BYWEEKNO=20;COUNT=2", ["2026-05-14", "2027-05-20"]),
        ("FREQ=YEARLY;BYYEARDAY=-1;COUNT=2", ["2026-12-31", "2027-12-31"]),
        ("FREQ=YEARLY;BYDAY=+20MO;COUNT=2", ["2026-05-18", "2027-05-17"]),
        ("FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=TU,SU;COUNT=3", ["2026-01-11", "2026-01-13", "2026-01-25"]),
        ("freq=daily;interval=02;count=2", ["2026-01-01", "2026-01-03"]),
    ],
)
def test_rules_of_rfc_5545_give_their_days(rrule, expected):
    assert local_days(utc("2026-01-01T08:00"), rrule) == expected


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("20261026T080000Z", "2026-10-26"),  # 09:00 in Paris once summer time is over
        ("20261026T075959Z", "2026-10-25"),
        ("20261026T090000", "2026-10-26"),
        ("20261026T085959", "2026-10-25"),
        ("20261026", "2026-10-26"),
        ("20261019", "2026-10-19"),
    ],
)
def test_until_is_inclusive_as_instant_as_wall_clock_and_as_whole_local_day(until, last):
    assert local_days(utc("2026-10-19T07:00"), f"FREQ=DAILY;UNTIL={until}")[-1] == last


def test_until_as_a_date_is_the_local_day_far_from_utc():
    auckland = ZoneInfo("Pacific/Auckland")
    first = localize(wall("2026-06-01T23:30"), auckland)
    assert local_days(first, "FREQ=DAILY;UNTIL=20260603", where=auckland)[-1] == "2026-06-03"


def test_until_before_the_start_leaves_nothing():
    assert starts(utc("2026-10-19T07:00"), "FREQ=DAILY;UNTIL=20261018") == []


# Windows


def test_window_is_half_open_and_takes_whatever_overlaps_it():
    start = utc("2026-06-01T07:00")
    window = (utc("2026-06-02T07:30"), utc("2026-06-04T07:00"))
    assert starts(start, "FREQ=DAILY", between=window) == [utc("2026-06-03T07:00")]
    window = (utc("2026-06-02T07:29"), utc("2026-06-04T07:01"))
    assert starts(start, "FREQ=DAILY", between=window) == [utc(f"2026-06-0{day}T07:00") for day in (2, 3, 4)]


def test_occurrence_without_duration_belongs_to_the_window_that_holds_its_start():
    start = utc("2026-06-01T07:00")
    assert starts(start, None, length=timedelta(), between=(start, start + HOUR)) == [start]
    assert starts(start, None, length=timedelta(), between=(start - HOUR, start)) == []


def test_empty_window_holds_nothing():
    start = utc("2026-06-01T07:00")
    assert starts(start, "FREQ=DAILY", between=(start + HOUR, start)) == []


def test_occurrences_longer_than_their_period_overlap_the_window_together():
    start = utc("2026-06-01T07:00")
    window = (start + 10 * DAY, start + 10 * DAY + HOUR)
    assert starts(start, "FREQ=DAILY", length=50 * HOUR, between=window) == [start + n * DAY for n in (8, 9, 10)]


def test_infinite_rule_stops_at_the_limit():
    series = starts(utc("2026-06-01T07:00"), "FREQ=DAILY", between=(utc("2026-01-01"), utc("9000-01-01")), limit=25)
    assert len(series) == 25
    assert len(starts(utc("2026-06-01T07:00"), "FREQ=DAILY")) == 1000


def test_series_ends_with_the_year_2399_and_windows_beyond_are_empty():
    start = utc("2026-06-01T07:00")
    everything = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    assert local_days(start, "FREQ=YEARLY", between=everything)[-1] == "2399-06-01"
    for rrule in ("FREQ=DAILY", "FREQ=WEEKLY", "FREQ=WEEKLY;BYMONTH=1;BYDAY=SA,SU"):
        assert starts(start, rrule, between=(utc("2400-01-02"), utc("9999-01-01"))) == []


def test_window_twenty_years_after_the_start_is_reached_without_counting_through():
    window = (utc("2046-10-28"), utc("2046-10-30"))
    # Processor time, which a busy machine doesn't stretch: far below what counting through would take.
    began = clock.process_time()
    for _ in range(50):
        found = starts(utc("2026-06-01T07:00"), "FREQ=DAILY", between=window)
    assert clock.process_time() - began < 2
    assert found == [utc("2046-10-28T08:00"), utc("2046-10-29T08:00")]


@pytest.mark.parametrize(
    "rrule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;INTERVAL=7;BYDAY=TU",
        "FREQ=WEEKLY;BYMONTH=2;BYDAY=MO;BYSETPOS=7",
        "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=" + ",".join(["2,-2,3,+3,03,-3,4,+4,04,-4,5,-5,6,-6,7,-7"] * 11),
        "FREQ=MONTHLY;INTERVAL=12;BYMONTH=3",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYWEEKNO=20;BYMONTH=1",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;COUNT=5",
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30;UNTIL=20990101",
        f"FREQ=YEARLY;INTERVAL={'9' * 400}",
    ],
)
def test_rule_that_matches_nothing_gives_up_quickly(rrule):
    start = utc("2026-06-01T07:00")
    began = clock.process_time()
    validate_rule(rrule, start, PARIS)
    assert starts(start, rrule, between=(start + DAY, start + 9000 * DAY)) == []
    assert clock.process_time() - began < 10


def test_next_occurrence_starts_strictly_after_the_given_instant():
    start = utc("2026-10-19T07:00")
    series = {"start": start, "end": start + HOUR, "zone": PARIS, "rrule": "FREQ=WEEKLY;COUNT=3"}
    removed = [utc("2026-10-26T08:00")]
    assert next_occurrence(**series, after=start - HOUR).start == start
    assert next_occurrence(**series, after=start).start == utc("2026-10-26T08:00")
    assert next_occurrence(**series, exdates=removed, after=start).start == utc("2026-11-02T08:00")
    assert next_occurrence(**series, after=utc("2026-11-02T08:00")) is None


# Refusals


@pytest.mark.parametrize(
    ("rrule", "reason"),
    [
        ("", "KEY=VALUE"),
        ("WEEKLY", "KEY=VALUE"),
        ("RRULE:FREQ=DAILY", "KEY=VALUE"),
        ("FREQ=DAILY;", "KEY=VALUE"),
        (" FREQ=DAILY", "KEY=VALUE"),
        ("FREQ=DAILY\n", "KEY=VALUE"),
        ("FREQ=DAILY\r\nEXDATE:20261019T070000Z", "KEY=VALUE"),
        ("DTSTART:20260101T000000Z\nRRULE:FREQ=DAILY", "KEY=VALUE"),
        ("FREQ=DAILY;COUNT=", "KEY=VALUE"),
        ("FREQ=DAILY;COUNT=1.5", "KEY=VALUE"),
        ("FREQ=DAİLY", "ASCII"),
        ("FREQ=DAILY;COUNT=٣", "ASCII"),
        ("FREQ=YEARLY;BYMONTHDAY=" + ",".join(["1"] * 250), "at most 500"),
        ("COUNT=3", "FREQ must be one of .* not none"),
        ("FREQ=FORTNIGHTLY", "FREQ must be one of .* not FORTNIGHTLY"),
        ("FREQ=HOURLY", "FREQ must be one of .* not HOURLY"),
        ("FREQ=MINUTELY", "FREQ must be one of .* not MINUTELY"),
        ("FREQ=SECONDLY;COUNT=3", "FREQ must be one of .* not SECONDLY"),
        ("FREQ=DAILY;FREQ=DAILY", "FREQ may be given only once"),
        ("FREQ=DAILY;BYHOUR=9,10", "BYHOUR is not a part"),
        ("FREQ=DAILY;BYMINUTE=0", "BYMINUTE is not a part"),
        ("FREQ=DAILY;BYSECOND=0", "BYSECOND is not a part"),
        ("FREQ=YEARLY;BYEASTER=0", "BYEASTER is not a part"),
        ("FREQ=DAILY;COUNT=3;UNTIL=20270101", "COUNT and UNTIL"),
        ("FREQ=DAILY;COUNT=0", "COUNT can't be 0"),
        ("FREQ=DAILY;COUNT=-1", "COUNT can't be -1"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL can't be 0"),
        ("FREQ=DAILY;INTERVAL=-2", "INTERVAL can't be -2"),
        ("FREQ=DAILY;UNTIL=20261301", "UNTIL must be"),
        ("FREQ=DAILY;UNTIL=2026-10-01", "UNTIL must be"),
        ("FREQ=DAILY;UNTIL=20261001T0700Z", "UNTIL must be"),
        ("FREQ=WEEKLY;WKST=XX", "WKST can't be XX"),
        ("FREQ=WEEKLY;BYDAY=MO,", "BYDAY can't be"),
        ("FREQ=WEEKLY;BYDAY=XX", "BYDAY can't be XX"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY can't be 1MO"),
        ("FREQ=MONTHLY;BYDAY=0MO", "BYDAY can't be 0MO"),
        ("FREQ=MONTHLY;BYDAY=6MO", "BYDAY can't be 6MO"),
        ("FREQ=YEARLY;BYDAY=54MO", "BYDAY can't be 54MO"),
        ("FREQ=YEARLY;BYWEEKNO=1;BYDAY=1MO", "BYDAY can't be 1MO"),
        ("FREQ=YEARLY;BYMONTH=13", "BYMONTH can't be 13"),
        ("FREQ=YEARLY;BYMONTH=-1", "BYMONTH can't be -1"),
        ("FREQ=MONTHLY;BYMONTHDAY=32", "BYMONTHDAY can't be 32"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY can't be 0"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY can't be used with FREQ=WEEKLY"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY can't be used with FREQ=MONTHLY"),
        ("FREQ=MONTHLY;BYWEEKNO=1", "BYWEEKNO can't be used with FREQ=MONTHLY"),
        ("FREQ=YEARLY;BYYEARDAY=367", "BYYEARDAY can't be 367"),
        ("FREQ=YEARLY;BYWEEKNO=54", "BYWEEKNO can't be 54"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS needs another BY part"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0", "BYSETPOS can't be 0"),
        ("FREQ=DAILY;BYDAY=MO;BYSETPOS=2", "BYSETPOS can't be 2"),
        ("FREQ=MONTHLY;BYDAY=MO;BYSETPOS=-32", "BYSETPOS can't be -32"),
        (f"FREQ={'X' * 400}", "FREQ must be one of"),
        (f"FREQ=DAILY;{'X' * 400}=1", "is not a part"),
    ],
)
def test_rule_that_cannot_be_used_is_refused_with_its_reason(rrule, reason):
    for check in (parse_rule, partial(validate_rule, start=utc("2026-10-19T07:00"), zone=PARIS)):
        with pytest.raises(ValueError, match=reason) as refusal:
            check(rrule)
        assert len(str(refusal.value)) < 200


def test_rule_that_is_no_text_is_refused():
    with pytest.raises(ValueError, match="ASCII text"):
        parse_rule(None)


@pytest.mark.parametrize("moment", [utc("0001-01-01"), utc("9999-12-31"), utc("1599-12-31"), utc("2400-01-01")])
def test_event_far_from_our_time_is_refused(moment):
    with pytest.raises(ValueError, match="lies between the years"):
        validate_rule("FREQ=DAILY", moment, NEW_YORK)


def test_naive_instants_and_an_end_before_the_start_are_refused():
    start = utc("2026-10-19T07:00")
    with pytest.raises(ValueError, match="needs an offset"):
        validate_rule("FREQ=DAILY", start.replace(tzinfo=None), PARIS)
    with pytest.raises(ValueError, match="needs an offset"):
        starts(start, None, exdates=[start.replace(tzinfo=None)])
    with pytest.raises(ValueError, match="needs an offset"):
        transitions(PARIS, start.replace(tzinfo=None), start)
    with pytest.raises(ValueError, match="before the start"):
        starts(start, None, length=-HOUR)


# Laws


def lists_of(numbers):
    return st.lists(numbers, min_size=1, max_size=3, unique=True).map(lambda found: ",".join(map(str, found)))


weekdays = st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"])
selectors = {
    "BYMONTH": lists_of(st.integers(1, 12)),
    "BYDAY": lists_of(weekdays),
    "BYMONTHDAY": lists_of(st.integers(1, 31) | st.integers(-31, -1)),
    "BYSETPOS": lists_of(st.integers(-4, -1) | st.integers(1, 4)),
}


@st.composite
def rules(draw):
    freq = draw(st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = {"FREQ": freq, "INTERVAL": str(draw(st.integers(1, 5))), "WKST": draw(weekdays)}
    usable = sorted(selectors.keys() - ({"BYMONTHDAY"} if freq == "WEEKLY" else set()))
    parts |= {key: draw(selectors[key]) for key in draw(st.lists(st.sampled_from(usable), max_size=2, unique=True))}
    if "BYSETPOS" in parts and (len(parts) == 4 or freq == "DAILY"):
        del parts["BYSETPOS"]
    return ";".join(f"{key}={value}" for key, value in parts.items())


@given(rules(), walls, zones, st.integers(0, 4000), st.integers(1, 400))
@bounded(max_examples=120)
def test_any_window_of_any_rule_holds_what_dateutil_gives_on_the_wall_clock(rrule, first, where, skipped, days):
    start = localize(first.replace(microsecond=0), where)
    first = start.astimezone(where).replace(tzinfo=None)
    window = (start + skipped * DAY, start + (skipped + days) * DAY)
    found = starts(start, rrule, where=where, between=window)
    far = first + (skipped + days + 2) * DAY
    given_ = (localize(day, where) for day in rrulestr(rrule, dtstart=first).between(first, far, inc=True))
    expected = sorted({moment for moment in given_ if window[0] - HALF_HOUR < moment < window[1]})
    assert found == expected


@given(rules(), walls, zones)
@bounded(max_examples=60)
def test_starts_increase_last_exactly_as_long_and_follow_one_another_by_next(rrule, first, where):
    start = localize(first, where)
    series = occurrences(start, rrule, where=where, limit=15)
    assert all(earlier.start < later.start for earlier, later in pairwise(series))
    assert all(one.end - one.start == HALF_HOUR and one.start == one.local_start.astimezone(UTC) for one in series)
    for earlier, later in islice(pairwise(series), 5):
        following = next_occurrence(start=start, end=start + HALF_HOUR, zone=where, rrule=rrule, after=earlier.start)
        assert following == later


@given(st.text(alphabet="FREQ=DAILYWKMONTH;,+-0123456789BYSETPOS", max_size=60).map("FREQ=YEARLY;".__add__) | st.text())
@bounded(max_examples=150)
def test_any_text_is_a_usable_rule_or_a_value_error(text):
    try:
        parse_rule(text)
    except ValueError:
        return
    assert len(starts(utc("2026-10-19T07:00"), text, limit=5)) <= 5


def test_parsed_rule_tells_its_parts():
    rule = parse_rule("FREQ=WEEKLY;INTERVAL=2;UNTIL=20261026T080000Z;BYDAY=MO")
    assert (rule.freq, rule.interval, rule.count, rule.until) == ("WEEKLY", 2, None, utc("2026-10-26T08:00"))
    assert parse_rule("FREQ=DAILY;UNTIL=20261026").until == datetime.combine(date(2026, 10, 26), time.max)
