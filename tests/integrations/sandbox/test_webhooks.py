"""The sender of Stripe's, HubSpot's, Zoom's and Pipedrive's webhooks."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from integrations.sandbox import webhooks
from integrations.sandbox.persistence import StateFile
from integrations.sandbox.signing import SCHEMES, Endpoint
from integrations.sandbox.webhooks import UnknownDeliveryError, WebhookKnobs, WebhookSender
from tests.integrations.sandbox.support import ROOT, Clock, Receiver, wait_until

VECTORS_PATH = ROOT.parent / "shared" / "contracts" / "signature_vectors.json"
SECRET = "whsec_test_4d2f"


def make_sender(
    receiver: Receiver,
    clock: Clock,
    *,
    provider: str = "stripe",
    knobs: WebhookKnobs | None = None,
    file: StateFile | None = None,
) -> WebhookSender:
    return WebhookSender(
        provider,
        SCHEMES[provider],
        Endpoint(receiver.url, SECRET),
        file=file or StateFile(None),
        knobs=lambda: knobs or WebhookKnobs(),
        draw=lambda: 0.5,
        clock=clock,
    )


def numbers(receiver: Receiver) -> list[int]:
    return [json.loads(body)["n"] for _, body in receiver.requests]


def vectors(provider: str) -> list[dict[str, Any]]:
    if not VECTORS_PATH.exists():
        pytest.skip(f"{VECTORS_PATH} is missing")
    found: list[dict[str, Any]] = json.loads(VECTORS_PATH.read_text(encoding="utf-8"))[provider]["vectors"]
    return [vector for vector in found if vector["valid"] and "why" not in vector]


def test_stripe_signatures_are_those_of_its_sdk() -> None:
    for vector in vectors("stripe"):
        at = datetime.fromtimestamp(vector["timestamp"], tz=UTC)
        headers = SCHEMES["stripe"].sign(Endpoint("", vector["secret"]), vector["body"].encode(), at)
        assert headers == {"Stripe-Signature": vector["signature_header"]}


def test_hubspot_signatures_are_those_of_its_sdk() -> None:
    for vector in vectors("hubspot"):
        at = datetime.fromtimestamp(int(vector["timestamp"]) / 1000, tz=UTC)
        endpoint = Endpoint(vector["uri_on_the_wire"], vector["client_secret"])
        headers = SCHEMES["hubspot"].sign(endpoint, vector["body"].encode(), at)
        assert headers["X-HubSpot-Signature-v3"] == vector["signature"]
        assert headers["X-HubSpot-Request-Timestamp"] == vector["timestamp"]


def test_zoom_signatures_are_those_of_its_sdk() -> None:
    for vector in vectors("zoom"):
        at = datetime.fromtimestamp(int(vector["timestamp"]), tz=UTC)
        headers = SCHEMES["zoom"].sign(Endpoint("", vector["secret_token"]), vector["body"].encode(), at)
        assert headers == {"x-zm-signature": vector["signature"], "x-zm-request-timestamp": vector["timestamp"]}


def test_each_provider_signs_in_its_own_way() -> None:
    at, body = datetime.fromtimestamp(1_795_359_060, tz=UTC), b'{"a":1}'
    endpoint = Endpoint("https://a.example/%7Eme/?b=c%40d", "user:word")

    def digest(message: bytes) -> bytes:
        return hmac.new(b"user:word", message, hashlib.sha256).digest()

    signatures = {name: scheme.sign(endpoint, body, at) for name, scheme in SCHEMES.items()}
    hubspot = digest(b'POSThttps://a.example/%7Eme/?b=c@d{"a":1}1795359060000')
    assert signatures == {
        "stripe": {"Stripe-Signature": f"t=1795359060,v1={digest(b'1795359060.' + body).hex()}"},
        "hubspot": {
            "X-HubSpot-Signature-v3": base64.b64encode(hubspot).decode(),
            "X-HubSpot-Request-Timestamp": "1795359060000",
        },
        "zoom": {
            "x-zm-signature": f"v0={digest(b'v0:1795359060:' + body).hex()}",
            "x-zm-request-timestamp": "1795359060",
        },
        "pipedrive": {"Authorization": "Basic dXNlcjp3b3Jk"},
    }


def test_a_delivery_is_posted_with_the_signature_of_its_bytes(receiver: Receiver, clock: Clock) -> None:
    sender = make_sender(receiver, clock)
    sender.send({"name": "Zoë"}, subject="session cs_1")
    assert sender.send_due() == 1

    ((headers, body),) = receiver.requests
    assert json.loads(body) == {"name": "Zoë"}
    assert headers["content-type"] == "application/json"
    expected = SCHEMES["stripe"].sign(Endpoint(receiver.url, SECRET), body, clock.now)
    assert headers["stripe-signature"] == expected["Stripe-Signature"]
    (delivery,) = sender.deliveries()
    assert (delivery.status, delivery.subject) == ("delivered", "session cs_1")
    assert [attempt.http_status for attempt in delivery.attempts] == [200]


def test_failures_are_tried_again_at_the_providers_times_until_none_is_left(receiver: Receiver, clock: Clock) -> None:
    receiver.statuses = [500]
    sender = make_sender(receiver, clock, provider="zoom")
    sender.send({"n": 1})
    for pause_s in (0, 300, 1200, 3600):
        if pause_s:
            clock.advance(seconds=pause_s - 0.1)
            assert sender.send_due() == 0
            clock.advance(seconds=0.1)
        assert sender.send_due() == 1
    clock.advance(days=30)
    assert sender.send_due() == 0
    assert sender.deliveries()[0].status == "failed"
    assert len({body for _, body in receiver.requests}) == 1


def test_a_retry_is_signed_anew_and_hubspot_counts_its_attempts(receiver: Receiver, clock: Clock) -> None:
    receiver.statuses = [500, 200]
    sender = make_sender(receiver, clock, provider="hubspot")
    sender.send([{"eventId": 1, "attemptNumber": 0}])
    sender.send_due()
    clock.advance(minutes=1)
    sender.send_due()

    (first, second) = receiver.requests
    assert [json.loads(first[1]), json.loads(second[1])] == [
        [{"eventId": 1, "attemptNumber": 0}],
        [{"eventId": 1, "attemptNumber": 1}],
    ]
    assert first[0]["x-hubspot-signature-v3"] != second[0]["x-hubspot-signature-v3"]
    assert sender.deliveries()[0].status == "delivered"


def test_a_dropped_delivery_is_logged_but_never_posted(receiver: Receiver, clock: Clock) -> None:
    sender = make_sender(receiver, clock, knobs=WebhookKnobs(drop=0.6))
    assert sender.send({"n": 1}).status == "dropped"
    clock.advance(days=1)
    assert sender.send_due() == 0
    assert receiver.requests == []


def test_a_doubled_delivery_is_posted_twice(receiver: Receiver, clock: Clock) -> None:
    sender = make_sender(receiver, clock, knobs=WebhookKnobs(double=0.6))
    sender.send({"n": 1})
    assert sender.send_due() == 1
    assert numbers(receiver) == [1, 1]
    assert len(sender.deliveries()[0].attempts) == 2


def test_reordered_deliveries_swap_in_pairs(receiver: Receiver, clock: Clock) -> None:
    sender = make_sender(receiver, clock, knobs=WebhookKnobs(reorder=0.6))
    for number in range(1, 5):
        sender.send({"n": number})
        clock.advance(seconds=1)
        sender.send_due()
    assert numbers(receiver) == [2, 1, 4, 3]


def test_a_delivery_that_is_held_back_goes_out_by_itself_in_the_end(receiver: Receiver, clock: Clock) -> None:
    sender = make_sender(receiver, clock, knobs=WebhookKnobs(reorder=0.6))
    sender.send({"n": 1})
    clock.advance(seconds=4.9)
    assert sender.send_due() == 0
    clock.advance(seconds=0.1)
    assert sender.send_due() == 1


def test_without_an_endpoint_a_delivery_is_logged_as_failed(clock: Clock) -> None:
    sender = WebhookSender("zoom", SCHEMES["zoom"], None, file=StateFile(None), clock=clock)
    sender.start()
    assert sender.send({"n": 1}).note == "no endpoint is configured"
    assert sender.send_due() == 0
    sender.stop()


def test_a_redelivery_posts_the_same_bytes_again(receiver: Receiver, clock: Clock) -> None:
    sender = make_sender(receiver, clock)
    delivery = sender.send({"n": 1})
    sender.send_due()
    sender.redeliver(delivery.id)
    sender.send_due()
    assert numbers(receiver) == [1, 1]
    sender.clear()
    assert sender.deliveries() == []
    with pytest.raises(UnknownDeliveryError):
        sender.redeliver(delivery.id)


def test_the_log_forgets_its_oldest_deliveries(
    receiver: Receiver, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "KEPT", 3)
    sender = make_sender(receiver, clock, knobs=WebhookKnobs(drop=1))
    for number in range(5):
        sender.send({"n": number})
    assert [json.loads(delivery.body)["n"] for delivery in sender.deliveries()] == [4, 3, 2]


def test_pending_deliveries_go_on_after_a_restart(receiver: Receiver, clock: Clock, tmp_path: Path) -> None:
    receiver.statuses = [500, 200]
    before = make_sender(receiver, clock, file=StateFile(tmp_path / "state.json"))
    before.send({"n": 1})
    before.send_due()
    clock.advance(minutes=1)
    after = make_sender(receiver, clock, file=StateFile(tmp_path / "state.json"))
    after.send_due()
    assert [attempt.http_status for attempt in after.deliveries()[0].attempts] == [500, 200]


def test_the_thread_sends_by_itself(receiver: Receiver, request: pytest.FixtureRequest) -> None:
    sender = WebhookSender("zoom", SCHEMES["zoom"], Endpoint(receiver.url, SECRET), file=StateFile(None))
    stop: Callable[[], None] = sender.stop
    request.addfinalizer(stop)
    sender.start()
    sender.send({"n": 1})
    wait_until(lambda: sender.deliveries()[0].status == "delivered", what="the delivery")
