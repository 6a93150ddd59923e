"""Effects carried out: order, retries, holds, what a dead process left, and what nobody can find out."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations import drains, effect_actions, effect_kinds
from integrations.connections import set_status
from integrations.drains import OUTAGES, Slice, drain, find_idle, request_drain
from integrations.effect_kinds import Done, Kind, Result, Skipped, Task
from integrations.effects import plan
from integrations.exceptions import (
    ConflictError,
    LostAnswerError,
    OutageError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    StateError,
)
from integrations.http import record
from integrations.jobs import change_status, drain_connection, sweep
from integrations.models import Attempt, Connection, Drain, Effect
from integrations.retries import SCHEDULE_S
from tests.factories import make_connection

pytestmark = pytest.mark.django_db
Status = Effect.Status


class World:
    """An outside system: what it is told, and what it answers to each kind."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.repeats: list[str] = []
        self.answers: list[Result | Exception | Callable[[Task], Result]] = []

    def carry_out(self, task: Task) -> Result:
        record("POST", "https://provider.example/v1/things", "Provider", 200, 0.01)
        answer = self.answers.pop(0) if self.answers else Done("id_1")
        if isinstance(answer, Exception) and task.key.startswith("thing.pack"):
            return answer  # type: ignore[return-value]
        if isinstance(answer, Exception):
            raise answer
        self.told.append(task.subject)
        if task.is_repeat:
            self.repeats.append(task.subject)
        return answer(task) if callable(answer) else answer


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    kinds = (
        ("thing.bring", True, True, 0),
        ("thing.tell", False, False, 0),
        ("thing.build", True, True, 1),
        ("thing.pack", True, True, 0),
    )
    for name, is_state, is_findable, priority in kinds:
        kind = Kind(
            name,
            lambda tasks: [made.carry_out(task) for task in tasks],
            is_state=is_state,
            is_findable=is_findable,
            is_batched=name == "thing.pack",
            priority=priority,
        )
        monkeypatch.setitem(effect_kinds._kinds, name, kind)
    return made


@pytest.fixture
def connection(db: None) -> Connection:
    return make_connection("crm", provider="salesforce", base_url="https://acme.my.salesforce.com")


def bring(connection: Connection, subject: str = "thing:1") -> None:
    plan("thing.bring", connection_id=connection.pk, subject=subject)


def tell(connection: Connection, key: str = "tell:1", subject: str = "thing:1") -> None:
    plan("thing.tell", connection_id=connection.pk, subject=subject, key=key)


def only(**filters: Any) -> Effect:
    return Effect.objects.get(**filters)


def let_time_pass(**duration: float) -> None:
    """For everything that waits, as if so much time had gone by."""
    ago = timedelta(**duration)
    Effect.objects.update(due_at=F("due_at") - ago, lease_expires_at=F("lease_expires_at") - ago)
    Drain.objects.update(held_until=F("held_until") - ago)


# --- Planning ---------------------------------------------------------------------------------------------------------


def test_states_of_one_subject_coalesce_and_other_subjects_do_not(world: World, connection: Connection) -> None:
    for subject in ("thing:1", "thing:1", "thing:2", "thing:1"):
        bring(connection, subject)
    assert dict(Effect.objects.values_list("subject", "revision")) == {"thing:1": 3, "thing:2": 1}


def test_what_happens_once_is_planned_once_and_counts_its_repeats(world: World, connection: Connection) -> None:
    tell(connection)
    drain(connection.pk)
    tell(connection)
    drain(connection.pk)
    assert world.told == ["thing:1"]
    assert only().repeats == 1


def test_an_effect_of_a_transaction_that_is_rolled_back_is_not_there(world: World, connection: Connection) -> None:
    with transaction.atomic():
        bring(connection)
        transaction.set_rollback(True)
    assert not Effect.objects.exists()


def test_a_disabled_connection_gets_none_and_a_paused_one_keeps_them(world: World, connection: Connection) -> None:
    change_status(connection, Connection.Status.DISABLED)
    bring(connection)
    assert not Effect.objects.exists()
    change_status(connection, Connection.Status.PAUSED)
    bring(connection)
    assert drain(connection.pk) is None
    assert only().status == Status.WAITING
    change_status(connection, Connection.Status.ACTIVE)
    drain(connection.pk)
    assert only().status == Status.SUCCEEDED


