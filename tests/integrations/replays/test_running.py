"""Working on replay plans: the rate, outcomes, processes that die or meet, and the receipt."""

from datetime import UTC, datetime, timedelta
from threading import Event, Thread
from typing import Any

import pytest
import time_machine
from django.db import connections, transaction
from django_q.models import OrmQ

from integrations import jobs
from integrations.deliveries import process
from integrations.jobs import continue_replay, move_replay, sweep_replays, work_on_replay
from integrations.models import Connection, Delivery, Effect, ReplayPlan
from integrations.replays import plans, running
from tests.integrations.admin.support import make_effect
from tests.integrations.replays.support import (
    finish,
    make_dead,
    make_dead_effects,
    outcomes,
    plan_deliveries,
    plan_effects,
    start,
    states,
    work,
    work_on,
)

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def jobs_of(name: str) -> list[tuple[Any, ...]]:
    return [row.task["args"] for row in OrmQ.objects.order_by("id") if row.task["func"].endswith(name)]


# --- The rate ---------------------------------------------------------------------------------------------------------


def test_no_second_replays_more_than_the_rate_allows(calendar_live: Connection) -> None:
    make_dead(calendar_live, 7)
    with time_machine.travel(NOON, tick=False) as clock:
        plan = start(plan_deliveries(per_second=3))
        replayed = []
        for _ in range(4):
            work(plan)
            work(plan)
            replayed.append(plan.replayed)
            clock.shift(timedelta(seconds=1))

    assert replayed == [3, 6, 7, 7]


def test_each_slice_says_when_the_next_one_is_due(calendar_live: Connection) -> None:
    make_dead(calendar_live, 3)
    with time_machine.travel(NOON, tick=False) as clock:
        plan = start(plan_deliveries(per_second=2))
        assert work(plan) == 1.0
        clock.shift(timedelta(seconds=0.9))
        assert work(plan) is None
        clock.shift(timedelta(seconds=0.1))
        assert work(plan) == running.SETTLE_S


def test_what_is_skipped_uses_nothing_of_the_rate_up(calendar_live: Connection) -> None:
    make_dead(calendar_live, 4)
    with time_machine.travel(NOON, tick=False):
        plan = start(plan_deliveries(per_second=1))
        Delivery.objects.update(status="processed")
        for _ in range(4):
            work(plan)

    assert (plan.status, plan.skipped) == ("done", 4)


# --- Outcomes ---------------------------------------------------------------------------------------------------------


def test_every_item_has_its_outcome_and_the_receipt_adds_them_up(calendar_live: Connection) -> None:
    rows = make_dead(calendar_live, 6)
    with time_machine.travel(NOON, tick=False):
        plan = start(plan_deliveries())
        Delivery.objects.filter(pk=rows[0].pk).update(status="processed")
        work(plan)
    for row, status in zip(rows[1:5], ("processed", "stale", "dead", "discarded"), strict=True):
        Delivery.objects.filter(pk=row.pk).update(status=status)
    rows[5].delete()
    with time_machine.travel(NOON + timedelta(seconds=90), tick=False):
        work(plan)

    assert outcomes(plan) == [
        ("skipped", "done"), ("succeeded", ""), ("succeeded", ""), ("dead", ""), ("skipped", "closed"),
        ("skipped", "gone"),
    ]  # fmt: skip
    assert (plan.status, plan.finished_at) == ("done", NOON + timedelta(seconds=90))
    assert plan.receipt == {
        "total": 6, "replayed": 3, "succeeded": 2, "dead": 1, "skipped": 3, "lasted_s": 90,
        "by_reason": {"done": 1, "closed": 1, "gone": 1}, "by_cause": {"payload": 1},
    }  # fmt: skip


def test_deliveries_are_worked_on_and_their_failures_are_dead_again(calendar_live: Connection) -> None:
    good, bad = make_dead(calendar_live, 2)
    Delivery.objects.filter(pk=bad.pk).update(body=b"no json")
    plan = start(plan_deliveries())
    work(plan)
    for (key,) in jobs_of("process_delivery"):
        process(key)
    finish(plan)

    assert outcomes(plan) == [("succeeded", ""), ("dead", "")]
    assert plan.receipt["by_cause"] == {"payload": 1}
    assert Delivery.objects.get(pk=good.pk).attempts == 1


def test_a_plan_goes_on_until_its_last_retry_is_over(calendar_live: Connection) -> None:
    make_dead(calendar_live, 1)
    plan = work_on(start(plan_deliveries()))
    Delivery.objects.update(status="retrying")
    finish(plan)
    assert (plan.status, plan.finished_at, states(plan)) == ("running", None, ["running"])

    Delivery.objects.update(status="processed")
    with time_machine.travel(datetime.now(UTC) + timedelta(hours=1), tick=False):
        assert work(plan) is None
    assert (plan.status, states(plan)) == ("done", ["succeeded"])


def test_effects_are_made_due_and_their_connections_drains_woken(calendar_live: Connection) -> None:
    make_dead_effects(calendar_live, 2)
    plan = start(plan_effects())
    work(plan)

    assert set(Effect.objects.values_list("status", flat=True)) == {"pending"}
    assert jobs_of("drain_connection") == [(calendar_live.pk,)]


