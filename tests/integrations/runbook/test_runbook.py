"""When a task of the runbook comes due, when it is overdue, and what a sign-off keeps."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.contrib.auth.models import User
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from integrations import jobs
from integrations.exceptions import StateError
from integrations.models import RunbookTask, SignOff
from integrations.operations import runbook
from integrations.operations.runbook import Part, Rhythm, Standing, ensure_rows, find_due, find_state, sign_off
from tests.integrations.runbook.support import declared

PARIS = ZoneInfo("Europe/Paris")
# A Wednesday.
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# --- Due times --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rhythm", "after", "due"),
    [
        (Rhythm.DAILY, "2026-11-25T07:59", "2026-11-25T08:00"),
        (Rhythm.DAILY, "2026-11-25T08:00", "2026-11-26T08:00"),
        (Rhythm.DAILY, "2026-12-31T12:00", "2027-01-01T08:00"),
        # By the clock of Paris it is the next day already.
        (Rhythm.DAILY, "2026-11-25T23:30", "2026-11-26T08:00"),
        (Rhythm.WEEKLY, "2026-11-25T12:00", "2026-11-30T08:00"),
        (Rhythm.WEEKLY, "2026-11-30T07:00", "2026-11-30T08:00"),
        (Rhythm.WEEKLY, "2026-12-28T12:00", "2027-01-04T08:00"),
        (Rhythm.MONTHLY, "2026-11-25T12:00", "2026-12-01T08:00"),
        (Rhythm.MONTHLY, "2027-01-31T12:00", "2027-02-01T08:00"),
        (Rhythm.MONTHLY, "2027-02-01T08:00", "2027-03-01T08:00"),
        (Rhythm.MONTHLY, "2026-12-31T23:30", "2027-01-01T08:00"),
        (Rhythm.QUARTERLY, "2026-11-25T12:00", "2027-01-01T08:00"),
        (Rhythm.QUARTERLY, "2027-01-01T08:00", "2027-04-01T07:00"),
        # Summer time begins on March 28 in 2027, and ends on October 31.
        (Rhythm.DAILY, "2027-03-27T12:00", "2027-03-28T07:00"),
        (Rhythm.DAILY, "2027-10-30T12:00", "2027-10-31T08:00"),
        (Rhythm.WEEKLY, "2027-03-22T12:00", "2027-03-29T07:00"),
        (Rhythm.WEEKLY, "2027-10-25T12:00", "2027-11-01T08:00"),
    ],
)
def test_tasks_come_due_at_nine_by_the_operators_clock(rhythm: Rhythm, after: str, due: str) -> None:
    assert find_due(rhythm, at(after), PARIS) == at(due)


@trying(max_examples=40)
@given(
    after=st.integers(0, 20 * 366).map(lambda days: at("2020-01-01T00:00") + days * timedelta(hours=23, minutes=59)),
    rhythm=st.sampled_from(Rhythm),
    zone=st.sampled_from(["UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
)
def test_a_due_time_is_the_first_nine_oclock_of_a_period_that_lies_ahead(
    after: datetime, rhythm: Rhythm, zone: str
) -> None:
    due = find_due(rhythm, after, ZoneInfo(zone))
    local = due.astimezone(ZoneInfo(zone))
    assert after < due
    assert (local.hour, local.minute) == (9, 0)
    assert runbook.begin_of(rhythm, local.date()) == local.date()
    assert find_due(rhythm, due - timedelta(seconds=1), ZoneInfo(zone)) == due


# --- How a task stands ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rhythm", "due_in", "grace"),
    [
        (Rhythm.DAILY, timedelta(hours=21), timedelta(hours=8)),
        (Rhythm.WEEKLY, timedelta(days=4, hours=21), timedelta(days=2)),
        (Rhythm.MONTHLY, timedelta(days=5, hours=21), timedelta(days=7)),
        (Rhythm.QUARTERLY, timedelta(days=36, hours=21), timedelta(days=14)),
    ],
)
def test_a_new_task_comes_due_at_its_next_time_and_is_overdue_after_its_grace(
    rhythm: Rhythm, due_in: timedelta, grace: timedelta, db: None
) -> None:
    with declared(rhythm) as task:
        ensure_rows(NOW)
        for moment, standing in [
            (NOW, Standing.COMING),
            (NOW + due_in - timedelta(seconds=1), Standing.COMING),
            (NOW + due_in, Standing.DUE),
            (NOW + due_in + grace - timedelta(seconds=1), Standing.DUE),
            (NOW + due_in + grace, Standing.OVERDUE),
        ]:
            state = find_state(task, moment)
            assert (state.standing, state.due_at) == (standing, NOW + due_in)


def test_the_schedule_lets_tasks_begin_and_never_begins_them_anew(db: None) -> None:
    with declared(), time_machine.travel(NOW, tick=False) as clock:
        jobs.check_launch()
        clock.shift(DAY)
        jobs.check_launch()
        assert RunbookTask.objects.get().since == NOW


def test_the_operators_zone_is_a_setting(db: None, settings: Any) -> None:
    settings.OPERATORS_TIME_ZONE = "America/New_York"
    with declared() as task:
        ensure_rows(NOW)
        assert find_state(task, NOW).due_at == at("2026-11-25T14:00")


def test_what_waits_longest_stands_first(db: None) -> None:
    ensure_rows(NOW)
    due = [state.due_at for state in runbook.look(NOW)]
    assert due == sorted(due)
    assert len(due) == len(runbook.list_tasks())


def test_the_runbook_has_the_tasks_of_each_rhythm() -> None:
    names: dict[Rhythm, set[str]] = {}
    for task in runbook.list_tasks():
        names.setdefault(task.rhythm, set()).add(task.name)
    assert names == {
        Rhythm.DAILY: {"failures", "dead_letters", "lag"},
        Rhythm.WEEKLY: {"reconciliation", "duplicates"},
        Rhythm.MONTHLY: {"secrets", "access", "residency"},
        Rhythm.QUARTERLY: {"unused_connections", "unused_fields"},
    }


# --- Sign-offs --------------------------------------------------------------------------------------------------------


def test_a_sign_off_keeps_the_report_as_it_was_and_the_task_comes_due_again(admin_user: User) -> None:
    figures = ["1"]
    with (
        declared(report=lambda now: [Part("Figures", ["What"], [list(figures)], [("All", "/admin/")])]) as task,
        time_machine.travel(NOW, tick=False) as clock,
    ):
        ensure_rows(NOW)
        clock.shift(DAY)
        kept = sign_off(task, admin_user, "All is well.")
        figures[0] = "2"
        kept.refresh_from_db()
        assert [(part.title, part.rows) for part in runbook.read_report(kept)] == [("Figures", [["1"]])]
        assert (kept.signed_by, kept.note, kept.due_at) == (admin_user, "All is well.", at("2026-11-26T09:00"))
        assert find_state(task, timezone.now()).due_at == at("2026-11-27T09:00")


def test_one_sign_off_covers_the_times_that_were_missed(admin_user: User) -> None:
    with declared() as task, time_machine.travel(NOW, tick=False) as clock:
        ensure_rows(NOW)
        clock.shift(5 * DAY)
        assert find_state(task, timezone.now()).standing == Standing.OVERDUE
        sign_off(task, admin_user, "")
        state = find_state(task, timezone.now())
        assert (state.standing, state.due_at) == (Standing.COMING, at("2026-12-01T09:00"))


def test_a_task_that_is_not_due_is_not_signed_off(admin_user: User) -> None:
    with declared() as task, time_machine.travel(NOW, tick=False):
        ensure_rows(NOW)
        with pytest.raises(StateError, match="It is not due"):
            sign_off(task, admin_user, "")


def test_of_two_who_sign_off_at_once_one_is_told(admin_user: User) -> None:
    with time_machine.travel(NOW, tick=False) as clock:

        def be_outrun(now: datetime) -> list[Part]:
            SignOff.objects.create(task_id="made_up", due_at=at("2026-11-26T09:00"), signed_at=now)
            return []

        with declared(report=be_outrun) as task:
            ensure_rows(NOW)
            clock.shift(DAY)
            with pytest.raises(StateError, match="Somebody else has signed it off"):
                sign_off(task, admin_user, "")
    assert SignOff.objects.count() == 1


def test_what_was_done_stays_when_its_user_goes(admin_user: User) -> None:
    with declared() as task, time_machine.travel(NOW, tick=False) as clock:
        ensure_rows(NOW)
        clock.shift(DAY)
        sign_off(task, admin_user, "All is well.")
    admin_user.delete()
    assert SignOff.objects.get().note == "All is well."


def test_how_all_tasks_stand_takes_one_query(db: None, django_assert_num_queries: Any) -> None:
    ensure_rows(NOW)
    with django_assert_num_queries(1):
        runbook.look(NOW)
