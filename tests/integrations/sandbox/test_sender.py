import base64
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from integrations.sandbox.calendar_live.outbox import enqueue, redeliver, set_knobs
from integrations.sandbox.calendar_live.records import Delivery, Knobs
from integrations.sandbox.calendar_live.sender import Sender, sign
from integrations.sandbox.calendar_live.world import World
from integrations.sandbox.clock import utc_now
from integrations.sandbox.persistence import StateFile
from integrations.sandbox.signing import Endpoint
from integrations.sandbox.webhooks import Mishap
from tests.integrations.sandbox.support import CONTRACT, Clock, Receiver, make_world, wait_until

SECRET = "whsec_test_4d2f"
VECTORS = json.loads((CONTRACT / "signature_vectors.json").read_text(encoding="utf-8"))


def make_sender(world: World, receiver: Receiver, *, timeout_s: float = 10) -> Sender:
    return Sender(world, Endpoint(receiver.url, SECRET), retry_factor=1, swing=lambda: 0.0, timeout_s=timeout_s)


def ping(world: World) -> str:
    with world.change() as moment:
        delivery = enqueue(moment, "ping", {"text": "é"})
    assert delivery is not None
    return delivery.id


def stored(world: World, delivery_id: str) -> Delivery:
    return world.read().state.deliveries[delivery_id]


@pytest.mark.parametrize("vector", [item for item in VECTORS if item["valid"]], ids=lambda item: item["name"])
def test_signatures_are_those_of_the_contract(vector: dict[str, str]) -> None:
    body = base64.b64decode(vector["body_base64"])
    assert sign(vector["secret"], body) == vector["signature"].removeprefix("sha256=")


def test_a_delivery_is_posted_with_its_id_and_the_signature_of_its_bytes(world: World, receiver: Receiver) -> None:
    delivery_id = ping(world)
    assert make_sender(world, receiver).send_due() == 1

    ((headers, body),) = receiver.requests
    assert headers["x-cl-delivery-id"] == json.loads(body)["id"] == delivery_id
    assert headers["x-cl-signature"] == sign(SECRET, body)
    assert headers["content-type"] == "application/json"
    delivery = stored(world, delivery_id)
    assert body == delivery.body.encode()
    assert delivery.status == "delivered"
    assert [(attempt.http_status, attempt.error) for attempt in delivery.attempts] == [(200, None)]


def test_failures_are_tried_again_at_the_contracts_times_until_none_is_left(
    world: World, clock: Clock, receiver: Receiver
) -> None:
    receiver.statuses = [503]
    delivery_id, sender = ping(world), make_sender(world, receiver)
    for pause_s in (0, 10, 60, 300, 1800, 7200, 21600, 43200):
        if pause_s:
            clock.advance(seconds=pause_s - 0.1)
            assert sender.send_due() == 0
            clock.advance(seconds=0.1)
        assert sender.send_due() == 1
    clock.advance(days=30)

    assert sender.send_due() == 0
    assert stored(world, delivery_id).status == "failed"
    assert len({body for _, body in receiver.requests}) == 1
    assert receiver.ids() == [delivery_id] * 8


def test_a_retry_that_is_accepted_ends_it(world: World, clock: Clock, receiver: Receiver) -> None:
    receiver.statuses = [500, 200]
    delivery_id, sender = ping(world), make_sender(world, receiver)
    sender.send_due()
    clock.advance(seconds=10)
    sender.send_due()

    assert [attempt.http_status for attempt in stored(world, delivery_id).attempts] == [500, 200]
    assert stored(world, delivery_id).status == "delivered"


def test_410_stops_at_once(world: World, clock: Clock, receiver: Receiver) -> None:
    receiver.statuses = [410]
    delivery_id, sender = ping(world), make_sender(world, receiver)
    sender.send_due()
    clock.advance(days=1)
    assert sender.send_due() == 0
    assert stored(world, delivery_id).status == "failed"
    assert not world.read().state.is_endpoint_enabled


def test_redirects_are_not_followed(world: World, receiver: Receiver) -> None:
    receiver.statuses = [307]
    delivery_id = ping(world)
    make_sender(world, receiver).send_due()
    assert [attempt.http_status for attempt in stored(world, delivery_id).attempts] == [307]
    assert len(receiver.requests) == 1


def test_an_endpoint_that_is_away_is_logged_and_tried_again(world: World) -> None:
    delivery_id = ping(world)
    # Port 9 (discard) is closed on any machine of today.
    sender = Sender(world, Endpoint("http://127.0.0.1:9/", SECRET), retry_factor=1)
    sender.send_due()
    (attempt,) = stored(world, delivery_id).attempts
    assert (attempt.http_status, attempt.error) == (None, "ConnectionError")
    assert stored(world, delivery_id).status == "pending"


