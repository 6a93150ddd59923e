"""What the coming changes of the clock do to a series, as its page shows it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from bookings.clock_changes import list_clock_changes
from bookings.models import Meeting
from integrations.models import Delivery
from tests.factories import make_payload, receive
from tests.integrations.admin.support import get_page, page_address, sign_in

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def series(calendar_live):
    def make(rrule="FREQ=WEEKLY", start="2026-11-24T08:00:00Z", zone="Europe/Paris", **event):
        end = (datetime.fromisoformat(start) + timedelta(minutes=30)).isoformat()
        recurrence = {"rrule": rrule, "exdates": event.pop("exdates", [])} if rrule else None
        values = {"start": start, "end": end, "timezone": zone, "recurrence": recurrence, **event}
        receive(make_payload(f"dlv_{Delivery.objects.count()}", **values))
        return Meeting.objects.get(external_id=values.get("id", "ev_9f27c1"))

    return make


def starts(change):
    before, after = (each and f"{each.start:%Y-%m-%d %H:%M}" for each in (change.before, change.after))
    return before, after, str(change.in_utc)


def test_a_weekly_meeting_keeps_its_wall_clock_time_and_moves_in_utc(series):
    first, second, *_ = found = list_clock_changes(series(), NOW)
    assert starts(first) == ("2027-03-23 08:00", "2027-03-30 07:00", "-1 day, 23:00:00")
    assert starts(second) == ("2027-10-26 07:00", "2027-11-02 08:00", "1:00:00")
    assert {f"{each.local_start:%H:%M}" for change in found for each in (change.before, change.after)} == {"09:00"}
    assert [change.transition.at for change in found[:2]] == [
        datetime(2027, 3, 28, 1, tzinfo=UTC),
        datetime(2027, 10, 31, 1, tzinfo=UTC),
    ]
    assert len(found) == 6


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "UTC"])
def test_a_zone_whose_clock_does_not_change_has_none(series, zone):
    assert list_clock_changes(series(zone=zone), NOW) == []


def test_a_series_that_is_over_before_has_none(series):
    assert list_clock_changes(series("FREQ=WEEKLY;COUNT=4"), NOW) == []
    assert len(list_clock_changes(series("FREQ=WEEKLY;UNTIL=20270501", version=2), NOW)) == 1


def test_a_yearly_series_is_found_far_away(series):
    first = list_clock_changes(series("FREQ=YEARLY"), NOW)[0]
    assert starts(first) == ("2026-11-24 08:00", "2027-11-24 08:00", "-1 day, 23:00:00")


def test_an_occurrence_that_was_moved_stands_where_it_is(series):
    series()
    series(
        "", "2027-03-29T15:00:00Z", id="ev_moved", recurring_event_id="ev_9f27c1", original_start="2027-03-30T07:00:00Z"
    )
    first = list_clock_changes(Meeting.objects.get(external_id="ev_9f27c1"), NOW)[0]
    assert starts(first)[1] == "2027-03-29 15:00"


def test_a_half_hour_change_is_told(series):
    change = list_clock_changes(series(zone="Australia/Lord_Howe", start="2026-11-24T00:00:00Z"), NOW)[0]
    assert abs(change.in_utc) == timedelta(minutes=30)


def test_the_page_shows_both_times_on_both_sides(series):
    meeting = series()
    with time_machine.travel(NOW, tick=False):
        client = sign_in("bookings.view_meeting")
        assert page_address(meeting, "clock_changes") in get_page(client, page_address(meeting))
        page = get_page(client, page_address(meeting, "clock_changes"))
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))
    row = (
        "2027-03-28 01:00:00 UTC UTC+01:00 → UTC+02:00 Tue 2027-03-23 09:00 UTC+01:00 2027-03-23 08:00:00 UTC "
        "Tue 2027-03-30 09:00 UTC+02:00 2027-03-30 07:00:00 UTC 1 h earlier"
    )
    assert row in text


def test_a_single_meeting_has_no_such_page(series):
    meeting = series("")
    client = sign_in("bookings.view_meeting")
    assert page_address(meeting, "clock_changes") not in get_page(client, page_address(meeting))
    answer = client.get(page_address(meeting, "clock_changes"))
    assert (answer.status_code, answer["Location"]) == (302, page_address(meeting))


def test_the_page_needs_the_permission(series):
    meeting = series()
    assert sign_in("bookings.view_payment").get(page_address(meeting, "clock_changes")).status_code == 403
