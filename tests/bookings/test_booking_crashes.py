"""A booking whose process dies at any line: whoever takes it up finishes it, once, and nothing is left half done."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.utils import timezone
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from bookings.jobs import sweep_bookings
from bookings.models import BookingRequest, Meeting, Reservation
from contacts.models import Contact
from tests.bookings.calendar_world import (
    CREATE,
    DELETE,
    FREE_BUSY,
    HOLD,
    PATCH,
    TOKEN,
    CalendarLive,
    Hook,
    calendar_world,
    iso,
    make_body,
    workday,
)
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.playing import let_time_pass, run_effects
from tests.factories import make_connection

TEN = workday(0, 10)
HALF = timedelta(minutes=30)


class Death(BaseException):
    """The process is gone: nothing handles it."""


def die(*_: Any, **__: Any) -> None:
    raise Death


@pytest.fixture
def live(transactional_db: None) -> Iterator[CalendarLive]:
    make_connection(options={"default_region": "FR", "access_token": TOKEN})
    with calendar_world() as world:
        yield world


@pytest.fixture
def client(transactional_db: None) -> APIClient:
    return make_client(User.objects.create_superuser("admin"))


def make_client(user: User) -> APIClient:
    client = APIClient()
    token, _ = Token.objects.get_or_create(user=user)
    client.credentials(HTTP_AUTHORIZATION=f"Token {token.key}")
    return client


def post(client: APIClient, key: str = "key-1", **fields: Any) -> Any:
    return client.post("/api/meetings/", {**make_body(TEN), **fields}, headers={"Idempotency-Key": key})


def perish(act: Callable[[], Any]) -> None:
    with pytest.raises(Death):
        act()


def let_lease_end() -> None:
    BookingRequest.objects.filter(finished_at=None).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def take_up() -> None:
    """The sweeper finds it, and the effect finishes it."""
    let_lease_end()
    sweep_bookings()
    run_effects()


def check_one_booking(live: CalendarLive) -> None:
    (event,) = live.standing
    meeting = Meeting.objects.get()
    assert (meeting.external_id, meeting.status) == (event["id"], "confirmed")
    assert meeting.client_reference == str(meeting.pk)
    assert list(Reservation.objects.values_list("meeting", "kind")) == [(meeting.pk, "meeting")]
    assert BookingRequest.objects.get().state == "confirmed"
    assert Contact.objects.count() == meeting.attendances.count() == 1
    assert live.holds == []


# Where the process dies: before or after a call to calendar.live, and before or after each thing that is written down.
CALLS = [(route, moment) for route in (FREE_BUSY, HOLD, CREATE) for moment in ("before", "after")]
LINES = [
    "bookings.flows.booking_steps.check_free",
    "bookings.flows.booking_steps.reserve_here",
    "bookings.flows.booking_steps.reserve",
    "bookings.flows.booking_steps.move",
    "bookings.flows.booking_steps.hold_there",
    "bookings.flows.booking_steps.confirm",
    "bookings.flows.booking_steps.settle",
    "bookings.flows.booking_steps.upsert_meeting",
    "bookings.flows.booking_steps.follow",
    "bookings.flows.booking_steps.finish",
    "bookings.booking_api.remember_answer",
]


def kill_at_call(live: CalendarLive, route: str, moment: str) -> None:
    live.hooks.append(Hook(route, **{moment: die}))


@pytest.mark.slow
@pytest.mark.parametrize(("route", "moment"), CALLS)
@pytest.mark.parametrize("finisher", ["sweeper", "caller"])
def test_a_death_around_a_call_leaves_one_booking(
    route: str, moment: str, finisher: str, live: CalendarLive, client: APIClient
) -> None:
    kill_at_call(live, route, moment)
    perish(lambda: post(client))
    finish(finisher, client)
    check_one_booking(live)
    assert post(client).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("finisher", ["sweeper", "caller"])
def test_a_death_at_a_line_leaves_one_booking(
    line: str, finisher: str, live: CalendarLive, client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(line, die)
        perish(lambda: post(client))
    finish(finisher, client)
    check_one_booking(live)
    assert post(client).status_code == 200


def finish(finisher: str, client: APIClient) -> None:
    if finisher == "sweeper":
        take_up()
        return
    BookingRequest.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert post(client).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("line", ["make_tentative", "follow", "plan_settling", "tell_postponed", "postpone"])
def test_a_death_while_it_is_postponed_leaves_one_booking(
    line: str, live: CalendarLive, client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert post(client, "before", start=iso(TEN + 4 * HALF), end=iso(TEN + 5 * HALF)).status_code == 201
    live.is_away = True
    with monkeypatch.context() as patched:
        patched.setattr(f"bookings.flows.crm_booking.{line}", die)
        perish(lambda: post(client))
    live.is_away = False
    take_up()
    let_time_pass(hours=1)
    run_effects()
    assert sorted(event["start"] for event in live.standing) == [iso(TEN), iso(TEN + 4 * HALF)]
    assert set(Meeting.objects.values_list("status", flat=True)) == {"confirmed"}
    assert Reservation.objects.count() == 2


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("route", [PATCH, DELETE])
def test_a_death_around_a_change_or_a_cancellation_finishes_it(
    route: str, moment: str, live: CalendarLive, client: APIClient
) -> None:
    address = f"/api/meetings/{post(client).json()['id']}/"
    kill_at_call(live, route, moment)
    changes = {"start": iso(TEN + HALF), "end": iso(TEN + 2 * HALF)}
    perish(lambda: client.patch(address, changes) if route == PATCH else client.delete(address))
    take_up()
    latest = client.get(address).json()
    if route == PATCH:
        assert (latest["start"], live.events[0]["start"]) == (iso(TEN + HALF), iso(TEN + HALF))
        assert list(Reservation.objects.values_list("start", flat=True)) == [TEN + HALF]
    else:
        assert (latest["status"], live.standing, Reservation.objects.count()) == ("cancelled", [], 0)


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_move_whose_process_died_goes_on_when_it_is_asked_for_again(
    moment: str, live: CalendarLive, client: APIClient
) -> None:
    meeting = post(client).json()
    address, wished = f"/api/meetings/{meeting['id']}/", {"start": iso(TEN + HALF), "end": iso(TEN + 2 * HALF)}
    kill_at_call(live, PATCH, moment)
    perish(lambda: client.patch(address, wished))
    let_lease_end()
    assert client.patch(address, wished).status_code == 200
    assert [event["start"] for event in live.events] == [wished["start"]]
    assert [iso(row.start) for row in Reservation.objects.all()] == [wished["start"]]


def test_a_death_before_the_slot_is_found_taken_leaves_nothing(live: CalendarLive, client: APIClient) -> None:
    kill_at_call(live, HOLD, "before")
    perish(lambda: post(client))
    live.book("trial", TEN)
    take_up()
    assert (Meeting.objects.count(), Reservation.objects.count(), len(live.standing)) == (0, 0, 1)
    response = post(client)
    assert (response.status_code, len(response.json()["alternatives"])) == (409, 3)


# --- At once ----------------------------------------------------------------------------------------------------------


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    barrier = Barrier(count)

    def run(number: int) -> Any:
        try:
            database.ensure_connection()
            barrier.wait(timeout=60)
            return act(number)
        finally:
            database.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.slow
def test_one_key_from_eight_threads_at_once_is_one_booking_and_one_answer(
    live: CalendarLive, client: APIClient
) -> None:
    user = User.objects.get()
    answers = at_once(8, lambda number: post(make_client(user)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.content for answer in answers}) == 1
    check_one_booking(live)


@pytest.mark.slow
def test_eight_callers_of_one_slot_at_once_are_one_booking_and_seven_refusals(
    live: CalendarLive, client: APIClient
) -> None:
    user = User.objects.get()
    answers = at_once(8, lambda number: post(make_client(user), f"key-{number}"))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert all(answer.json()["conflicts"] for answer in answers if answer.status_code == 409)
    assert (Meeting.objects.count(), Reservation.objects.count(), len(live.standing)) == (1, 1, 1)


@pytest.mark.slow
def test_a_request_that_is_worked_on_for_long_is_said_to_be(
    live: CalendarLive, client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bookings.booking_requests.WAIT_S", 0.1)
    kill_at_call(live, CREATE, "before")
    perish(lambda: post(client))
    response = post(client)
    assert (response.status_code, response.json()["code"], response["Retry-After"]) == (409, "in_progress", "5")
