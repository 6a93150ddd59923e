"""A meeting as an iCalendar file: its text as RFC 5545 says, and its series read by another library."""

import io
import re
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from dateutil.tz import tzical
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings.calendar_files import make_calendar_file
from bookings.timezones import expand

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
START, END = datetime(2026, 11, 24, 9, tzinfo=UTC), datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
EVERY_TUESDAY = "FREQ=WEEKLY;BYDAY=TU"


def make_file(**fields):
    values = {
        "method": "PUBLISH",
        "uid": "9f27c1f4@calendar.live",
        "sequence": 3,
        "start": START,
        "end": END,
        "summary": "Demo",
        "description": "With questions",
        "url": "https://zoom.us/j/1?pwd=a&b=c",
        "organizer_email": "lea@acme.example",
        "attendee_email": "zoe.okafor@example.com",
        "attendee_name": "Zoe Okafor",
        "now": NOW,
    }
    return make_calendar_file(**{**values, **fields})


def read_lines(content):
    """The content lines, unfolded (RFC 5545 3.1)."""
    return re.sub(r"\r\n[ \t]", "", content.decode()).removesuffix("\r\n").split("\r\n")


def read_values(content):
    """Name with parameters → value, of the event itself."""
    lines = read_lines(content)
    event = lines[lines.index("BEGIN:VEVENT") + 1 : lines.index("END:VEVENT")]
    return dict(re.fullmatch(r'((?:[^":]|"[^"]*")+):(.*)', line, re.DOTALL).groups() for line in event)


def unescape(value):
    return re.sub(r"\\(.)", lambda match: "\n" if match[1] in "nN" else match[1], value)


def read_series(content):
    """The starts in UTC, worked out by dateutil from the file's own rule and time zone alone; at most 200."""
    values = read_values(content)
    _, is_local, name = next(key for key in values if key.startswith("DTSTART")).partition(";TZID=")
    zone = tzical(io.StringIO("\n".join(read_lines(content)))).get(name) if is_local else UTC
    wall = datetime.strptime(values[f"DTSTART{is_local}{name}"].removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007
    removed = values.get(f"EXDATE{is_local}{name}", "").replace("Z", "").split(",")
    moments = islice(rrulestr(values["RRULE"], dtstart=wall.replace(tzinfo=zone)), 200)
    return [moment.astimezone(UTC) for moment in moments if moment.strftime("%Y%m%dT%H%M%S") not in removed]


# --- Single meetings --------------------------------------------------------------------------------------------------


def test_single_meeting_is_published_in_utc_without_attendees():
    assert read_lines(make_file()) == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Keepsync//Keepsync//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        "SUMMARY:Demo",
        "DTSTART:20261124T090000Z",
        "DTEND:20261124T093000Z",
        "DTSTAMP:20261122T120000Z",
        "UID:9f27c1f4@calendar.live",
        "SEQUENCE:3",
        "DESCRIPTION:With questions",
        "LOCATION:https://zoom.us/j/1?pwd=a&b=c",
        "ORGANIZER:mailto:lea@acme.example",
        "STATUS:CONFIRMED",
        "URL:https://zoom.us/j/1?pwd=a&b=c",
        "END:VEVENT",
        "END:VCALENDAR",
    ]


def test_moments_of_any_zone_are_written_in_utc():
    paris = ZoneInfo("Europe/Paris")
    content = make_file(start=START.astimezone(paris), end=END.astimezone(paris), now=NOW.astimezone(paris))
    assert content == make_file()


def test_cancellation_cancels_for_the_attendee():
    content = make_file(method="CANCEL", sequence=4)
    values = read_values(content)
    assert "METHOD:CANCEL" in read_lines(content)
    assert (values["STATUS"], values["SEQUENCE"]) == ("CANCELLED", "4")
    [(name, address)] = [item for item in values.items() if item[0].startswith("ATTENDEE")]
    assert address == "mailto:zoe.okafor@example.com"
    assert set(name.split(";")[1:]) == {'CN="Zoe Okafor"', "RSVP=FALSE"}


@pytest.mark.parametrize("method", ["PUBLISH", "REQUEST", "CANCEL"])
def test_no_file_asks_for_an_answer(method):
    assert b"RSVP=TRUE" not in make_file(method=method)


def test_empty_texts_are_left_out():
    content = make_file(
        method="REQUEST", description="", url="", organizer_email="", attendee_email="", attendee_name=""
    )
    names = {name.partition(";")[0] for name in read_values(content)}
    assert names == {"SUMMARY", "DTSTART", "DTEND", "DTSTAMP", "UID", "SEQUENCE", "STATUS"}


@pytest.mark.parametrize(
    ("version", "sequence"), [(0, "0"), (-1, "0"), (2**31 - 1, "2147483647"), (2**40, "2147483647")]
)
def test_sequence_stays_an_integer_of_the_rfc(version, sequence):
    assert read_values(make_file(sequence=version))["SEQUENCE"] == sequence


# --- Texts ------------------------------------------------------------------------------------------------------------


def test_special_characters_are_escaped():
    values = read_values(make_file(summary="a,b;c\\d", description="one\r\ntwo\nthree\rfour"))
    assert values["SUMMARY"] == r"a\,b\;c\\d"
    assert values["DESCRIPTION"] == r"one\ntwo\nthree\nfour"


def test_control_characters_and_lone_surrogates_are_taken_out():
    values = read_values(make_file(summary="a\x00b\x07c\x7fd\ud800e\tf"))
    assert values["SUMMARY"] == "abcde\tf"