def test_a_kind_needs_a_key_exactly_where_it_happens_once(world: World, connection: Connection) -> None:
    with pytest.raises(ValueError, match="key"):
        plan("thing.tell", connection_id=connection.pk, subject="thing:1")
    with pytest.raises(ValueError, match="key"):
        plan("thing.bring", connection_id=connection.pk, subject="thing:1", key="bring:1")


# --- Carrying out -----------------------------------------------------------------------------------------------------


def test_a_success_is_recorded_with_what_came_back_and_the_calls(world: World, connection: Connection) -> None:
    seen = []
    world.answers = [Done("rec_7", lambda: seen.append("recorded"))]
    bring(connection)
    assert drain(connection.pk) is None
    effect = only()
    assert (effect.status, effect.external_id, effect.attempts, seen) == (Status.SUCCEEDED, "rec_7", 1, ["recorded"])
    attempt = effect.tries.get()
    assert attempt.outcome == Attempt.Outcome.SUCCEEDED
    assert attempt.calls == [{"method": "POST", "path": "/v1/things", "status": 200, "duration_ms": 10}]


def test_effects_of_one_subject_go_out_in_order(world: World, connection: Connection) -> None:
    world.answers = [OutageError("down")]
    tell(connection, "tell:1")
    tell(connection, "tell:2")
    tell(connection, "tell:3", subject="thing:2")
    drain(connection.pk)
    assert world.told == ["thing:2"]
    let_time_pass(minutes=1)
    drain(connection.pk)
    assert world.told == ["thing:2", "thing:1", "thing:1"]


def build(connection: Connection, subject: str) -> None:
    plan("thing.build", connection_id=connection.pk, subject=subject)


def test_what_builds_on_others_lets_the_older_ones_go_first_unless_they_failed(
    world: World, connection: Connection
) -> None:
    world.answers = [OutageError("down")]
    bring(connection, "thing:1")
    bring(connection, "thing:2")
    build(connection, "house:1")
    bring(connection, "thing:3")
    drain(connection.pk)
    assert world.told == ["thing:2", "house:1", "thing:3"]


def test_what_builds_on_others_is_not_held_back_by_newer_ones(world: World, connection: Connection) -> None:
    build(connection, "house:1")
    bring(connection, "thing:1")
    drain(connection.pk)
    assert world.told == ["house:1", "thing:1"]


def test_a_drain_with_only_blocked_effects_left_sleeps_until_the_first_may_go(
    world: World, connection: Connection
) -> None:
    world.answers = [OutageError("down")]
    tell(connection, "tell:1")
    tell(connection, "tell:2")
    drain(connection.pk)
    Effect.objects.filter(status=Status.RETRYING).update(due_at=timezone.now() + timedelta(minutes=10))
    delay_s = drain(connection.pk)
    assert delay_s is not None
    assert delay_s > 500


def test_a_rest_that_ends_with_the_slice_is_woken_from(world: World, connection: Connection) -> None:
    ended = timezone.now() - timedelta(seconds=1)
    state = Drain.objects.create(connection=connection, held_until=ended, hold_cause="rate_limited")
    bring(connection)
    Effect.objects.update(status=Status.WAITING)
    assert Slice(connection, state).seconds_until_next() == 0
    drain(connection.pk)
    assert world.told == ["thing:1"]


def change_meanwhile(connection: Connection) -> Callable[[Task], Result]:
    """A success during which the state has changed again."""

    def answer(task: Task) -> Result:
        bring(connection)
        return Done("rec")

    return answer


def test_a_state_that_changes_while_it_is_sent_is_sent_again(world: World, connection: Connection) -> None:
    world.answers = [change_meanwhile(connection)]
    bring(connection)
    drain(connection.pk)
    assert world.told == ["thing:1", "thing:1"]
    assert only().status == Status.SUCCEEDED


