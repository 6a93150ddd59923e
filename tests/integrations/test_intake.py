"""Every row of the answer table in tests/contracts/calendar_live/WEBHOOKS.md, and what is stored for it."""

import base64
import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from integrations import intake
from integrations.connections import set_status
from integrations.deliveries import process
from integrations.endpoints import Verified, load_endpoint
from integrations.exceptions import ReusedIdError, SignatureError
from integrations.models import Connection, Delivery, WebhookSecret
from integrations.providers.base import IncomingRequest
from integrations.webhook_secrets import add_secret, retire_secret
from tests.factories import CONTRACT, SECRET, encode, make_connection, make_payload, post_webhook, read_sample, sign

VECTORS = json.loads((CONTRACT / "signature_vectors.json").read_text())
Status = Delivery.Status


@pytest.fixture(autouse=True)
def _connection(calendar_live: Connection) -> None:
    """Every test has the connection calendar-live."""


def only_delivery() -> Delivery:
    return Delivery.objects.get()


def test_a_verified_webhook_is_stored_raw_and_its_job_queued() -> None:
    payload = read_sample("event_created")
    response = post_webhook(payload)
    assert (response.status_code, response.json()) == (200, {"status": "accepted"})
    delivery = only_delivery()
    assert (delivery.delivery_id, delivery.event_type, delivery.subject, delivery.status) == (
        "dlv_0001",
        "event.created",
        "9f27c1f4@calendar.live",
        Status.RECEIVED,
    )
    assert bytes(delivery.body) == encode(payload)
    assert delivery.headers["x-cl-signature"] == sign(encode(payload))
    job = SignedPackage.loads(OrmQ.objects.get().payload)
    assert (job["func"], job["args"]) == ("integrations.jobs.process_delivery", (str(delivery.pk),))


def test_a_repeat_is_answered_duplicate_and_counted_on_the_first_row() -> None:
    for _ in range(3):
        response = post_webhook(make_payload())
    assert (response.status_code, response.json()) == (200, {"status": "duplicate"})
    assert only_delivery().duplicates == 2
    assert OrmQ.objects.count() == 1


def test_the_same_id_with_another_body_is_409_both_are_kept_and_it_is_no_duplicate() -> None:
    post_webhook(make_payload(title="First"))
    response = post_webhook(make_payload(title="Second"))
    assert response.status_code == 409
    assert response.json()["code"] == "delivery_id_reused"
    second, first = Delivery.objects.all()
    assert (first.status, first.duplicates) == (Status.RECEIVED, 0)
    assert (second.status, second.cause) == (Status.REJECTED, "conflict")
    assert b"Second" in bytes(second.body)
    assert OrmQ.objects.count() == 1


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["name"] for vector in VECTORS])
def test_signature_vectors(vector: dict[str, Any]) -> None:
    make_connection("vectors", webhook_secret=vector["secret"])
    response = Client().post(
        "/webhooks/vectors/",
        data=base64.b64decode(vector["body_base64"]),
        content_type="application/json",
        headers={"X-CL-Signature": vector["signature"], "X-CL-Delivery-ID": "dlv_1"},
    )
    # None of the bodies is an envelope: what verifies gets as far as 400.
    assert response.status_code == (400 if vector["valid"] else 401)
    assert only_delivery().status == Status.REJECTED


@pytest.mark.parametrize("headers", [{"X-CL-Signature": None}, {"X-CL-Signature": "0" * 64}], ids=["missing", "wrong"])
def test_a_missing_or_wrong_signature_is_401_and_kept(headers: dict[str, str | None]) -> None:
    response = post_webhook(make_payload(), headers=headers)
    assert response.status_code == 401
    assert response.json()["code"] == "invalid_signature"
    delivery = only_delivery()
    assert (delivery.status, delivery.delivery_id, delivery.is_accepted) == (Status.REJECTED, "dlv_1", False)
    assert OrmQ.objects.count() == 0


def test_every_active_secret_verifies_and_a_retired_one_does_not(calendar_live: Connection) -> None:
    add_secret(calendar_live, "whsec_new")
    assert post_webhook(make_payload("dlv_old")).status_code == 200
    assert post_webhook(make_payload("dlv_new"), secret="whsec_new").status_code == 200
    retire_secret(calendar_live.webhook_secrets.order_by("pk")[:1].get(), force=True)
    assert post_webhook(make_payload("dlv_old2")).status_code == 401
    assert post_webhook(make_payload("dlv_new2"), secret="whsec_new").status_code == 200