def test_an_older_dead_state_is_closed_when_the_newer_one_is_replayed(calendar_live: Connection) -> None:
    older, newer = make_dead_effects(calendar_live, 2, is_state=True, subject="contact:1")
    plan = work_on(start(plan_effects(per_second=1)))

    assert Effect.objects.get(pk=newer.pk).status == "pending"
    assert Effect.objects.get(pk=older.pk).close_reason == "Another effect brings the same state."
    assert outcomes(plan) == [("skipped", "covered"), ("running", "")]


def test_what_happens_once_is_not_repeated_when_it_happened_meanwhile(calendar_live: Connection) -> None:
    effect = make_effect(calendar_live, status="dead")
    plan = start(plan_effects(includes_done=True))
    Effect.objects.filter(pk=effect.pk).update(status="succeeded")
    work(plan)

    assert outcomes(plan) == [("skipped", "done")]
    assert Effect.objects.get(pk=effect.pk).status == "succeeded"


def test_of_two_plans_with_the_same_rows_one_replays_each(calendar_live: Connection) -> None:
    make_dead(calendar_live, 2)
    first, second = start(plan_deliveries()), start(plan_deliveries())
    work(first)
    work(second)

    assert (first.replayed, second.replayed) == (2, 0)
    assert outcomes(second) == [("skipped", "open")] * 2
    assert len(jobs_of("process_delivery")) == 2


@pytest.mark.parametrize("count", [2, 30])
def test_a_slice_needs_as_many_queries_for_thirty_items_as_for_two(
    count: int, calendar_live: Connection, django_assert_max_num_queries: Any
) -> None:
    make_dead(calendar_live, count)
    plan = start(plan_deliveries(per_second=100))
    Delivery.objects.filter(pk=Delivery.objects.first().pk).update(status="processed")  # type: ignore[union-attr]
    with django_assert_max_num_queries(20):
        work_on_replay(plan.pk)


# --- Jobs -------------------------------------------------------------------------------------------------------------


def test_a_plan_is_queued_when_it_starts_and_queues_itself_until_it_is_over(calendar_live: Connection) -> None:
    make_dead(calendar_live, 2)
    plan = plan_deliveries(per_second=1)
    with time_machine.travel(NOON, tick=False) as clock:
        move_replay(plan, plans.start)
        assert jobs_of("continue_replay") == [(str(plan.pk),)]
        for queued in (2, 3):
            continue_replay(str(plan.pk))
            assert len(jobs_of("continue_replay")) == queued
            clock.shift(timedelta(seconds=1))
        Delivery.objects.update(status="processed")
        clock.shift(timedelta(seconds=10))
        continue_replay(str(plan.pk))

    plan.refresh_from_db()
    assert (plan.status, len(jobs_of("continue_replay"))) == ("done", 3)


def test_a_job_that_comes_twice_replays_nothing_and_queues_nothing(calendar_live: Connection) -> None:
    make_dead(calendar_live, 2)
    plan = start(plan_deliveries(per_second=1))
    for _ in range(3):
        continue_replay(str(plan.pk))

    plan.refresh_from_db()
    assert (plan.replayed, len(jobs_of("continue_replay"))) == (1, 1)


def test_a_plan_that_lost_its_job_is_taken_up_again(calendar_live: Connection) -> None:
    make_dead(calendar_live, 1)
    draft, lost = plan_deliveries(), start(plan_deliveries())
    sweep_replays()
    assert jobs_of("continue_replay") == []

    with time_machine.travel(datetime.now(UTC) + timedelta(minutes=1), tick=False):
        sweep_replays()
    assert jobs_of("continue_replay") == [(str(lost.pk),)]
    assert draft.status == "draft"


def test_a_process_that_dies_in_the_middle_leaves_a_slice_undone_and_another_goes_on(
    calendar_live: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dead(calendar_live, 3)
    plan = start(plan_deliveries(per_second=2))
    with monkeypatch.context() as dying:
        dying.setattr(jobs, "queue_deliveries", lambda ids: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            work_on_replay(plan.pk)
    plan.refresh_from_db()
    assert (plan.replayed, states(plan)) == (0, ["pending"] * 3)
    assert set(Delivery.objects.values_list("status", flat=True)) == {"dead"}

    work_on(plan)
    assert (plan.replayed, len(jobs_of("process_delivery"))) == (3, 3)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_second_process_goes_away_while_the_first_one_works_and_a_pause_takes_hold_after_it(
    calendar_live: Connection,
) -> None:
    make_dead(calendar_live, 2)
    plan = start(plan_deliveries(per_second=1))
    has_begun, may_end = Event(), Event()

    def work_slowly() -> None:
        with transaction.atomic():
            running.take_slice(plan.pk)
            has_begun.set()
            may_end.wait(10)
        connections.close_all()

    def pause() -> None:
        plans.pause(plan)
        connections.close_all()

    first = Thread(target=work_slowly)
    first.start()
    assert has_begun.wait(10)
    assert work_on_replay(plan.pk) is None

    pausing = Thread(target=pause)
    pausing.start()
    may_end.set()
    first.join(10)
    pausing.join(10)
    plan = ReplayPlan.objects.get(pk=plan.pk)
    assert (plan.status, plan.replayed, states(plan)) == ("paused", 1, ["running", "pending"])
