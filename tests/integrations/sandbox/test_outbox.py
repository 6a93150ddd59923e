from dataclasses import replace
from datetime import timedelta

import pytest

from integrations.sandbox.calendar_live.exceptions import NotFoundError
from integrations.sandbox.calendar_live.outbox import (
    enable_endpoint,
    enqueue,
    next_planned,
    record_attempts,
    redeliver,
    set_knobs,
)
from integrations.sandbox.calendar_live.records import Delivery, Knobs
from integrations.sandbox.calendar_live.world import World
from integrations.sandbox.posting import Attempt
from tests.integrations.sandbox.support import START, Clock, bodies, check_envelope


def ping(world: World) -> Delivery:
    with world.change() as moment:
        delivery = enqueue(moment, "ping", {})
    assert delivery is not None
    return delivery


def turn(world: World, knobs: Knobs) -> None:
    with world.change() as moment:
        set_knobs(moment, knobs)


def answer(world: World, delivery: Delivery, *statuses: int | None, retry_s: float | None = 1) -> Delivery:
    attempts = [Attempt(world.clock(), status, None if status else "ConnectionError", 1) for status in statuses]
    retry_after = None if retry_s is None else timedelta(seconds=retry_s)
    with world.change() as moment:
        return record_attempts(moment, delivery, attempts, retry_after=retry_after)


def stored(world: World, delivery: Delivery) -> Delivery:
    return world.read().state.deliveries[delivery.id]


def test_a_ping_is_an_envelope_with_empty_data(world: World) -> None:
    delivery = ping(world)
    (envelope,) = bodies(world)
    check_envelope(envelope)
    assert (envelope["id"], envelope["account_id"], envelope["data"]) == (delivery.id, "acct_acme", {})
    assert (delivery.status, delivery.due_at) == ("pending", START)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_any_2xx_is_delivered(world: World, status: int) -> None:
    delivery = answer(world, ping(world), status)
    assert (delivery.status, delivery.due_at) == ("delivered", None)


@pytest.mark.parametrize("status", [None, 199, 302, 400, 401, 404, 429, 500, 503])
def test_anything_else_is_tried_again(world: World, status: int | None) -> None:
    delivery = answer(world, ping(world), status)
    assert (delivery.status, delivery.due_at, delivery.tries) == ("pending", START + timedelta(seconds=1), 1)


def test_without_a_retry_left_it_has_failed(world: World) -> None:
    delivery = answer(world, ping(world), 500, retry_s=None)
    assert (delivery.status, delivery.due_at) == ("failed", None)


def test_410_fails_everything_pending_and_disables_the_endpoint(world: World) -> None:
    gone, waiting = ping(world), ping(world)
    answer(world, gone, 410)

    assert stored(world, gone).status == stored(world, waiting).status == "failed"
    later = ping(world)
    assert (later.status, later.attempts) == ("failed", ())
    assert next_planned(world.read()) is None
    with world.change() as moment:
        enable_endpoint(moment)
    assert ping(world).status == "pending"


def test_a_redelivery_starts_anew_and_keeps_the_attempts(world: World, clock: Clock) -> None:
    delivery = answer(world, ping(world), 500, retry_s=None)
    clock.advance(hours=1)
    with world.change() as moment:
        again = redeliver(moment, delivery.id)

    assert (again.status, again.due_at, again.tries) == ("pending", clock.now, 0)
    assert (again.body, again.attempts) == (delivery.body, delivery.attempts)
    with world.change() as moment, pytest.raises(NotFoundError):
        redeliver(moment, "dlv_unknown")


def test_a_redelivery_asked_for_while_sending_is_still_done(world: World, clock: Clock) -> None:
    sent = ping(world)
    clock.advance(seconds=1)
    with world.change() as moment:
        redeliver(moment, sent.id)
    after = answer(world, sent, 200)

    assert (after.status, after.due_at) == ("pending", clock.now)
    assert len(after.attempts) == 1


def test_one_good_answer_of_a_doubled_delivery_is_enough(world: World) -> None:
    delivery = answer(world, ping(world), 500, 200)
    assert (delivery.status, len(delivery.attempts), delivery.tries) == ("delivered", 2, 1)


def test_dropped_deliveries_are_logged_as_delivered_but_never_planned(world: World) -> None:
    turn(world, Knobs(drop_next=2))
    lost = [ping(world), ping(world)]
    sent = ping(world)

    assert [(item.status, item.attempts, item.due_at) for item in lost] == [("delivered", (), None)] * 2
    assert sent.due_at == START
    assert world.read().state.knobs == Knobs()


def test_a_delivery_held_back_goes_right_after_the_next_one(world: World) -> None:
    turn(world, Knobs(is_holding_next=True))
    held = ping(world)
    assert (held.status, held.due_at) == ("pending", None)

    following = ping(world)
    planned = next_planned(world.read())
    assert planned is not None
    assert planned[0].id == following.id
    answer(world, following, 200)
    planned = next_planned(world.read())
    assert planned is not None
    assert planned[0].id == held.id


def test_latency_delays_the_first_try(world: World) -> None:
    turn(world, Knobs(latency_ms=1500))
    assert ping(world).due_at == START + timedelta(seconds=1.5)


def test_the_log_is_kept_for_30_days(world: World, clock: Clock) -> None:
    old = ping(world)
    clock.advance(days=29)
    young = ping(world)
    clock.advance(days=2)
    ping(world)

    kept = world.read().state.deliveries
    assert old.id not in kept
    assert young.id in kept


def test_what_is_planned_first_comes_first(world: World) -> None:
    first, second = ping(world), ping(world)
    with world.change() as moment:
        moment.state.deliveries[first.id] = replace(first, due_at=START + timedelta(seconds=2))
    planned = next_planned(world.read())
    assert planned is not None
    assert planned[0].id == second.id