def nested(levels: int) -> bytes:
    """An envelope whose objects and lists stand in each other so many levels deep."""
    inner = b"[" * (levels - 2) + b"]" * (levels - 2)
    return b'{"id":"dlv_1","type":"x","created_at":"","account_id":"","data":{"a":' + inner + b"}}"


ENVELOPE: dict[str, Any] = {
    "id": "dlv_1",
    "type": "ping",
    "created_at": "2026-11-20T08:00:00Z",
    "account_id": "acct",
    "data": {},
}
MALFORMED: dict[str, Any] = {
    "not JSON": b"{",
    "empty": b"",
    "not UTF-8": b"\xff\xfe{}",
    "UTF-16": json.dumps(ENVELOPE).encode("utf-16"),
    "NaN": b'{"id":"dlv_1","type":"x","created_at":"","account_id":"","data":{"a":NaN}}',
    "Infinity": b'{"id":"dlv_1","type":"x","created_at":"","account_id":"","data":{"a":-Infinity}}',
    "101 levels": nested(101),
    "100,000 levels": nested(100_000),
    "a list": b"[]",
    "id differs": {**ENVELOPE, "id": "dlv_2"},
    **{f"no {name}": {key: value for key, value in ENVELOPE.items() if key != name} for name in ENVELOPE},
    **{f"{name} is a number": {**ENVELOPE, name: 5} for name in ENVELOPE},
    "data is a list": {**ENVELOPE, "data": []},
}


