"""A sales rep's change crosses one of ours: no webhook has told of it yet when we would write over it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bookings.models import Conflict, Meeting
from bookings.sync import CROSSED, UPSERT
from bookings.untold_changes import LOOK_AFTER_S
from integrations.exceptions import SetupError
from integrations.models import Connection, Effect, FieldRule, Pair
from integrations.pairs import make_pair
from integrations.providers import get_provider
from tests.bookings.calendar_world import PATCH, TOKEN, CalendarLive, calendar_world, change_there, iso, workday
from tests.bookings.flows.conftest import _wait_for_nothing  # noqa: F401
from tests.bookings.flows.playing import connect, let_time_pass, run_effects
from tests.bookings.reps import Rep
from tests.factories import make_connection

pytestmark = pytest.mark.django_db
TEN = workday(0, 10)
HALF = timedelta(minutes=30)


@pytest.fixture
def live() -> Iterator[CalendarLive]:
    with calendar_world() as world:
        yield world


@pytest.fixture
def crm() -> Connection:
    calendar, crm = make_connection(options={"default_region": "FR", "access_token": TOKEN}), connect("hubspot")
    make_pair(calendar, crm, "two_way")
    return crm


@pytest.fixture
def rep(live: CalendarLive, crm: Connection, monkeypatch: pytest.MonkeyPatch) -> Rep:
    made = Rep(live, crm, {})
    made.stub(monkeypatch)
    return made


@pytest.fixture
def key(rep: Rep, live: CalendarLive) -> str:
    """The record of what a customer has booked."""
    live.tell(live.book("trial", TEN))
    rep.settle()
    (key,) = live.hubspot.meetings
    return key


@pytest.fixture
def reads(rep: Rep, key: str, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Which records were read in one go, of which fields."""
    found: list[list[str]] = []

    def note(self: Any, account: Any, ids: Any, *, fields: list[str]) -> Any:
        found.append(fields)
        return rep.fetch_meetings(account, ids, fields=fields)

    monkeypatch.setattr(type(get_provider("hubspot")), "fetch_meetings", note)
    return found


def slot(start: Any) -> tuple[str, str]:
    return iso(start), iso(start + HALF)


def the_start(live: CalendarLive) -> str:
    (event,) = live.events
    return str(event["start"])


def move_unheard(rep: Rep, key: str, start: Any) -> None:
    rep.read(key).update(zip(("hs_meeting_start_time", "hs_meeting_end_time"), slot(start), strict=True))


def move_at_calendar_live(live: CalendarLive, start: Any) -> None:
    change_there(live, start=start, end=start + HALF)
    live.tell_all()


def come_to_rest() -> None:
    run_effects()
    let_time_pass(seconds=LOOK_AFTER_S)
    run_effects()


def test_a_time_that_both_have_changed_is_a_persons_to_decide_though_no_webhook_told(
    rep: Rep, live: CalendarLive, key: str
) -> None:
    move_at_calendar_live(live, TEN + HALF)
    move_unheard(rep, key, TEN + 4 * HALF)
    come_to_rest()
    conflict = Conflict.objects.get()
    assert (conflict.field, conflict.ours, conflict.theirs) == (
        "time",
        "/".join(slot(TEN + HALF)),
        "/".join(slot(TEN + 4 * HALF)),
    )
    assert rep.time(key) == slot(TEN + 4 * HALF)
    assert CROSSED.reason in Effect.objects.filter(kind=UPSERT).values_list("close_reason", flat=True)


def test_what_nobody_has_changed_over_there_is_written_all_the_same(rep: Rep, live: CalendarLive, key: str) -> None:
    change_there(live, title="Another title", start=TEN + HALF, end=TEN + 2 * HALF)
    live.tell_all()
    rep.read(key)["hs_meeting_title"] = "The rep's title"
    run_effects("hubspot")
    assert (rep.time(key), rep.read(key)["hs_meeting_title"]) == (slot(TEN + HALF), "The rep's title")
    come_to_rest()
    rep.settle()
    (event,) = live.events
    assert (event["title"], Meeting.objects.get().title) == ("The rep's title", "The rep's title")