def test_nothing_more_to_do_after_a_success_is_a_success(world: World, connection: Connection) -> None:
    world.answers = [change_meanwhile(connection), Skipped("Nothing has changed.")]
    bring(connection)
    drain(connection.pk)
    assert (only().status, only().external_id, only().attempts) == (Status.SUCCEEDED, "rec", 2)


def test_nothing_to_do_is_suppressed_with_its_reason(world: World, connection: Connection) -> None:
    world.answers = [Skipped("Nothing has changed.")]
    bring(connection)
    drain(connection.pk)
    assert (only().status, only().close_reason) == (Status.SUPPRESSED, "Nothing has changed.")


def test_what_fails_to_be_recorded_is_done_again_as_a_repeat(world: World, connection: Connection) -> None:
    def fail() -> None:
        raise RuntimeError("no room")

    world.answers = [Done("rec", fail)]
    bring(connection)
    drain(connection.pk)
    assert (only().status, only().cause) == (Status.RETRYING, "bug")
    let_time_pass(minutes=1)
    drain(connection.pk)
    assert (only().status, world.repeats) == (Status.SUCCEEDED, ["thing:1"])


def pack(connection: Connection, *subjects: str) -> None:
    for subject in subjects:
        plan("thing.pack", connection_id=connection.pk, subject=subject)


def test_effects_of_a_batch_are_written_down_together(
    world: World, connection: Connection, django_assert_max_num_queries: Any
) -> None:
    pack(connection, *(f"thing:{number}" for number in range(30)))
    with django_assert_max_num_queries(40):
        drain(connection.pk)
    assert Effect.objects.filter(status=Status.SUCCEEDED, external_id="id_1", lease_token=None).count() == 30
    assert Attempt.objects.filter(outcome=Attempt.Outcome.SUCCEEDED).count() == 30


def test_one_of_a_batch_that_fails_to_be_recorded_holds_no_other_back(world: World, connection: Connection) -> None:
    def fail() -> None:
        raise RuntimeError("no room")

    world.answers = [Done("rec_1"), Done("rec_2", fail), Skipped("Nothing has changed."), PermanentError("no")]
    pack(connection, "thing:1", "thing:2", "thing:3", "thing:4")
    drain(connection.pk)
    assert dict(Effect.objects.values_list("subject", "status")) == {
        "thing:1": Status.SUCCEEDED,
        "thing:2": Status.RETRYING,
        "thing:3": Status.SUPPRESSED,
        "thing:4": Status.DEAD,
    }


def test_a_state_of_a_batch_that_changes_while_it_is_sent_is_sent_again(world: World, connection: Connection) -> None:
    def change(task: Task) -> Result:
        pack(connection, "thing:1")
        return Done("rec")

    world.answers = [change]
    pack(connection, "thing:1", "thing:2")
    drain(connection.pk)
    assert world.told == ["thing:1", "thing:2", "thing:1"]
    assert set(Effect.objects.values_list("status", flat=True)) == {Status.SUCCEEDED}


# --- Failures ---------------------------------------------------------------------------------------------------------


def test_an_outage_is_retried_on_the_schedule_and_ends_as_a_dead_letter(world: World, connection: Connection) -> None:
    bring(connection)
    for number in range(1, len(SCHEDULE_S) + 2):
        Drain.objects.update(failures=0)
        world.answers = [OutageError("Salesforce answers 503.")]
        drain(connection.pk)
        assert only().attempts == number
        let_time_pass(days=2)
    effect = only()
    assert (effect.status, effect.cause, bool(effect.fingerprint)) == (Status.DEAD, "transient", True)
    assert effect.tries.filter(outcome=Attempt.Outcome.FAILED).count() == len(SCHEDULE_S) + 1


@pytest.mark.parametrize(("error", "cause"), [(PermanentError("no"), "permanent"), (ConflictError("two"), "conflict")])
def test_what_can_never_be_accepted_is_dead_at_once(
    world: World, connection: Connection, error: Exception, cause: str
) -> None:
    world.answers = [error]
    bring(connection)
    drain(connection.pk)
    assert (only().status, only().cause, only().attempts) == (Status.DEAD, cause, 1)