@pytest.mark.parametrize("payload", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_the_envelope_is_400_kept_and_leaves_the_id_free(payload: Any) -> None:
    response = post_webhook(payload, headers={"X-CL-Delivery-ID": "dlv_1"})
    assert response.status_code == 400
    assert response.json()["code"] == "malformed"
    assert response.json()["field"]
    assert only_delivery().status == Status.REJECTED
    assert post_webhook(ENVELOPE).json() == {"status": "accepted"}


@pytest.mark.parametrize("delivery_id", [None, "", "x" * 129], ids=["missing", "empty", "129 characters"])
def test_a_delivery_id_that_is_missing_or_too_long_is_400(delivery_id: str | None) -> None:
    response = post_webhook({**ENVELOPE, "id": delivery_id or ""}, headers={"X-CL-Delivery-ID": delivery_id})
    assert (response.status_code, response.json()["field"]) == (400, "X-CL-Delivery-ID")


def test_the_longest_delivery_id_and_the_deepest_body_are_accepted() -> None:
    assert post_webhook({**ENVELOPE, "id": "x" * 128}).status_code == 200
    assert post_webhook(nested(100), headers={"X-CL-Delivery-ID": "dlv_1"}).status_code == 200


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_any_content_type_is_accepted(content_type: str) -> None:
    assert post_webhook(ENVELOPE, headers={"Content-Type": content_type}).status_code == 200


def test_a_key_that_stands_twice_counts_with_its_last_value() -> None:
    body = b'{"id":"dlv_0","id":"dlv_1","type":"ping","created_at":"","account_id":"","data":{}}'
    assert post_webhook(body).status_code == 200


def test_a_body_with_a_content_encoding_is_415_and_identity_is_none() -> None:
    assert post_webhook(ENVELOPE, headers={"Content-Encoding": "gzip"}).status_code == 415
    assert post_webhook(ENVELOPE, headers={"Content-Encoding": "identity"}).status_code == 200


def test_a_body_over_the_limit_is_413_and_one_at_the_limit_is_not() -> None:
    assert post_webhook(b" " * (intake.BODY_LIMIT + 1)).status_code == 413
    assert post_webhook(b" " * intake.BODY_LIMIT).status_code == 400
    assert Delivery.objects.count() == 1


def test_an_unknown_or_disabled_connection_is_404_and_nothing_is_stored(calendar_live: Connection) -> None:
    for slug in ("nobody", "n%00body", "ünknown"):
        assert post_webhook(ENVELOPE, slug=slug).status_code == 404
    assert post_webhook(ENVELOPE).status_code == 200
    set_status(calendar_live, Connection.Status.DISABLED)
    response = post_webhook({**ENVELOPE, "id": "dlv_2"})
    assert (response.status_code, response.json()["code"]) == (404, "unknown_connection")
    assert Delivery.objects.count() == 1


def test_the_address_without_its_last_slash_is_the_same() -> None:
    body = encode(ENVELOPE)
    headers = {"X-CL-Delivery-ID": "dlv_1", "X-CL-Signature": sign(body)}
    response = Client().post("/webhooks/calendar-live", data=body, content_type="application/json", headers=headers)
    assert response.json() == {"status": "accepted"}


def test_a_disabled_connection_is_seen_however_it_was_disabled() -> None:
    assert post_webhook(ENVELOPE).status_code == 200
    Connection.objects.update(status="disabled")
    assert post_webhook({**ENVELOPE, "id": "dlv_2"}).status_code == 404


def test_the_database_away_is_503_with_retry_after(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise psycopg.OperationalError("server closed the connection")

    monkeypatch.setattr(intake, "execute_store", fail)
    response = post_webhook(ENVELOPE)
    assert response.status_code == 503
    assert int(response["Retry-After"]) > 0


def test_other_methods_are_405_in_the_error_form() -> None:
    response = Client().get("/webhooks/calendar-live/")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert Delivery.objects.count() == 0


def test_a_first_delivery_and_a_duplicate_take_at_most_three_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    statements: list[str] = []
    for cursor in (psycopg.Cursor, psycopg.ClientCursor):
        original = cursor.execute

        def execute(self: Any, query: Any, *args: Any, _original: Any = original, **kwargs: Any) -> Any:
            statements.append(str(query))
            return _original(self, query, *args, **kwargs)

        monkeypatch.setattr(cursor, "execute", execute)
    counts = []
    for delivery_id in ("dlv_1", "dlv_1", "dlv_2"):
        statements.clear()
        assert post_webhook({**ENVELOPE, "id": delivery_id}).status_code == 200
        counts.append(len(statements))
    first, duplicate, second = counts
    assert first <= 3
    assert duplicate <= 2
    assert second <= 2


def test_rejected_requests_are_kept_up_to_a_number_in_an_hour(
    monkeypatch: pytest.MonkeyPatch, time_machine: Any
) -> None:
    monkeypatch.setattr(intake, "REJECTED_KEPT_PER_HOUR", 3)
    time_machine.move_to(timezone.now().replace(minute=10))
    for _ in range(5):
        assert post_webhook(ENVELOPE, secret="wrong").status_code == 401
    assert Delivery.objects.count() == 3
    time_machine.shift(timedelta(hours=1))
    assert post_webhook(ENVELOPE, secret="wrong").status_code == 401
    assert Delivery.objects.count() == 4


def test_a_rejected_request_is_taken_in_once_its_secret_is_known(calendar_live: Connection) -> None:
    payload = read_sample("event_created")
    assert post_webhook(payload, secret="whsec_forgotten").status_code == 401
    delivery = only_delivery()
    with pytest.raises(SignatureError):
        intake.verify_again(delivery)
    add_secret(calendar_live, "whsec_forgotten")
    intake.verify_again(delivery)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.delivery_id, delivery.error) == (Status.RECEIVED, "dlv_0001", "")
    process(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.status == Status.PROCESSED


def test_a_rejected_request_that_came_again_meanwhile_is_not_taken_in_twice(calendar_live: Connection) -> None:
    assert post_webhook(ENVELOPE, secret="whsec_forgotten").status_code == 401
    rejected = only_delivery()
    add_secret(calendar_live, "whsec_forgotten")
    assert post_webhook(ENVELOPE, secret="whsec_forgotten").status_code == 200
    with pytest.raises(ReusedIdError):
        intake.verify_again(rejected)


def test_a_batch_stores_each_row_and_counts_the_repeats_inside_it(calendar_live: Connection) -> None:
    endpoint = load_endpoint("calendar-live")
    requests = [
        IncomingRequest({"x-cl-delivery-id": delivery_id}, encode({**ENVELOPE, "id": delivery_id}))
        for delivery_id in ("dlv_1", "dlv_2", "dlv_1", "dlv_1")
    ]
    verified = [Verified(endpoint, endpoint.secrets[0], request) for request in requests]
    rows = [intake.make_row(each, endpoint.adapter.read_envelope(each.request)) for each in verified]
    first, second = rows[0].id, rows[1].id
    assert intake.store_rows(rows) == [
        (first, True, True),
        (second, True, True),
        (first, False, True),
        (first, False, True),
    ]
    assert list(Delivery.objects.order_by("id").values_list("delivery_id", "duplicates")) == [
        ("dlv_1", 2),
        ("dlv_2", 0),
    ]
    assert OrmQ.objects.count() == 2


def test_the_secret_and_the_body_are_not_in_clear_in_the_row() -> None:
    post_webhook(read_sample("event_created"))
    row = Delivery.objects.extra(select={"raw": "body::text || headers::text"}).values_list("raw", flat=True)[0]
    assert b"okafor" not in bytes.fromhex(row.replace("\\x", ""))
    assert WebhookSecret.objects.get().secret == SECRET