def test_nothing_is_read_where_the_crm_may_not_write(
    rep: Rep, live: CalendarLive, key: str, reads: list[list[str]]
) -> None:
    Pair.objects.update(pattern="in")
    move_unheard(rep, key, TEN + 4 * HALF)
    move_at_calendar_live(live, TEN + HALF)
    come_to_rest()
    assert (rep.time(key), reads) == (slot(TEN + HALF), [])


def test_a_record_that_holds_what_was_agreed_on_is_read_once_and_written(
    rep: Rep, live: CalendarLive, key: str, reads: list[list[str]]
) -> None:
    move_at_calendar_live(live, TEN + HALF)
    come_to_rest()
    assert rep.time(key) == slot(TEN + HALF)
    assert reads == [["hs_meeting_end_time", "hs_meeting_start_time"]]


def test_a_change_to_what_we_bring_anyway_is_none(rep: Rep, live: CalendarLive, key: str) -> None:
    move_at_calendar_live(live, TEN + HALF)
    move_unheard(rep, key, TEN + HALF)
    come_to_rest()
    rep.settle()
    assert (Conflict.objects.count(), live.count(PATCH), the_start(live)) == (0, 0, iso(TEN + HALF))


def test_a_time_that_nobody_can_keep_is_written_over_by_the_next_one(rep: Rep, live: CalendarLive, key: str) -> None:
    """It was looked at when the CRM told of it, and left there."""
    rep.change(key, hs_meeting_end_time="never")
    come_to_rest()
    assert rep.read(key)["hs_meeting_end_time"] == "never"
    move_at_calendar_live(live, TEN + HALF)
    come_to_rest()
    assert rep.time(key) == slot(TEN + HALF)


def test_what_the_crm_says_again_and_again_is_put_right_as_often_as_ours_is_another(
    rep: Rep, live: CalendarLive, key: str
) -> None:
    FieldRule.objects.create(
        pair=Pair.objects.get(), record="meeting", field="time", owner="calendar", mode="overwrite", policy="owner_wins"
    )
    for number in (1, 2, 3):
        move_unheard(rep, key, TEN + 4 * HALF)
        move_at_calendar_live(live, TEN + number * HALF)
        come_to_rest()
        assert rep.time(key) == slot(TEN + number * HALF)
    assert live.count(PATCH) == 0


def test_a_record_that_is_gone_is_made_anew(rep: Rep, live: CalendarLive, key: str) -> None:
    del live.hubspot.meetings[key]
    move_at_calendar_live(live, TEN + HALF)
    come_to_rest()
    (record,) = live.hubspot.meetings.values()
    assert record["hs_meeting_start_time"] == iso(TEN + HALF)


def test_a_connection_that_may_not_read_writes_as_it_always_did(
    rep: Rep, live: CalendarLive, key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise SetupError("HubSpot does not allow this (403)")

    monkeypatch.setattr(type(get_provider("hubspot")), "fetch_meetings", refuse)
    move_at_calendar_live(live, TEN + HALF)
    come_to_rest()
    assert rep.time(key) == slot(TEN + HALF)
    assert "records not read before they are written" in caplog.text


def test_of_a_try_whose_answer_was_lost_nobody_is_asked(rep: Rep, live: CalendarLive, key: str) -> None:
    """What stands there may be ours."""
    move_at_calendar_live(live, TEN + HALF)
    move_unheard(rep, key, TEN + HALF)
    Effect.objects.filter(kind=UPSERT, status="pending").update(status="retrying", attempts=1)
    move_at_calendar_live(live, TEN + 2 * HALF)
    come_to_rest()
    assert (rep.time(key), Conflict.objects.count()) == (slot(TEN + 2 * HALF), 0)