def test_a_dead_state_gives_way_to_a_newer_one(world: World, connection: Connection) -> None:
    world.answers = [PermanentError("no")]
    bring(connection)
    drain(connection.pk)
    bring(connection)
    drain(connection.pk)
    assert sorted(Effect.objects.values_list("status", flat=True)) == [Status.DEAD, Status.SUCCEEDED]


def test_one_that_fails_holds_no_other_subject_back(world: World, connection: Connection) -> None:
    world.answers = [PermanentError("no")]
    bring(connection, "thing:1")
    bring(connection, "thing:2")
    drain(connection.pk)
    assert world.told == ["thing:2"]


def test_a_lost_answer_that_nobody_can_find_out_waits_for_a_person(world: World, connection: Connection) -> None:
    world.answers = [LostAnswerError("Slack gave no answer.")]
    tell(connection)
    drain(connection.pk)
    let_time_pass(days=2)
    sweep()
    drain(connection.pk)
    assert (only().status, only().cause, world.told) == (Status.WAITING, "unknown_outcome", [])


def test_a_person_settles_an_unknown_outcome_either_way(world: World, connection: Connection) -> None:
    world.answers = [LostAnswerError("lost"), LostAnswerError("lost")]
    tell(connection, "tell:1", "thing:1")
    tell(connection, "tell:2", "thing:2")
    drain(connection.pk)
    effect_actions.confirm_arrival(only(subject="thing:1"))
    effect_actions.send_again(only(subject="thing:2"))
    drain(connection.pk)
    assert world.told == ["thing:2"]
    assert set(Effect.objects.values_list("status", flat=True)) == {Status.SUCCEEDED}
    for settle in (effect_actions.confirm_arrival, effect_actions.send_again):
        with pytest.raises(StateError, match="Nobody asks"):
            settle(only(subject="thing:1"))


def test_a_lost_answer_that_can_be_found_out_is_retried_as_a_repeat(world: World, connection: Connection) -> None:
    world.answers = [LostAnswerError("lost")]
    bring(connection)
    drain(connection.pk)
    let_time_pass(minutes=1)
    drain(connection.pk)
    assert (only().status, world.repeats) == (Status.SUCCEEDED, ["thing:1"])


# --- A connection at rest ---------------------------------------------------------------------------------------------


def test_a_rate_limit_holds_the_connection_and_burns_no_tries(world: World, connection: Connection) -> None:
    world.answers = [RateLimitedError("slow down", retry_after_s=60)]
    bring(connection, "thing:1")
    bring(connection, "thing:2")
    assert 50 < (drain(connection.pk) or 0) <= 60
    bring(connection, "thing:3")
    waiting = Effect.objects.filter(status=Status.WAITING, cause="rate_limited")
    assert waiting.count() == 3
    assert drain(connection.pk) is not None
    assert world.told == []
    let_time_pass(seconds=61)
    drain(connection.pk)
    assert sorted(world.told) == ["thing:1", "thing:2", "thing:3"]
    assert only(subject="thing:1").free_attempts == 1


def test_a_limit_of_one_record_holds_nothing_else(world: World, connection: Connection) -> None:
    world.answers = [RateLimitedError("100 a day", retry_after_s=3600, holds_connection=False)]
    bring(connection, "thing:1")
    bring(connection, "thing:2")
    drain(connection.pk)
    assert world.told == ["thing:2"]
    effect = only(subject="thing:1")
    assert (effect.status, effect.cause, effect.free_attempts) == (Status.RETRYING, "rate_limited", 1)
    assert effect.due_at is not None
    assert effect.due_at > timezone.now() + timedelta(minutes=50)


def test_outages_in_a_row_open_the_circuit_and_the_rest_burns_no_tries(world: World, connection: Connection) -> None:
    world.answers = [OutageError("down") for _ in range(OUTAGES)]
    for number in range(OUTAGES + 20):
        bring(connection, f"thing:{number}")
    drain(connection.pk)
    assert world.told == []
    assert Attempt.objects.count() == OUTAGES
    assert Effect.objects.filter(status=Status.WAITING, cause="transient").count() == OUTAGES + 20


