"""Fields of a meeting that the CRM owns: what calendar.live says of them is put right there; its times are its own."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bookings.calendar_writes import RESTORE
from bookings.models import Meeting
from bookings.ordering import change_meeting
from integrations.models import Connection, FieldWrite
from integrations.pairs import make_pair
from tests.bookings.calendar_world import TOKEN, CalendarLive, calendar_world, change_there, iso, workday
from tests.bookings.flows.playing import connect, list_effects, run_effects
from tests.factories import make_connection

pytestmark = pytest.mark.django_db
TEN = workday(0, 10)


@pytest.fixture
def calendar(db: None) -> Connection:
    return make_connection(options={"access_token": TOKEN})


@pytest.fixture
def live(calendar: Connection) -> Iterator[CalendarLive]:
    """With one event, which is at the CRM too, and the CRM leads."""
    make_pair(calendar, connect("hubspot"), "out")
    with calendar_world() as world:
        world.tell(world.book("trial", TEN), "event.created")
        run_effects()
        yield world


def the_meeting() -> Meeting:
    return Meeting.objects.get()


def tell_change(live: CalendarLive, **fields: Any) -> None:
    change_there(live, **fields)
    live.tell_all()


def test_a_title_that_the_crm_owns_stays_and_is_put_right_at_calendar_live(live: CalendarLive) -> None:
    title = the_meeting().title
    tell_change(live, title="Renamed at calendar.live")
    assert the_meeting().title == title
    assert FieldWrite.objects.get().verdict == "blocked"

    run_effects()
    assert [event["title"] for event in live.standing] == [title]
    assert list_effects(RESTORE) == ["succeeded"]


def test_a_customer_moves_his_meeting_whoever_owns_it(live: CalendarLive) -> None:
    later = TEN + timedelta(hours=1)
    tell_change(live, start=later, end=later + timedelta(minutes=30))

    assert iso(the_meeting().start) == iso(later)
    assert not FieldWrite.objects.exists()


def test_what_was_asked_for_from_here_is_no_write_of_calendar_live(live: CalendarLive) -> None:
    meeting = Meeting.objects.select_related("calendar", "connection").get()
    change_meeting(meeting, {"title": "Asked for"}, calendar=meeting.calendar, user_id=None)
    [event] = live.standing
    live.tell(event)
    run_effects()

    assert the_meeting().title == event["title"] == "Asked for"
    assert not FieldWrite.objects.exists()
    assert list_effects(RESTORE) == []


def test_without_a_record_at_the_crm_calendar_live_may_write_everything(live: CalendarLive) -> None:
    the_meeting().links.all().delete()
    tell_change(live, title="Renamed at calendar.live")

    assert the_meeting().title == "Renamed at calendar.live"
