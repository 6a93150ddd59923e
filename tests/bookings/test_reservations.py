"""Reserved time: nothing that is booked through Keepsync overlaps, whatever races; calendar.live's word is followed."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import combinations, permutations
from threading import Barrier, Event
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.db import transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from bookings import conflicts
from bookings.booking_requests import add
from bookings.conflicts import dismiss, open_double_booking
from bookings.exceptions import TakenError
from bookings.jobs import extend_reservations, sweep_bookings
from bookings.models import BookingRequest, Calendar, Conflict, Meeting, Reservation
from bookings.reservations import apply_buffers, release, reserve
from bookings.spans import find_nearest
from integrations.models import Connection, Effect
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.fakes import outside_world
from tests.bookings.flows.playing import connect, let_time_pass, person, run_effects
from tests.factories import make_connection, make_payload, receive
from tests.processes.waiting import wait_for

pytestmark = pytest.mark.django_db
NOON = datetime(2027, 1, 4, 12, tzinfo=UTC)
HALF, HOUR = timedelta(minutes=30), timedelta(hours=1)


@pytest.fixture
def calendar(calendar_live: Connection) -> Calendar:
    return make_calendar(calendar_live)


def make_calendar(connection: Connection) -> Calendar:
    return Calendar.objects.create(
        connection=connection,
        external_id="cal_emea_sales",
        name="EMEA sales",
        timezone="Europe/Paris",
        seen_at=NOON - timedelta(days=900),
    )


def ask(calendar: Calendar) -> BookingRequest:
    return add(BookingRequest(kind="create", connection=calendar.connection, calendar=calendar))


def hold(calendar: Calendar, start: datetime, length: timedelta = HALF, *, lasts_s: int = 300) -> BookingRequest:
    request = ask(calendar)
    with transaction.atomic():
        reserve(request, [(start, start + length)], expires_at=timezone.now() + timedelta(seconds=lasts_s))
    return request


def tell(number: int, start: datetime, length: timedelta = HALF, version: int = 1, **event: Any) -> Meeting:
    """calendar.live has this event."""
    times = {"start": start.isoformat(), "end": (start + length).isoformat()}
    given = {"id": f"ev_{number}", "uid": f"uid_{number}", "attendees": [person(f"p{number}")], "answers": []}
    fields = {**times, "version": version, **given, **event}
    payload = make_payload(f"dlv_{number}_{version}", "event.updated", **fields)
    delivery = receive(payload)
    assert (delivery.status, delivery.error) == ("processed", "")
    return Meeting.objects.get(external_id=f"ev_{number}")


def spans(meeting: Meeting) -> list[datetime]:
    return sorted(meeting.reservations.values_list("start", flat=True))


# --- What is booked here ----------------------------------------------------------------------------------------------


def test_what_overlaps_is_refused_with_what_is_in_the_way(calendar: Calendar) -> None:
    hold(calendar, NOON)
    with pytest.raises(TakenError) as refusal:
        hold(calendar, NOON + HALF / 2)
    assert refusal.value.conflicts == [(NOON, NOON + HALF)]
    hold(calendar, NOON + HALF)
    assert Reservation.objects.count() == 2


def test_an_expired_hold_gives_way_at_once(calendar: Calendar) -> None:
    hold(calendar, NOON, lasts_s=-1)
    hold(calendar, NOON)
    assert Reservation.objects.count() == 1


def test_the_sweeper_releases_what_has_expired(calendar: Calendar) -> None:
    hold(calendar, NOON, lasts_s=-1)
    hold(calendar, NOON + HOUR)
    sweep_bookings()
    assert list(Reservation.objects.values_list("start", flat=True)) == [NOON + HOUR]


def test_buffers_are_kept_between_what_is_booked(calendar: Calendar) -> None:
    calendar.buffer_before_min, calendar.buffer_after_min = 5, 10
    hold(calendar, NOON)
    with pytest.raises(TakenError) as refusal:
        hold(calendar, NOON + HALF + timedelta(minutes=14))
    assert refusal.value.conflicts == [(NOON, NOON + HALF)]
    hold(calendar, NOON + HALF + timedelta(minutes=15))


def test_two_calendars_know_nothing_of_each_other(calendar: Calendar, calendar_live: Connection) -> None:
    other = Calendar.objects.create(connection=calendar_live, external_id="cal_2", timezone="UTC", seen_at=NOON)
    hold(calendar, NOON)
    hold(other, NOON)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_of_sixty_four_at_once_for_five_slots_exactly_five_are_served() -> None:
    calendar, tries = make_calendar(make_connection()), 64
    requests = [ask(calendar) for _ in range(tries)]
    barrier = Barrier(tries)

    def book(number: int) -> bool:
        try:
            database.ensure_connection()
            barrier.wait(timeout=60)
            start = NOON + HALF * (number % 5) + timedelta(minutes=number % 3)
            with transaction.atomic():
                reserve(requests[number], [(start, start + HALF - timedelta(minutes=2))], expires_at=None)
            return True
        except TakenError:
            return False
        finally:
            database.close()

    with ThreadPoolExecutor(tries) as pool:
        served = sum(pool.map(book, range(tries)))
    assert served == Reservation.objects.count() == 5


WHAT = st.sampled_from(["hold", "expired", "release", "inbound", "cancel"])
STEPS = st.lists(st.tuples(WHAT, st.integers(0, 9), st.integers(1, 4)), min_size=6, max_size=14)


@pytest.mark.slow
@settings(max_examples=15, derandomize=True, deadline=None)
@given(STEPS)
def test_no_two_exclusive_ones_overlap_whatever_happens(steps: list[tuple[str, int, int]]) -> None:
    with transaction.atomic():
        live_through(steps)
        transaction.set_rollback(True)


def live_through(steps: list[tuple[str, int, int]]) -> None:
    calendar = make_calendar(make_connection())
    held: list[BookingRequest] = []
    for version, (step, place, length) in enumerate(steps, 1):
        start, lasts = NOON + place * HALF, length * HALF
        match step:
            case "hold" | "expired":
                try:
                    held.append(hold(calendar, start, lasts, lasts_s=300 if step == "hold" else -1))
                except TakenError:
                    assert overlaps_anything(start, start + lasts)
            case "release" if held:
                release(held.pop())
            case "inbound" | "cancel":
                tell(place % 3, start, lasts, version=version, status="cancelled" if step == "cancel" else "confirmed")
        check_laws()


def overlaps_anything(start: datetime, end: datetime) -> bool:
    return Reservation.objects.filter(start__lt=end, end__gt=start).exists()


def check_laws() -> None:
    """Exclusive ones are apart; each meeting that stands has its time; one that gave way meets an exclusive one."""
    rows = list(Reservation.objects.all())
    for one, other in combinations([row for row in rows if row.is_exclusive], 2):
        assert one.end <= other.start or other.end <= one.start
    standing = Meeting.objects.exclude(status="cancelled")
    assert {row.meeting_id for row in rows if row.meeting_id} == {meeting.pk for meeting in standing}
    for row in rows:
        if not row.is_exclusive:
            assert any(each.is_exclusive and each.start < row.end and each.end > row.start for each in rows)


# --- What calendar.live says ------------------------------------------------------------------------------------------


def test_a_meeting_of_calendar_lives_takes_its_time_in_one_statement(calendar: Calendar) -> None:
    with CaptureQueriesContext(database) as queries:
        tell(1, NOON)
    assert count(queries, "bookings_reservation") == 1
    assert count(queries, "bookings_conflict") == 0
    assert count(queries, "bookings_bookingrequest") == 0


def test_a_change_that_moves_nothing_takes_none(calendar: Calendar) -> None:
    tell(1, NOON)
    with CaptureQueriesContext(database) as queries:
        tell(1, NOON, version=2, title="Renamed")
    assert count(queries, "bookings_reservation") == count(queries, "bookings_conflict") == 0


def count(queries: CaptureQueriesContext, table: str) -> int:
    return sum(f'"{table}"' in each["sql"] or f" {table} " in each["sql"] for each in queries.captured_queries)


def test_a_moved_meeting_frees_its_time_and_a_cancelled_one_all(calendar: Calendar) -> None:
    meeting = tell(1, NOON)
    tell(1, NOON + HOUR, version=2)
    assert spans(meeting) == [NOON + HOUR]
    hold(calendar, NOON)
    tell(1, NOON + HOUR, version=3, status="cancelled")
    assert spans(meeting) == []
    hold(calendar, NOON + HOUR)


def test_an_event_in_the_place_of_a_hold_is_stored_and_becomes_exclusive_once_the_hold_is_gone(
    calendar: Calendar,
) -> None:
    request = hold(calendar, NOON)
    meeting = tell(1, NOON)
    assert not meeting.reservations.get().is_exclusive
    assert not Conflict.objects.exists()
    with transaction.atomic():
        release(request)
    assert meeting.reservations.get().is_exclusive


def test_an_expired_hold_is_no_reason_to_give_way(calendar: Calendar) -> None:
    hold(calendar, NOON, lasts_s=-1)
    assert tell(1, NOON).reservations.get().is_exclusive


# --- Series -----------------------------------------------------------------------------------------------------------

WEEKLY: dict[str, Any] = {"recurrence": {"rrule": "FREQ=WEEKLY"}, "timezone": "Europe/Paris"}


def test_all_occurrences_of_a_year_are_reserved_by_the_wall_clock(calendar: Calendar) -> None:
    meeting = tell(1, NOON, **WEEKLY)
    starts = spans(meeting)
    assert len(starts) == 53
    assert {start.hour for start in starts} == {11, 12}
    with pytest.raises(TakenError):
        hold(calendar, starts[30])


def test_left_out_and_changed_occurrences_are_free(calendar: Calendar) -> None:
    week = timedelta(days=7)
    series = tell(1, NOON, **WEEKLY)
    tell(1, NOON, version=2, **{**WEEKLY, "recurrence": {"rrule": "FREQ=WEEKLY", "exdates": [iso(NOON + week)]}})
    assert NOON + week not in spans(series)
    change: dict[str, Any] = {"uid": "uid_1", "recurring_event_id": "ev_1", "original_start": iso(NOON + 2 * week)}
    moved = tell(2, NOON + 2 * week + HOUR, **change)
    assert NOON + 2 * week not in spans(series)
    assert spans(moved) == [NOON + 2 * week + HOUR]
    tell(1, NOON, version=3, **WEEKLY)
    assert NOON + week in spans(series)
    assert NOON + 2 * week not in spans(series)
    tell(1, NOON, version=4, status="cancelled", **WEEKLY)
    assert not Reservation.objects.exists()


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_the_horizon_moves_on_each_day(calendar: Calendar) -> None:
    meeting = tell(1, NOON, **WEEKLY)
    Reservation.objects.filter(start__gt=NOON + timedelta(days=200)).delete()
    extend_reservations()
    assert len(spans(meeting)) == 53
    extend_reservations()
    assert len(spans(meeting)) == 53


def test_meetings_of_the_time_before_reservations_get_theirs(calendar: Calendar) -> None:
    meeting = tell(1, NOON)
    Reservation.objects.all().delete()
    extend_reservations()
    assert spans(meeting) == [NOON]


# --- Double bookings --------------------------------------------------------------------------------------------------


def test_a_double_booking_is_stored_flagged_and_told_once(calendar: Calendar) -> None:
    connect("slack")
    first, second = tell(1, NOON), tell(2, NOON + HALF / 2)
    assert [meeting.reservations.get().is_exclusive for meeting in (first, second)] == [True, False]
    conflict = Conflict.objects.get()
    assert (conflict.kind, conflict.status, conflict.meeting, conflict.other_meeting) == (
        "double_booking", "open", second, first,
    )  # fmt: skip
    assert conflict.details == {"at": iso(NOON + HALF / 2)}
    tell(2, NOON + HALF / 2, version=2, title="Renamed")
    effect = Effect.objects.get(kind="slack.conflict")
    assert effect.repeats == 0


@pytest.mark.parametrize("stands", [True, False])
def test_slack_hears_of_it_after_a_moment_if_it_still_stands(stands: bool, calendar: Calendar) -> None:
    connect("slack")
    tell(1, NOON)
    tell(2, NOON)
    if not stands:
        tell(1, NOON, version=2, status="cancelled")
    with outside_world() as world:
        run_effects("slack")
        assert world.slack.texts == []
        let_time_pass(seconds=20)
        run_effects("slack")
        assert [text.split(" on ")[0] for text in world.slack.texts] == (["*Double booking*"] if stands else [])


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize("how", ["moved", "cancelled"])
def test_it_settles_by_itself_once_the_overlap_is_gone(which: int, how: str, calendar: Calendar) -> None:
    meetings = tell(1, NOON), tell(2, NOON)
    tell(which, NOON + (HOUR if how == "moved" else HALF * 0), version=2, status="confirmed" if how == "moved" else how)
    conflict = Conflict.objects.get()
    assert (conflict.status, conflict.settled_by) == ("settled", None)
    assert conflict.settled_at
    assert all(row.is_exclusive for row in Reservation.objects.all())
    assert Reservation.objects.count() == (2 if how == "moved" else 1)
    assert {meeting.pk for meeting in meetings} >= set(Reservation.objects.values_list("meeting", flat=True))


def test_of_three_at_once_the_other_two_stay_in_conflict_when_the_first_goes(calendar: Calendar) -> None:
    _, second, third = (tell(number, NOON) for number in (1, 2, 3))
    assert Conflict.objects.filter(status="open").count() == 2
    tell(1, NOON, version=2, status="cancelled")
    conflict = Conflict.objects.get(status="open")
    assert (conflict.meeting, conflict.other_meeting) == (third, second)


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
def test_which_of_three_are_in_conflict_does_not_depend_on_who_is_told_first(
    order: tuple[int, ...], calendar: Calendar
) -> None:
    """The third one was booked first, and reaches over both; of those booked in one second the id decides."""
    booked = {1: "2026-11-20T09:00:01Z", 2: "2026-11-20T09:00:01Z", 3: "2026-11-20T09:00:00Z"}
    lengths = {1: HALF, 2: HALF, 3: HOUR}
    for number in order:
        tell(number, NOON + (HALF / 2 if number == 2 else timedelta()), lengths[number], created_at=booked[number])
    found = Conflict.objects.values_list("meeting__external_id", "other_meeting__external_id", "status")
    assert sorted(found) == [("ev_1", "ev_3", "open"), ("ev_2", "ev_3", "open")]


def test_two_that_a_person_has_left_alone_stay_so_when_a_third_one_comes(calendar: Calendar) -> None:
    tell(1, NOON)
    tell(2, NOON)
    dismiss(Conflict.objects.get(), User.objects.create(username="operator"))
    tell(3, NOON)
    assert Conflict.objects.get(status="open", meeting__external_id="ev_3")
    tell(1, NOON + HALF / 2, version=2)
    assert Conflict.objects.filter(status="open").count() == 2


def test_occurrences_that_come_into_sight_are_in_conflict_with_what_is_there(calendar: Calendar) -> None:
    weekly = {"rrule": "FREQ=WEEKLY", "exdates": []}
    series = tell(1, NOON, recurrence=weekly)
    single = tell(2, NOON + timedelta(weeks=51))
    Reservation.objects.filter(meeting=series, start__gt=NOON + timedelta(weeks=40)).delete()
    Conflict.objects.all().delete()
    extend_reservations()
    conflict = Conflict.objects.get()
    assert (conflict.meeting, conflict.other_meeting) == (single, series)


def test_back_to_back_meetings_inside_each_others_buffers_are_no_conflict(calendar: Calendar) -> None:
    Calendar.objects.update(buffer_after_min=15)
    tell(1, NOON)
    second = tell(2, NOON + HALF)
    assert not Conflict.objects.exists()
    assert not second.reservations.get().is_exclusive


def test_buffers_that_change_are_applied_to_what_is_to_come(calendar: Calendar) -> None:
    tell(1, NOON)
    tell(2, NOON + HALF)
    calendar.buffer_after_min = 15
    apply_buffers(calendar)
    assert sorted(Reservation.objects.values_list("is_exclusive", flat=True)) == [False, True]
    calendar.buffer_after_min = 0
    apply_buffers(calendar)
    assert all(Reservation.objects.values_list("is_exclusive", flat=True))


def test_a_meeting_without_length_takes_no_time(calendar: Calendar) -> None:
    tell(1, NOON, timedelta())
    tell(2, NOON - HALF, HOUR)
    assert not Conflict.objects.exists()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_webhooks_of_one_slot_at_once_leave_one_exclusive_and_flag_all_others() -> None:
    make_calendar(make_connection())
    numbers = range(6)
    barrier = Barrier(len(numbers))

    def arrive(number: int) -> None:
        try:
            barrier.wait(timeout=60)
            tell(number, NOON)
        finally:
            database.close()

    with ThreadPoolExecutor(len(numbers)) as pool:
        list(pool.map(arrive, numbers))
    assert sum(Reservation.objects.values_list("is_exclusive", flat=True)) == 1
    assert Conflict.objects.filter(status="open").count() == len(numbers) - 1


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_meeting_that_goes_while_its_conflict_is_being_opened_leaves_none_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_calendar(make_connection())
    tell(1, NOON)
    opened, is_gone = Event(), Event()

    def open_and_linger(*arguments: Any) -> None:
        """Until the other one waits for this transaction, or is through without having waited."""
        open_double_booking(*arguments)
        opened.set()
        wait_for(lambda: is_gone.is_set() or is_somebody_waiting(), what="the other webhook has come")

    def arrive() -> None:
        try:
            tell(2, NOON)
        finally:
            database.close()

    monkeypatch.setattr(conflicts, "open_double_booking", open_and_linger)
    with ThreadPoolExecutor(1) as pool:
        arriving = pool.submit(arrive)
        assert opened.wait(timeout=60)
        tell(1, NOON, version=2, status="cancelled")
        is_gone.set()
        arriving.result()
    assert Conflict.objects.get().status == "settled"


def is_somebody_waiting() -> bool:
    with database.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        [found] = cursor.fetchone()
    return bool(found)


# --- Slots near a wished one ------------------------------------------------------------------------------------------

minutes = st.integers(0, 180).map(lambda number: NOON + timedelta(minutes=number))
intervals = st.lists(st.tuples(minutes, minutes), max_size=6)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(intervals, minutes, st.integers(1, 90))
def test_nearest_slots_are_free_apart_as_long_as_wished_and_none_is_nearer(
    free: list[tuple[datetime, datetime]], wished: datetime, length: int
) -> None:
    lasts = timedelta(minutes=length)
    found = find_nearest(free, (wished, wished + lasts), 3)
    minute = {moment for start, end in free for moment in each_minute(start, end)}
    assert all(end - start == lasts and set(each_minute(start, end)) <= minute for start, end in found)
    assert len({moment for slot in found for moment in each_minute(*slot)}) == length * len(found)
    distances = [abs(start - wished) for start, _ in found]
    assert distances == sorted(distances)
    possible = [moment for moment in minute if set(each_minute(moment, moment + lasts)) <= minute]
    assert bool(found) == bool(possible)
    if found:
        assert distances[0] == min(abs(moment - wished) for moment in possible)


def each_minute(start: datetime, end: datetime) -> Iterator[datetime]:
    while start < end:
        yield start
        start += timedelta(minutes=1)