def test_after_an_outage_one_goes_first_and_the_others_follow(world: World, connection: Connection) -> None:
    world.answers = [OutageError("down") for _ in range(OUTAGES + 1)]
    for number in range(OUTAGES + 20):
        bring(connection, f"thing:{number}")
    drain(connection.pk)
    let_time_pass(minutes=1)
    drain(connection.pk)
    assert (Attempt.objects.count(), world.told) == (OUTAGES + 1, [])
    let_time_pass(minutes=1)
    while drain(connection.pk) == 0:
        pass
    let_time_pass(minutes=1)
    drain(connection.pk)
    assert len(set(world.told)) == len(world.told) == OUTAGES + 20


def test_a_hold_does_not_make_a_later_retry_come_sooner(world: World, connection: Connection) -> None:
    world.answers = [OutageError("down"), RateLimitedError("slow down", retry_after_s=1)]
    bring(connection, "thing:1")
    bring(connection, "thing:2")
    drain(connection.pk)
    Effect.objects.filter(subject="thing:1").update(due_at=timezone.now() + timedelta(hours=1))
    let_time_pass(seconds=2)
    drain(connection.pk)
    assert world.told == ["thing:2"]
    assert only(subject="thing:1").status == Status.RETRYING


def test_refused_credentials_wait_for_reauthorisation_and_then_go_on(world: World, connection: Connection) -> None:
    world.answers = [ReauthoriseError("401")]
    bring(connection, "thing:1")
    bring(connection, "thing:2")
    assert drain(connection.pk) is None
    connection.refresh_from_db()
    assert connection.status == Connection.Status.NEEDS_REAUTHORISATION
    bring(connection, "thing:3")
    assert Effect.objects.filter(status=Status.WAITING, cause="reauthorise").count() == 3
    sweep()
    drain(connection.pk)
    assert world.told == []
    change_status(connection, Connection.Status.ACTIVE)
    drain(connection.pk)
    assert sorted(world.told) == ["thing:1", "thing:2", "thing:3"]
    assert only(subject="thing:1").free_attempts == 1


@pytest.mark.parametrize(("status", "cause"), [("needs_reauthorisation", "reauthorise"), ("paused", "")])
def test_what_was_planned_while_its_connection_came_to_rest_waits_like_the_others(
    world: World, connection: Connection, status: Connection.Status, cause: str
) -> None:
    """It was planned under the old status, in a transaction that ended only after the new one was there."""
    bring(connection)
    set_status(connection, status)
    assert drain(connection.pk) is None
    assert (only().status, only().cause, world.told) == (Status.WAITING, cause, [])
    change_status(connection, Connection.Status.ACTIVE)
    drain(connection.pk)
    assert world.told == ["thing:1"]


def test_the_rate_budget_ends_a_slice_and_says_when_to_go_on(world: World, connection: Connection) -> None:
    Drain.objects.create(connection=connection, calls_left=-100, counted_at=timezone.now())
    bring(connection)
    delay_s = drain(connection.pk)
    assert world.told == []
    assert delay_s is not None
    assert 4 < delay_s < 6


# --- Processes that died ----------------------------------------------------------------------------------------------


def claim_and_die(connection: Connection) -> None:
    """As a process that was killed between the call and the record leaves it."""
    now = timezone.now()
    for effect in Effect.objects.filter(connection=connection, status=Status.PENDING):
        Effect.objects.filter(pk=effect.pk).update(status=Status.RUNNING, attempts=1, lease_expires_at=now)
        Attempt.objects.create(effect=effect, number=1, started_at=now)


def test_what_a_dead_process_was_doing_is_done_as_a_repeat_or_waits(world: World, connection: Connection) -> None:
    bring(connection, "thing:1")
    tell(connection, "tell:1", "thing:2")
    claim_and_die(connection)
    assert find_idle(timezone.now()) == [connection.pk]
    drain(connection.pk)
    assert world.repeats == ["thing:1"]
    unknown = only(subject="thing:2")
    assert (unknown.status, unknown.cause) == (Status.WAITING, "unknown_outcome")
    assert set(Attempt.objects.filter(number=1).values_list("outcome", flat=True)) == {Attempt.Outcome.ABANDONED}


