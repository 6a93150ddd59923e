"""A series as it is kept: on the clock of its zone, with exceptions, and with changed occurrences in their place."""

from datetime import datetime, timedelta

import pytest

from bookings.models import Meeting
from bookings.occurrences import list_occurrences
from tests.factories import make_payload, read_sample, receive

pytestmark = pytest.mark.django_db

WINDOW = datetime.fromisoformat("2026-10-01T00:00:00Z"), datetime.fromisoformat("2027-01-01T00:00:00Z")


@pytest.fixture
def series(calendar_live):
    """Mondays at 09:00 in Paris, six times from 19 October 2026, without 9 November."""
    receive(read_sample("recurring_over_dst"))
    return Meeting.objects.get()


def change_occurrence(number, original_start, start, **event):
    """An occurrence of the series that was changed by itself, half an hour long."""
    end = (datetime.fromisoformat(start) + timedelta(minutes=30)).isoformat()
    payload = make_payload(
        f"dlv_change_{number}",
        id=f"ev_change_{number}",
        uid="series3@calendar.live",
        recurring_event_id="ev_series_3",
        original_start=original_start,
        start=start,
        end=end,
        **event,
    )
    assert receive(payload).status == "processed"


def starts(series, window=WINDOW):
    return [f"{each.start:%m-%dT%H:%M} {each.status}" for each in list_occurrences(series, *window)]


def test_series_stays_at_nine_on_the_clock_over_the_end_of_summer_time(series):
    found = list_occurrences(series, *WINDOW)
    assert [each.local_start.isoformat() for each in found] == [
        "2026-10-19T09:00:00+02:00",
        "2026-10-26T09:00:00+01:00",
        "2026-11-02T09:00:00+01:00",
        "2026-11-16T09:00:00+01:00",
        "2026-11-23T09:00:00+01:00",
    ]
    assert {each.end - each.start for each in found} == {timedelta(minutes=30)}
    assert all(each.original_start == each.start for each in found)


def test_changed_occurrence_stands_in_its_place_as_it_is_now(series):
    change_occurrence(1, "2026-10-26T08:00:00Z", "2026-10-27T15:00:00Z", status="tentative")
    assert starts(series)[:3] == ["10-19T07:00 confirmed", "10-27T15:00 tentative", "11-02T08:00 confirmed"]
    changed = list_occurrences(series, *WINDOW)[1]
    assert changed.local_start.isoformat() == "2026-10-27T16:00:00+01:00"
    assert changed.original_start == datetime.fromisoformat("2026-10-26T08:00:00Z")


def test_cancelled_occurrence_is_shown_as_cancelled(series):
    change_occurrence(1, "2026-10-26T08:00:00Z", "2026-10-26T08:00:00Z", status="cancelled")
    assert starts(series)[1] == "10-26T08:00 cancelled"
    assert len(starts(series)) == 5


def test_occurrence_that_was_moved_out_of_the_window_is_not_in_it_and_one_moved_in_is(series):
    change_occurrence(1, "2026-10-26T08:00:00Z", "2026-12-20T08:00:00Z")
    october = WINDOW[0], datetime.fromisoformat("2026-11-01T00:00:00Z")
    december = datetime.fromisoformat("2026-12-01T00:00:00Z"), WINDOW[1]
    assert starts(series, october) == ["10-19T07:00 confirmed"]
    assert starts(series, december) == ["12-20T08:00 confirmed"]


def test_cancelled_series_takes_its_changed_occurrences_with_it(series):
    change_occurrence(1, "2026-10-26T08:00:00Z", "2026-10-27T15:00:00Z")
    payload = read_sample("recurring_over_dst")
    payload["id"] = "dlv_cancel"
    payload["data"]["event"].update(version=2, status="cancelled")
    receive(payload)
    assert {text.split()[1] for text in starts(Meeting.objects.get(external_id="ev_series_3"))} == {"cancelled"}


def test_changes_to_a_series_of_another_connection_do_not_count(series):
    change_occurrence(1, "2026-10-26T08:00:00Z", "2026-10-27T15:00:00Z")
    Meeting.objects.filter(external_id="ev_change_1").update(series_id="another")
    assert starts(series)[1] == "10-26T08:00 confirmed"


def test_single_meeting_is_its_own_occurrence(calendar_live):
    receive(read_sample("event_created"))
    meeting = Meeting.objects.get()
    assert starts(meeting) == ["11-24T13:00 confirmed"]
    assert starts(meeting, (WINDOW[0], WINDOW[0] + timedelta(days=1))) == []


def test_daily_series_fills_the_longest_window(calendar_live):
    receive(make_payload(recurrence={"rrule": "FREQ=DAILY"}))
    start = datetime.fromisoformat("2027-01-01T00:00:00Z")
    assert len(list_occurrences(Meeting.objects.get(), start, start + timedelta(days=1098))) == 1098


def test_changed_occurrences_take_one_query(series, django_assert_max_num_queries):
    change_occurrence(1, "2026-10-26T08:00:00Z", "2026-10-27T15:00:00Z")
    change_occurrence(2, "2026-11-02T08:00:00Z", "2026-11-03T15:00:00Z")
    with django_assert_max_num_queries(1):
        list_occurrences(series, *WINDOW)
