"""A sales rep's record that is taken in while processes die, or by several at once: one booking, one record."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from bookings.flows.taking_in import take_in
from bookings.jobs import sweep_bookings
from bookings.models import BookingRequest, Meeting, MeetingLink, Reservation
from bookings.record_hints import TAKE_IN
from contacts.models import Contact
from integrations.connections import account_of
from integrations.effect_kinds import Task
from integrations.models import Connection, Effect
from integrations.pairs import make_pair
from tests.bookings.calendar_world import (
    CREATE,
    FREE_BUSY,
    HOLD,
    PATCH,
    TOKEN,
    CalendarLive,
    Hook,
    calendar_world,
    iso,
    workday,
)
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.playing import connect, let_time_pass, run_effects
from tests.bookings.reps import Rep
from tests.bookings.test_booking_crashes import at_once, die, perish
from tests.factories import make_connection

pytestmark = pytest.mark.slow
TEN = workday(0, 10)
HALF = timedelta(minutes=30)


@pytest.fixture
def live(transactional_db: None) -> Iterator[CalendarLive]:
    make_connection(options={"default_region": "FR", "access_token": TOKEN})
    with calendar_world() as world:
        yield world


@pytest.fixture
def rep(live: CalendarLive, monkeypatch: pytest.MonkeyPatch) -> Rep:
    crm = connect("hubspot")
    make_pair(Connection.objects.get(slug="calendar-live"), crm, "two_way")
    made = Rep(live, crm, {"77": "lea.martin@acme.example"})
    made.stub(monkeypatch)
    return made


def recover(rep: Rep) -> None:
    """The leases of what died run out, and others take it up."""
    ago = timezone.now() - timedelta(seconds=1)
    Effect.objects.filter(status="running").update(lease_expires_at=ago)
    BookingRequest.objects.filter(finished_at=None).update(lease_expires_at=ago)
    sweep_bookings()
    for _ in range(2):
        let_time_pass(hours=1)
        rep.settle()


def check_one_booking(rep: Rep, key: str) -> None:
    (event,) = rep.live.standing
    meeting = Meeting.objects.get()
    assert (meeting.external_id, meeting.status) == (event["id"], "confirmed")
    assert list(MeetingLink.objects.values_list("external_id", "meeting")) == [(key, meeting.pk)]
    assert list(rep.live.hubspot.meetings) == [key]
    assert rep.read(key)["calendar_event_uid"] == event["uid"]
    assert rep.time(key) == (event["start"], event["end"])
    assert list(Reservation.objects.values_list("meeting", "kind")) == [(meeting.pk, "meeting")]
    assert Contact.objects.count() == meeting.attendances.count() == len(rep.live.hubspot.contacts) == 1
    assert not BookingRequest.objects.filter(finished_at=None).exists()


LINES = [
    "bookings.flows.rep_booking.choose_calendar",
    "bookings.flows.rep_booking.add_of_record",
    "bookings.flows.rep_booking.meet",
    "bookings.flows.rep_booking.plan_settling",
    "bookings.flows.rep_booking.keep_place_now",
    "bookings.flows.booking_steps.reserve_here",
    "bookings.flows.booking_steps.confirm",
    "bookings.adoption.link_record",
    "bookings.adoption.look_again",
    "bookings.flows.booking_steps.follow",
    "bookings.sync.link_meetings",
]


@pytest.mark.parametrize("line", LINES)
def test_a_death_at_a_line_leaves_one_booking_and_one_record(
    line: str, rep: Rep, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = rep.make(TEN)
    with monkeypatch.context() as patched:
        patched.setattr(line, die)
        perish(run_effects)
    recover(rep)
    check_one_booking(rep, key)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("route", [FREE_BUSY, HOLD, CREATE])
def test_a_death_around_a_call_leaves_one_booking_and_one_record(route: str, moment: str, rep: Rep) -> None:
    key = rep.make(TEN)
    rep.live.hooks.append(Hook(route, **{moment: die}))
    perish(run_effects)
    recover(rep)
    check_one_booking(rep, key)


@pytest.mark.parametrize("line", ["make_change", "add_of_record", "plan_settling", "keep_place_now"])
def test_a_death_while_a_change_is_taken_in_loses_nothing(line: str, rep: Rep, monkeypatch: pytest.MonkeyPatch) -> None:
    key = rep.make(TEN)
    rep.settle()
    rep.move(key, TEN + HALF)
    with monkeypatch.context() as patched:
        patched.setattr(f"bookings.flows.rep_changes.{line}", die)
        perish(run_effects)
    recover(rep)
    check_one_booking(rep, key)
    assert rep.time(key)[0] == iso(TEN + HALF)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_death_around_the_change_itself_loses_nothing(moment: str, rep: Rep) -> None:
    key = rep.make(TEN)
    rep.settle()
    rep.move(key, TEN + HALF)
    rep.live.hooks.append(Hook(PATCH, **{moment: die}))
    perish(run_effects)
    recover(rep)
    check_one_booking(rep, key)
    assert rep.time(key)[0] == iso(TEN + HALF)


@pytest.mark.parametrize("line", ["plan_meeting", "tell_of_request"])
def test_a_death_while_a_refusal_is_written_down_tells_it_once(
    line: str, rep: Rep, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[object]
) -> None:
    key = rep.make(TEN)
    rep.settle()
    rep.live.tell(rep.live.book("quick-chat", TEN + HALF, "other@example.com"))
    run_effects()
    rep.move(key, TEN + HALF)
    with monkeypatch.context() as patched:
        patched.setattr(f"bookings.flows.rep_answers.{line}", die)
        perish(run_effects)
    recover(rep)
    assert (rep.time(key)[0], len(mailoutbox)) == (iso(TEN), 1)


# --- At once ----------------------------------------------------------------------------------------------------------


def look(rep: Rep, key: str) -> Callable[[int], object]:
    """What an effect does, as several of them at once: replays, and a drain that was taken over, may be so."""
    task = Task(
        effect_id=Effect.objects.get(kind=TAKE_IN).pk,
        key="",
        subject=f"record:{key}",
        parameters={},
        connection=rep.crm,
        account=account_of(rep.crm),
        is_repeat=False,
    )
    return lambda _: take_in([task])


def test_four_looks_at_a_new_record_at_once_are_one_booking(rep: Rep) -> None:
    key = rep.make(TEN)
    at_once(4, look(rep, key))
    assert BookingRequest.objects.count() == 1
    rep.settle()
    check_one_booking(rep, key)


def test_four_looks_at_a_moved_record_at_once_are_one_change(rep: Rep) -> None:
    key = rep.make(TEN)
    rep.settle()
    Effect.objects.filter(kind=TAKE_IN).exclude(pk=Effect.objects.filter(kind=TAKE_IN).latest("id").pk).delete()
    rep.live.hubspot.meetings[key].update(
        hs_meeting_start_time=iso(TEN + HALF), hs_meeting_end_time=iso(TEN + 2 * HALF)
    )
    at_once(4, look(rep, key))
    rep.settle()
    check_one_booking(rep, key)
    assert rep.time(key)[0] == iso(TEN + HALF)
    assert BookingRequest.objects.filter(kind="change", state="confirmed").count() == 1
