"""What a person pushes to calendar.live is asked for like any other change, and writes nothing over that nobody saw."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from bookings.models import Discrepancy, Meeting
from integrations.models import Connection
from tests.bookings.calendar_world import PATCH, TOKEN, CalendarLive, Hook, calendar_world, change_there, iso, workday
from tests.bookings.flows.playing import let_time_pass, run_effects
from tests.bookings.reconciliation.conftest import Reconcile
from tests.factories import make_connection
from tests.integrations.admin.support import get_page, page_address, press, read_messages, sign_in

pytestmark = pytest.mark.django_db
MAY = ("bookings.view_discrepancy", "bookings.operate_reconciliation")
TEN = workday(0, 10)
LATER = TEN + timedelta(hours=1)

type Push = Callable[[Discrepancy], str]


@pytest.fixture
def calendar(db: None) -> Connection:
    return make_connection(options={"access_token": TOKEN})


@pytest.fixture
def live(calendar: Connection) -> Iterator[CalendarLive]:
    """With one event that is known here."""
    with calendar_world() as world:
        world.tell(world.book("trial", TEN), "event.created")
        yield world


def differ(reconcile: Reconcile, **fields: Any) -> Discrepancy:
    """The meeting holds something else, in the same version."""
    for meeting in Meeting.objects.all():
        for name, value in fields.items():
            setattr(meeting, name, value)
        meeting.save()
    reconcile()
    return Discrepancy.objects.get(status="open")


@pytest.fixture
def push(db: None) -> Push:
    """An operator presses the button; what the page says then, after what it had said before."""
    client = sign_in(*MAY)

    def press_button(row: Discrepancy) -> str:
        explained = get_page(client, page_address(row, "push"))
        said = read_messages(press(client, row, "push"))
        row.refresh_from_db()
        return explained + said

    return press_button


def test_what_differs_is_changed_there_and_nothing_else(live: CalendarLive, reconcile: Reconcile, push: Push) -> None:
    row = differ(reconcile, title="Ours", start=LATER, end=LATER + timedelta(minutes=30))
    said = push(row)
    assert "asked to change the event" in said
    assert "has the meeting as it is here" in said
    (event,) = live.events
    assert (event["title"], event["start"], event["version"], len(event["attendees"])) == ("Ours", iso(LATER), 2, 1)
    assert (row.status, Meeting.objects.get().version) == ("pushed", 2)
    assert reconcile().discrepancies == 0


def test_who_attends_is_changed_there(live: CalendarLive, reconcile: Reconcile, push: Push) -> None:
    Meeting.objects.get().attendances.update(email="grace@example.com", full_name="Grace Hopper")
    push(differ(reconcile))
    assert [(each["email"], each["full_name"]) for each in live.events[0]["attendees"]] == [
        ("grace@example.com", "Grace Hopper")
    ]


def test_whoever_was_erased_here_stays_there(live: CalendarLive, reconcile: Reconcile, push: Push) -> None:
    attendance = Meeting.objects.get().attendances.get()
    attendance.email, attendance.full_name, attendance.response = "", "", "declined"
    attendance.save()
    assert "takes no change of attendees" in push(differ(reconcile))
    assert live.count(PATCH) == 0


def test_a_cancelled_meeting_is_cancelled_there_too(live: CalendarLive, reconcile: Reconcile, push: Push) -> None:
    row = differ(reconcile, status="cancelled")
    assert row.kind == "ghost"
    assert "asked to cancel the event" in push(row)
    assert (row.status, [event["status"] for event in live.events]) == ("pushed", ["cancelled"])
    assert reconcile().discrepancies == 0


def test_what_changed_there_since_is_compared_first(live: CalendarLive, reconcile: Reconcile, push: Push) -> None:
    row = differ(reconcile, title="Ours")
    change_there(live, title="Theirs")
    assert "another version" in push(row)
    assert (row.status, live.events[0]["title"]) == ("open", "Theirs")


def test_a_change_at_the_same_moment_is_not_written_over(live: CalendarLive, reconcile: Reconcile, push: Push) -> None:
    row = differ(reconcile, title="Ours")
    live.hooks.append(Hook(PATCH, before=lambda: change_there(live, title="Theirs")))
    assert "title was changed at calendar.live meanwhile" in push(row)
    assert (row.status, live.events[0]["title"]) == ("open", "Theirs")


def test_a_time_that_is_taken_there_is_said(live: CalendarLive, reconcile: Reconcile, push: Push) -> None:
    live.book("trial", LATER, "mei@example.com")
    row = differ(reconcile, start=LATER, end=LATER + timedelta(minutes=30))
    assert "taken" in push(row)
    assert (row.status, live.events[0]["start"]) == ("open", iso(TEN))


def test_what_no_change_can_carry_cannot_be_pushed(live: CalendarLive, reconcile: Reconcile, push: Push) -> None:
    row = differ(reconcile, join_url="https://ours.example.com/1")
    assert "takes no change of join_url" in push(row)
    assert row.status == "open"


def test_what_an_outage_leaves_open_is_done_later(live: CalendarLive, reconcile: Reconcile, push: Push) -> None:
    def go_away() -> None:
        live.is_away = True
        raise requests.ConnectionError("broken off")

    row = differ(reconcile, title="Ours")
    live.hooks.append(Hook(PATCH, after=go_away))
    assert "calendar.live is away" in push(row)
    live.is_away = False
    let_time_pass(hours=1)
    run_effects("calendar-live")
    assert (row.status, live.events[0]["title"], live.events[0]["version"]) == ("pushed", "Ours", 2)
    assert reconcile().discrepancies == 0