@settings(deadline=None, derandomize=True, database=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]) | st.just("\n")))
def test_any_text_comes_back_and_every_line_is_short_enough(text):
    content = make_file(summary=f"x{text}", description=f"x{text}")
    assert unescape(read_values(content)["SUMMARY"]) == f"x{text}"
    assert unescape(read_values(content)["DESCRIPTION"]) == f"x{text}"
    for line in content.split(b"\r\n"):
        assert len(line) <= 75
        assert b"\n" not in line
        # Raises where a character was cut in two.
        assert line.decode().encode() == line


@pytest.mark.parametrize(
    "fields",
    [
        {"uid": "1\r\nX-EVIL:1"},
        {"summary": "Demo\r\nX-EVIL:1"},
        {"description": "Demo\nX-EVIL:1"},
        {"url": "https://x.example/\r\nX-EVIL:1"},
        {"organizer_email": "a@b.example\r\nX-EVIL:1"},
        {"attendee_email": "a@b.example\r\nX-EVIL:1", "method": "CANCEL"},
        {"attendee_name": 'Zoe"\r\nX-EVIL:1', "method": "CANCEL"},
    ],
)
def test_no_value_can_add_a_line_of_its_own(fields):
    assert not any(line.startswith("X-EVIL") for line in read_lines(make_file(**fields)))


@pytest.mark.parametrize(
    ("name", "written"), [('Zoe "Zo" Okafor', "CN=\"Zoe 'Zo' Okafor\""), ("Okafor, Zoé: x;y", 'CN="Okafor, Zoé: x;y"')]
)
def test_name_of_the_attendee_is_quoted_where_it_must_be(name, written):
    lines = read_lines(make_file(method="CANCEL", attendee_name=name))
    assert any(line.startswith("ATTENDEE;") and written in line for line in lines)


# --- Series -----------------------------------------------------------------------------------------------------------


def make_series(rrule=EVERY_TUESDAY, *, timezone="Europe/Paris", start=START, **fields):
    return make_file(start=start, end=start + timedelta(minutes=30), rrule=rrule, timezone=timezone, **fields)


def test_series_is_written_in_wall_clock_time_with_its_zone():
    content = make_series(exdates=[START + timedelta(days=7), START + timedelta(days=14)])
    values = read_values(content)
    assert values["DTSTART;TZID=Europe/Paris"] == "20261124T100000"
    assert values["DTEND;TZID=Europe/Paris"] == "20261124T103000"
    assert values["EXDATE;TZID=Europe/Paris"] == "20261201T100000,20261208T100000"
    assert values["RRULE"] == EVERY_TUESDAY
    lines = read_lines(content)
    assert lines.index("BEGIN:VTIMEZONE") < lines.index("TZID:Europe/Paris") < lines.index("BEGIN:VEVENT")


@pytest.mark.parametrize(
    ("until", "written"),
    [
        ("20261229T090000Z", "20261229T090000Z"),
        ("20261229T100000", "20261229T090000Z"),
        ("20261229", "20261229T225959Z"),
    ],
)
def test_end_of_the_series_is_written_in_utc(until, written):
    values = read_values(make_series(f"{EVERY_TUESDAY};UNTIL={until}"))
    assert f"UNTIL={written}" in values["RRULE"].split(";")


@pytest.mark.parametrize(
    "timezone", ["Europe/Paris", "America/New_York", "Asia/Kolkata", "UTC", "Etc/UTC", "Australia/Lord_Howe"]
)
@pytest.mark.parametrize(
    "rrule",
    [
        "FREQ=WEEKLY;BYDAY=TU;COUNT=60",
        "FREQ=DAILY;INTERVAL=3;UNTIL=20271224",
        "FREQ=MONTHLY;BYDAY=-1FR,4TU;COUNT=24",
        "FREQ=WEEKLY",
    ],
)
def test_other_programs_find_the_same_occurrences(timezone, rrule):
    """Through the changes of offset, by the rule and the zone that stand in the file."""
    removed = [datetime(2026, 12, 1, 9, tzinfo=UTC)]
    content = make_series(rrule, timezone=timezone, exdates=removed)
    expected = expand(
        start=START,
        end=END,
        zone=ZoneInfo(timezone),
        rrule=rrule,
        exdates=removed,
        window_start=START,
        window_end=START + timedelta(days=8 * 365),
    )
    found = read_series(content)
    assert len(found) > 20
    assert found == [occurrence.start for occurrence in expected][: len(found)]


def test_series_that_starts_in_summer_has_that_offset():
    start = datetime(2026, 7, 7, 7, tzinfo=UTC)
    content = make_series("FREQ=WEEKLY;COUNT=30", start=start)
    assert read_values(content)["DTSTART;TZID=Europe/Paris"] == "20260707T090000"
    assert read_series(content)[0] == start
    assert read_series(content)[-1] == start + timedelta(weeks=29, hours=1)


@pytest.mark.parametrize("until", ["20200101", "23991231", "99991231T235959Z"])
def test_end_that_is_long_ago_or_far_away_breaks_nothing(until):
    content = make_series(f"FREQ=YEARLY;UNTIL={until}")
    assert len(content) < 10_000
    assert until[:8] in content.decode()


@pytest.mark.parametrize(
    ("rrule", "timezone"), [("FREQ=HOURLY", "Europe/Paris"), (EVERY_TUESDAY, "Mars/Olympus"), (EVERY_TUESDAY, "")]
)
def test_rule_or_zone_that_cannot_be_used_is_refused(rrule, timezone):
    with pytest.raises(ValueError, match=r"FREQ|time zone"):
        make_series(rrule, timezone=timezone)
