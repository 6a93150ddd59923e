"""Making, approving, starting, pausing, resuming and cancelling replay plans."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from integrations.exceptions import StateError
from integrations.models import Connection, Delivery, Effect, ReplayPlan
from integrations.replays import plans
from integrations.replays.filters import RowFilter
from integrations.replays.forecasts import foretell, foretell_plan
from tests.integrations.admin.support import make_effect
from tests.integrations.replays.support import (
    DELIVERIES,
    EFFECTS,
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


@pytest.fixture
def nora(db: None) -> User:
    return User.objects.create_user("nora")


@pytest.fixture
def omar(db: None) -> User:
    return User.objects.create_user("omar")


# --- What is in a plan ------------------------------------------------------------------------------------------------


def test_what_is_listed_counted_and_run_are_the_same_rows_whatever_comes_later(calendar_live: Connection) -> None:
    listed = [row.pk for row in make_dead(calendar_live, 3)]
    plan = start(plan_deliveries())
    later = make_dead(calendar_live, 2)
    work_on(plan)

    assert plan.total == plan.replayed == 3
    assert list(plan.items.values_list("delivery", flat=True)) == listed
    assert set(Delivery.objects.filter(status="received").values_list("pk", flat=True)) == set(listed)
    assert {Delivery.objects.get(pk=row.pk).status for row in later} == {"dead"}


def test_a_filter_selects_by_every_word_it_has(calendar_live: Connection) -> None:
    rows = make_dead(calendar_live, 4)
    Delivery.objects.filter(pk=rows[1].pk).update(cause="bug")
    Delivery.objects.filter(pk=rows[2].pk).update(event_type="event.cancelled")
    Delivery.objects.filter(pk=rows[3].pk).update(status="processed")

    def select(**words: Any) -> set[Any]:
        return set(RowFilter(DELIVERIES, **words).select().values_list("pk", flat=True))

    keys = [row.pk for row in rows]
    assert select() == set(keys[:3])
    assert select(cause="bug") == {keys[1]}
    assert select(what="event.cancelled") == {keys[2]}
    assert select(statuses=["processed"]) == {keys[3]}
    assert select(ids=["dlv_3", str(keys[0])]) == {keys[0], keys[3]}
    assert select(connection="other") == set()
    assert select(since=rows[1].received_at, until=rows[2].received_at) == {keys[1]}
    assert RowFilter(DELIVERIES, cause="bug", what="a").describe() == "status dead; cause bug; type a"


def test_nothing_makes_no_plan(db: None) -> None:
    with pytest.raises(StateError, match="There are no such deliveries"):
        plan_deliveries()
    assert not ReplayPlan.objects.exists()


def test_too_much_makes_no_plan(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plans, "LARGEST", 2)
    make_dead(calendar_live, 3)
    with pytest.raises(StateError, match="more than 2 deliveries"):
        plan_deliveries()
    assert not ReplayPlan.objects.exists()


# --- What it foretells ------------------------------------------------------------------------------------------------


def test_a_plan_of_deliveries_says_what_runs_what_is_done_and_what_conflicts(calendar_live: Connection) -> None:
    for status in ("dead", "retrying", "discarded", "ignored", "processed", "stale", "received", "processing"):
        make_dead(calendar_live, 1, status=status)
    make_dead(calendar_live, 1, status="rejected", is_accepted=False)
    make_dead(calendar_live, 1, erased_at="2026-11-24T00:00Z")
    plan = plans.make(DELIVERIES, Delivery.objects.all(), words="all")
    forecast = foretell_plan(plan)

    assert (forecast.total, forecast.runs, forecast.done, forecast.conflicts) == (10, 4, 2, 4)
    assert forecast == foretell(DELIVERIES, Delivery.objects.all())
    assert forecast.counts == {"runs": 4, "done": 2, "open": 2, "refused": 1, "erased": 1}


def test_a_plan_of_effects_says_what_runs_what_is_done_and_what_conflicts(calendar_live: Connection) -> None:
    for status in ("dead", "discarded", "succeeded", "suppressed", "pending", "retrying"):
        make_effect(calendar_live, status=status)
    make_effect(calendar_live, status="waiting", cause="unknown_outcome")
    make_dead_effects(calendar_live, 2, is_state=True, subject="contact:1")
    make_dead_effects(calendar_live, 1, is_state=True, subject="contact:2")
    make_effect(calendar_live, is_state=True, subject="contact:2", status="succeeded")
    forecast = foretell_plan(plan_effects())

    assert forecast.counts == {"runs": 3, "done": 3, "open": 2, "unknown": 1, "covered": 2}
    assert (forecast.runs, forecast.done, forecast.conflicts) == (3, 5, 3)


def test_what_was_foretold_is_what_happens(calendar_live: Connection) -> None:
    make_dead_effects(calendar_live, 2, is_state=True, subject="contact:1")
    make_dead_effects(calendar_live, 1)
    make_effect(calendar_live, status="succeeded")
    make_effect(calendar_live, status="waiting", cause="unknown_outcome")
    plan = plan_effects(per_second=1)
    foretold = foretell_plan(plan).counts
    work_on(start(plan))

    happened = [reason or "runs" for _, reason in outcomes(plan)]
    assert {verdict: happened.count(verdict) for verdict in happened} == foretold
    assert list(Effect.objects.order_by("id").values_list("status", flat=True)) == [
        "suppressed", "pending", "pending", "succeeded", "waiting",
    ]  # fmt: skip


def test_what_is_done_already_runs_where_the_plan_says_so(calendar_live: Connection) -> None:
    make_dead(calendar_live, 1, status="processed")
    make_effect(calendar_live, status="succeeded")
    make_effect(calendar_live, status="succeeded", is_state=True)
    chosen = Delivery.objects.all()

    assert foretell(DELIVERIES, chosen).runs == 0
    assert foretell(DELIVERIES, chosen, includes_done=True).runs == 1
    assert foretell(EFFECTS, Effect.objects.all(), includes_done=True).counts == {"runs": 1, "done": 1}


def test_what_waits_at_a_disabled_connection_is_left(calendar_live: Connection) -> None:
    make_dead(calendar_live, 2)
    Connection.objects.update(status="disabled")

    assert foretell_plan(plan_deliveries()).counts == {"disabled": 2}


@pytest.mark.parametrize("count", [2, 30])
def test_a_plan_is_made_and_foretold_in_as_many_queries_for_thirty_rows_as_for_two(
    count: int, calendar_live: Connection, django_assert_max_num_queries: Any
) -> None:
    make_dead(calendar_live, count)
    with django_assert_max_num_queries(7):
        foretell_plan(plan_deliveries())


# --- Approval ---------------------------------------------------------------------------------------------------------


def test_a_large_plan_starts_only_after_somebody_else_has_approved_it(
    calendar_live: Connection, nora: User, omar: User, settings: Any
) -> None:
    settings.REPLAY_APPROVAL_ABOVE = 1
    make_dead(calendar_live, 2)
    plan = plan_deliveries(user=nora)

    with pytest.raises(StateError, match="approval of a second person"):
        plans.start(plan, nora)
    with pytest.raises(StateError, match="Somebody else"):
        plans.approve(plan, nora)
    plans.approve(plan, omar)
    with pytest.raises(StateError, match="does not wait"):
        plans.approve(plan, omar)
    start(plan, nora)
    plan.refresh_from_db()

    assert (plan.status, plan.approved_by, plan.started_by) == ("running", omar, nora)


def test_a_plan_of_the_shell_is_approved_by_anybody(calendar_live: Connection, nora: User, settings: Any) -> None:
    settings.REPLAY_APPROVAL_ABOVE = 0
    make_dead(calendar_live, 1)
    plan = plan_deliveries()
    plans.approve(plan, nora)

    assert work_on(start(plan)).replayed == 1


def test_a_small_plan_needs_no_approval(calendar_live: Connection, nora: User, settings: Any) -> None:
    settings.REPLAY_APPROVAL_ABOVE = 2
    make_dead(calendar_live, 2)
    plan = plan_deliveries()

    assert not plan.needs_approval
    with pytest.raises(StateError, match="does not wait"):
        plans.approve(plan, nora)
    start(plan)
    with pytest.raises(StateError, match="started already"):
        start(plan)


# --- Pausing and cancelling -------------------------------------------------------------------------------------------


def test_a_paused_plan_replays_nothing_more_until_it_is_resumed(calendar_live: Connection) -> None:
    make_dead(calendar_live, 3)
    plan = start(plan_deliveries(per_second=1))
    work(plan)
    plans.pause(plan)
    finish(plan)

    assert (plan.status, plan.replayed) == ("paused", 1)
    assert states(plan) == ["running", "pending", "pending"]
    with pytest.raises(StateError, match="Only a plan that runs"):
        plans.pause(plan)
    plans.resume(plan)
    with pytest.raises(StateError, match="Only a plan that is paused"):
        plans.resume(plan)
    assert work_on(plan).replayed == 3


def test_outcomes_are_taken_while_a_plan_is_paused(calendar_live: Connection) -> None:
    rows = make_dead(calendar_live, 2)
    plan = start(plan_deliveries(per_second=1))
    work(plan)
    plans.pause(plan)
    Delivery.objects.filter(pk=rows[0].pk).update(status="processed")
    finish(plan)

    assert states(plan) == ["succeeded", "pending"]


def test_what_a_cancelled_plan_has_not_replayed_it_never_does(calendar_live: Connection) -> None:
    rows = make_dead(calendar_live, 3)
    plan = start(plan_deliveries(per_second=1))
    work(plan)
    plans.cancel(plan)
    plan.refresh_from_db()
    assert (plan.status, plan.finished_at, plan.receipt) == ("cancelled", None, {})

    Delivery.objects.filter(pk=rows[0].pk).update(status="processed")
    finish(plan)
    assert outcomes(plan) == [("succeeded", ""), ("skipped", "cancelled"), ("skipped", "cancelled")]
    assert (plan.status, plan.receipt["by_reason"]) == ("cancelled", {"cancelled": 2})
    assert Delivery.objects.filter(status="dead").count() == 2
    with pytest.raises(StateError, match="over already"):
        plans.cancel(plan)


def test_a_plan_that_was_not_started_is_over_once_it_is_cancelled(calendar_live: Connection) -> None:
    make_dead(calendar_live, 2)
    plan = plan_deliveries()
    plans.cancel(plan)
    plan.refresh_from_db()

    assert plan.finished_at is not None
    assert plan.receipt["skipped"] == 2
    with pytest.raises(StateError, match="started already"):
        start(plan)
