"""The conflicts' inbox, the reservations' list and the calendars' buffers in the admin."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from bookings.models import Calendar, Conflict, Meeting, Reservation
from tests.bookings.calendar_world import PATCH, TOKEN, CalendarLive, calendar_world, change_there, iso, workday
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.playing import let_time_pass, run_effects
from tests.bookings.test_reservations import HALF, ask, hold
from tests.factories import make_connection
from tests.integrations.admin.support import (
    get_page,
    list_address,
    page_address,
    press,
    read_log,
    read_messages,
    sign_in,
)

pytestmark = pytest.mark.django_db
TEN = workday(0, 10)


@pytest.fixture
def live() -> Iterator[CalendarLive]:
    make_connection(options={"access_token": TOKEN})
    with calendar_world() as world:
        yield world


@pytest.fixture
def conflict(live: CalendarLive) -> Conflict:
    """A trial call, and a quick chat that its own public page has sold for the same time, some time later."""
    trial = live.book("trial", TEN, "ada@example.com")
    live.tell({**trial, "created_at": iso(timezone.now() - HALF)}, "event.created")
    live.tell(live.book("quick-chat", TEN, "mei@example.com"), "event.created")
    return Conflict.objects.get()


def settle(client: Client, conflict: Conflict, button: str, **values: Any) -> str:
    response = press(client, conflict, button, **values)
    conflict.refresh_from_db()
    return read_messages(response)


# --- Pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 20])
def test_the_list_needs_as_many_queries_for_twenty_rows_as_for_two(
    count: int, conflict: Conflict, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for _ in range(count):
        Conflict.objects.create(
            kind="double_booking", meeting=conflict.meeting, other_meeting=conflict.other_meeting, status="settled"
        )
    with django_assert_max_num_queries(6):
        page = get_page(admin_client, list_address(Conflict))
    assert "Trial call" in page


def test_the_page_shows_both_meetings_and_three_free_slots_for_each(conflict: Conflict, admin_client: Client) -> None:
    page = get_page(admin_client, page_address(conflict))
    assert "Trial call" in page
    assert "Quick chat" in page
    assert page.count("Move this one here") == 6
    assert page.count("Cancel this one") == 2
    assert f"start={iso(TEN + HALF).replace(':', '%3A')}" in page


def test_the_page_is_there_while_calendar_live_is_away(
    conflict: Conflict, live: CalendarLive, admin_client: Client
) -> None:
    live.is_away = True
    assert "calendar.live does not answer" in get_page(admin_client, page_address(conflict))


def test_a_meetings_page_and_the_api_show_its_conflict(conflict: Conflict, admin_client: Client, api: Any) -> None:
    for meeting in Meeting.objects.all():
        assert page_address(conflict) in get_page(admin_client, page_address(meeting))
        shown = api.get(f"/api/meetings/{meeting.pk}/").json()["conflict"]
        assert shown == {"id": str(conflict.pk), "kind": "double_booking", "status": "open"}


def test_a_viewer_sees_it_and_settles_nothing(conflict: Conflict) -> None:
    viewer = sign_in("bookings.view_conflict")
    page = get_page(viewer, page_address(conflict))
    assert "Move this one here" not in page
    for button in ("move", "cancel", "leave"):
        assert viewer.post(page_address(conflict, button)).status_code == 403
    conflict.refresh_from_db()
    assert conflict.status == "open"


# --- Settling ---------------------------------------------------------------------------------------------------------


def test_one_is_moved_there_and_here_and_the_conflict_is_settled(
    conflict: Conflict, live: CalendarLive, admin_client: Client, admin_user: Any
) -> None:
    later = TEN + HALF
    said = settle(admin_client, conflict, "move", meeting=str(conflict.meeting_id), start=iso(later))
    assert "Moved to" in said
    assert (conflict.status, conflict.settled_by) == ("settled", admin_user)
    assert [event["start"] for event in live.events] == [iso(TEN), iso(later)]
    assert all(Reservation.objects.values_list("is_exclusive", flat=True))
    assert len(read_log(conflict)) == 1


def test_one_is_cancelled(conflict: Conflict, live: CalendarLive, admin_client: Client, admin_user: Any) -> None:
    settle(admin_client, conflict, "cancel", meeting=str(conflict.other_meeting_id))
    assert (conflict.status, conflict.settled_by) == ("settled", admin_user)
    assert [event["status"] for event in live.events] == ["cancelled", "confirmed"]


def test_both_are_left(conflict: Conflict, live: CalendarLive, admin_client: Client, admin_user: Any) -> None:
    settle(admin_client, conflict, "leave")
    assert (conflict.status, conflict.settled_by) == ("dismissed", admin_user)
    assert len(live.standing) == 2
    assert "does not fit" in settle(admin_client, conflict, "leave")


def test_a_slot_that_is_taken_by_then_is_said_and_nothing_changes(
    conflict: Conflict, live: CalendarLive, admin_client: Client
) -> None:
    live.book("trial", TEN + HALF, "tom@example.com")
    said = settle(admin_client, conflict, "move", meeting=str(conflict.meeting_id), start=iso(TEN + HALF))
    assert "taken" in said
    assert conflict.status == "open"


def test_a_move_waits_for_calendar_live(conflict: Conflict, live: CalendarLive, admin_client: Client) -> None:
    live.is_away = True
    said = settle(admin_client, conflict, "move", meeting=str(conflict.meeting_id), start=iso(TEN + HALF))
    assert "calendar.live is away" in said
    assert conflict.status == "open"
    live.is_away = False
    let_time_pass(hours=1)
    run_effects("calendar-live")
    conflict.refresh_from_db()
    assert conflict.status == "settled"


def test_a_meeting_that_changed_meanwhile_is_read_again_before_it_is_moved(
    conflict: Conflict, live: CalendarLive, admin_client: Client
) -> None:
    change_there(live, live.events[1]["id"], description="Changed")
    settle(admin_client, conflict, "move", meeting=str(conflict.meeting_id), start=iso(TEN + HALF))
    assert (conflict.status, live.count(PATCH)) == ("settled", 2)
    assert live.events[1]["description"] == "Changed"


@pytest.mark.parametrize(
    "values", [{}, {"meeting": "x", "start": iso(TEN)}, {"start": "tomorrow"}, {"start": "2026-12-01T10:00:00"}]
)
def test_what_cannot_be_read_is_asked_for_again(
    values: dict[str, str], conflict: Conflict, admin_client: Client
) -> None:
    given = {"meeting": str(conflict.meeting_id), **values} if values else {}
    response = admin_client.post(page_address(conflict, "move"), given)
    assert (response.status_code, response.context["form"].is_valid()) == (200, False)


# --- Reservations and buffers -----------------------------------------------------------------------------------------


def test_a_hold_shows_its_seconds_left(conflict: Conflict, admin_client: Client) -> None:
    hold(Calendar.objects.get(), TEN + 4 * HALF, lasts_s=120)
    hold(Calendar.objects.get(), TEN + 6 * HALF, lasts_s=-5)
    page = get_page(admin_client, list_address(Reservation))
    assert "119 s" in page or "118 s" in page
    assert "Has run out" in page
    assert "Double" in page


@pytest.mark.parametrize("count", [2, 20])
def test_the_reservations_need_as_many_queries_for_twenty_rows_as_for_two(
    count: int, conflict: Conflict, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    request = ask(Calendar.objects.get())
    for number in range(count):
        start = TEN + (number + 4) * HALF
        period = (start, start + HALF)
        Reservation.objects.create(
            calendar=request.calendar, kind="hold", start=start, end=period[1], period=period, request=request
        )
    with django_assert_max_num_queries(6):
        get_page(admin_client, list_address(Reservation))


def test_buffers_are_set_in_the_admin_and_nothing_else(conflict: Conflict, admin_client: Client) -> None:
    calendar = Calendar.objects.get()
    given = {"buffer_before_min": 5, "buffer_after_min": 10, "name": "Another"}
    assert admin_client.post(page_address(calendar), given).status_code == 302
    calendar.refresh_from_db()
    assert (calendar.buffer_before_min, calendar.buffer_after_min, calendar.name) == (5, 10, "EMEA sales")
    row = Reservation.objects.get(meeting=conflict.meeting)
    assert (row.start - row.period.lower, row.period.upper - row.end) == (HALF / 6, HALF / 3)
    refused = admin_client.post(page_address(calendar), {"buffer_before_min": 500, "buffer_after_min": 0})
    assert refused.status_code == 200


def test_buffers_need_a_permission(conflict: Conflict) -> None:
    viewer = sign_in("bookings.view_calendar")
    calendar = Calendar.objects.get()
    assert viewer.post(page_address(calendar), {"buffer_before_min": 5, "buffer_after_min": 5}).status_code == 403
    assert conflict.created_at < timezone.now()