def test_doubling_posts_the_same_delivery_twice(world: World, receiver: Receiver) -> None:
    with world.change() as moment:
        set_knobs(moment, Knobs(is_doubling=True))
    delivery_id = ping(world)
    make_sender(world, receiver).send_due()
    assert receiver.ids() == [delivery_id] * 2
    assert len(stored(world, delivery_id).attempts) == 2


def test_a_delivery_held_back_arrives_after_its_follower(world: World, clock: Clock, receiver: Receiver) -> None:
    with world.change() as moment:
        set_knobs(moment, Knobs(is_holding_next=True))
    sender = make_sender(world, receiver)
    held = ping(world)
    assert sender.send_due() == 0
    following = ping(world)
    clock.advance(seconds=1)
    sender.send_due()
    assert receiver.ids() == [following, held]


def test_a_redelivery_repeats_id_and_body(world: World, receiver: Receiver) -> None:
    sender, delivery_id = make_sender(world, receiver), ping(world)
    sender.send_due()
    with world.change() as moment:
        redeliver(moment, delivery_id)
    sender.send_due()
    first, second = receiver.requests
    assert first[1] == second[1]
    assert receiver.ids() == [delivery_id] * 2


def test_pending_deliveries_go_on_after_a_restart(tmp_path: Path, clock: Clock, receiver: Receiver) -> None:
    path = tmp_path / "state.json"
    receiver.statuses = [500, 200]
    before = make_world(clock, path=path)
    delivery_id = ping(before)
    make_sender(before, receiver).send_due()

    after = make_world(clock, path=path)
    clock.advance(seconds=10)
    make_sender(after, receiver).send_due()
    assert receiver.ids() == [delivery_id] * 2
    assert [attempt.http_status for attempt in stored(after, delivery_id).attempts] == [500, 200]


@pytest.fixture
def start_thread(receiver: Receiver) -> Iterator[Callable[[World, float], Sender]]:
    senders: list[Sender] = []

    def start(world: World, factor: float) -> Sender:
        senders.append(Sender(world, Endpoint(receiver.url, SECRET), retry_factor=factor))
        senders[-1].start()
        return senders[-1]

    yield start
    for sender in senders:
        sender.stop()


def test_the_thread_sends_and_retries_by_itself(
    receiver: Receiver, start_thread: Callable[[World, float], Sender]
) -> None:
    receiver.statuses = [500, 500, 200]
    world = World(StateFile(None), has_endpoint=True, clock=utc_now)
    start_thread(world, 0.001)
    delivery_id = ping(world)
    wait_until(lambda: stored(world, delivery_id).status == "delivered", what="two retries")
    assert receiver.ids() == [delivery_id] * 3


def test_a_redelivery_wakes_the_thread(receiver: Receiver, start_thread: Callable[[World, float], Sender]) -> None:
    receiver.statuses = [500, 200]
    world = World(StateFile(None), has_endpoint=True, clock=utc_now)
    start_thread(world, 1000)
    delivery_id = ping(world)
    wait_until(lambda: stored(world, delivery_id).attempts, what="the first try")
    with world.change() as moment:
        redeliver(moment, delivery_id)
    wait_until(lambda: stored(world, delivery_id).status == "delivered", what="the redelivery")


def test_without_an_endpoint_no_thread_starts(world: World) -> None:
    sender = Sender(world, None, retry_factor=1)
    sender.start()
    ping(world)
    assert sender.send_due() == 0
    sender.stop()


def test_mishaps_that_are_drawn_befall_one_delivery_each(clock: Clock, receiver: Receiver) -> None:
    mishaps = [Mishap(is_dropped=True), Mishap(is_doubled=True), Mishap(is_reordered=True), Mishap(is_reordered=True)]
    world = make_world(clock, mishaps=mishaps)
    sender = make_sender(world, receiver)
    dropped, doubled, held, following = [ping(world) for _ in range(4)]
    clock.advance(seconds=1)
    sender.send_due()
    assert receiver.ids() == [doubled, doubled, following, held]
    assert stored(world, dropped).attempts == ()


def test_a_delivery_that_is_held_by_chance_goes_out_by_itself_in_the_end(clock: Clock, receiver: Receiver) -> None:
    world = make_world(clock, mishaps=[Mishap(is_reordered=True)])
    sender, held = make_sender(world, receiver), ping(world)
    clock.advance(seconds=4.9)
    assert sender.send_due() == 0
    clock.advance(seconds=0.1)
    sender.send_due()
    assert receiver.ids() == [held]


def test_a_reset_while_a_delivery_is_on_its_way_does_no_harm(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = make_sender(world, receiver)
    ping(world)

    def reset_and_accept(headers: Mapping[str, str], body: bytes) -> int:
        world.reset()
        return 200

    monkeypatch.setattr(receiver, "answer", reset_and_accept)
    assert sender.send_due() == 1
    assert world.read().state.deliveries == {}