def test_a_lease_that_runs_is_left_alone_and_says_when_to_look_again(world: World, connection: Connection) -> None:
    bring(connection)
    claim_and_die(connection)
    Effect.objects.update(lease_expires_at=timezone.now() + timedelta(seconds=20))
    delay_s = drain(connection.pk)
    assert world.told == []
    assert delay_s is not None
    assert 15 < delay_s <= 20


def test_a_slice_that_goes_wrong_goes_on_soon_and_wakes_what_it_has_planned_elsewhere(
    world: World, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_connection(provider="zoom", slug="zoom")

    def plan_and_break(_: int) -> None:
        plan("thing.bring", connection_id=other.pk, subject="a")
        raise RuntimeError("The slice has gone wrong.")

    monkeypatch.setattr(drains, "drain", plan_and_break)
    with pytest.raises(RuntimeError):
        drain_connection(connection.pk)
    queued = {each.pk: each.queued_for for each in Drain.objects.all()}
    assert queued.keys() == {connection.pk, other.pk}
    assert all(at and at <= timezone.now() + timedelta(seconds=drains.BUSY_S) for at in queued.values())


def test_a_drain_is_queued_once_until_it_runs(connection: Connection) -> None:
    assert request_drain(connection.pk, 0) is not None
    assert request_drain(connection.pk, 0) is None
    assert request_drain(connection.pk, 60) is None
    drain(connection.pk)
    assert request_drain(connection.pk, 60) is not None
    assert request_drain(connection.pk, 0) is not None


# --- Operators --------------------------------------------------------------------------------------------------------


def test_a_replay_gives_a_dead_letter_a_new_schedule(world: World, connection: Connection) -> None:
    world.answers = [PermanentError("no"), OutageError("down")]
    bring(connection)
    drain(connection.pk)
    assert effect_actions.replay(Effect.objects.all()) == [only().pk]
    drain(connection.pk)
    assert (only().status, only().attempts, only().free_attempts) == (Status.RETRYING, 2, 1)


def test_a_replay_does_nothing_twice(world: World, connection: Connection) -> None:
    tell(connection)
    drain(connection.pk)
    assert effect_actions.replay(Effect.objects.all()) == []
    drain(connection.pk)
    assert world.told == ["thing:1"]


def test_a_replay_of_a_state_for_which_another_is_open_is_suppressed(world: World, connection: Connection) -> None:
    world.answers = [PermanentError("no")]
    bring(connection)
    drain(connection.pk)
    dead = only()
    bring(connection)
    assert effect_actions.replay(Effect.objects.filter(pk=dead.pk)) == []
    assert only(pk=dead.pk).status == Status.SUPPRESSED


def test_of_several_dead_states_of_one_subject_the_newest_is_replayed(world: World, connection: Connection) -> None:
    world.answers = [PermanentError("no"), PermanentError("no")]
    for _ in range(2):
        bring(connection)
        drain(connection.pk)
    older, newer = Effect.objects.order_by("id")
    assert effect_actions.replay(Effect.objects.all()) == [newer.pk]
    drain(connection.pk)
    assert world.told == ["thing:1"]
    assert only(pk=older.pk).status == Status.SUPPRESSED


def test_a_replay_of_many_asks_the_database_a_few_times(
    world: World, connection: Connection, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        bring(connection, f"thing:{number}")
    Effect.objects.update(status=Status.DEAD)
    with django_assert_max_num_queries(8):
        assert len(effect_actions.replay(Effect.objects.all())) == 30


def test_suppress_closes_what_has_not_happened_and_discard_a_dead_letter(world: World, connection: Connection) -> None:
    bring(connection, "thing:1")
    effect_actions.suppress(only(), "not wanted")
    drain(connection.pk)
    assert (world.told, only().status, only().close_reason) == ([], Status.SUPPRESSED, "not wanted")
    with pytest.raises(StateError, match="suppressed"):
        effect_actions.discard(only(), "why")
    with pytest.raises(StateError, match="Say why"):
        effect_actions.suppress(only(), "  ")
