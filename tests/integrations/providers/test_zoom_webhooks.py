"""Zoom's webhooks: signature, handshake, delivery ids and events."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.events import OnlineMeetingChanged, RegistrantChanged
from integrations.exceptions import MalformedError, PayloadError
from integrations.providers import get_provider
from integrations.providers.base import IncomingRequest
from integrations.providers.zoom.webhook import MEETING_CHANGES, REGISTRANT_CHANGES
from tests.contract_check import IS_HERE, SHARED, WHY_NOT

ZOOM = get_provider("zoom")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
TIMESTAMP = str(int(NOW.timestamp()))
REGISTRANT = {"id": "r1", "email": "zoe@example.com", "first_name": "Zoe", "join_url": "https://zoom.us/w/1"}
needs_vectors = pytest.mark.skipif(not IS_HERE, reason=WHY_NOT)


def make_body(event: str = "meeting.updated", *, event_ts: Any = 1795359059123, **payload: Any) -> dict[str, Any]:
    """`registrant` is added to the meeting; what else is given stands in the payload."""
    meeting: dict[str, Any] = {"id": "85746065432", "uuid": "4444AAAiAAAAAiAiAiiAii==", "topic": "Demo"}
    if "registrant" in payload:
        meeting["registrant"] = payload.pop("registrant")
    return {"event": event, "event_ts": event_ts, "payload": {"account_id": "A1", "object": meeting, **payload}}


def encode(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def sign(body: bytes, secret: str, timestamp: str = TIMESTAMP) -> str:
    return "v0=" + hmac.new(secret.encode(), f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()


def incoming(body: Any, *, secret: str = "s3", timestamp: str = TIMESTAMP, **headers: str) -> IncomingRequest:
    raw = encode(body)
    sent = {"x-zm-request-timestamp": timestamp, "x-zm-signature": sign(raw, secret, timestamp), **headers}
    return IncomingRequest(sent, raw, received_at=NOW)


def vectors() -> dict[str, Any]:
    return json.loads((SHARED / "signature_vectors.json").read_text())["zoom"]


# --- Signatures -------------------------------------------------------------------------------------------------------


@needs_vectors
def test_signature_vectors():
    for vector in vectors()["vectors"]:
        headers = {"x-zm-signature": vector["signature"], "x-zm-request-timestamp": vector["timestamp"]}
        received_at = datetime.fromtimestamp(int(vector["timestamp"]), UTC)
        request = IncomingRequest(headers, vector["body"].encode(), received_at=received_at)
        assert ZOOM.verify(request, [vector["secret_token"]]) == vector["valid"]
        assert ZOOM.verify(request, ["another", vector["secret_token"]]) == vector["valid"]
        assert not ZOOM.verify(request, ["another"])


def test_raw_body_is_what_is_signed():
    body = '{"event":  "meeting.updated", "topic": "Ünï/code"}'.encode()
    assert ZOOM.verify(incoming(body), ["old", "s3"])
    assert not ZOOM.verify(IncomingRequest(incoming(body).headers, body + b" ", received_at=NOW), ["s3"])


def test_signature_is_the_one_computed_by_hand():
    request = IncomingRequest(
        {
            "x-zm-request-timestamp": "1795348800",
            "x-zm-signature": "v0=" + hmac.new(b"s3", b'v0:1795348800:{"a":1}', hashlib.sha256).hexdigest(),
        },
        b'{"a":1}',
        received_at=datetime.fromtimestamp(1795348800, UTC),
    )
    assert ZOOM.verify(request, ["s3"])
    assert not ZOOM.verify(request, ["s4"])
    assert not ZOOM.verify(request, [])


@pytest.mark.parametrize(("age_s", "is_valid"), [(-301, False), (-300, True), (0, True), (300, True), (301, False)])
def test_timestamp_counts_for_five_minutes_to_either_side(age_s, is_valid):
    timestamp = str(int((NOW - timedelta(seconds=age_s)).timestamp()))
    assert ZOOM.verify(incoming(make_body(), timestamp=timestamp), ["s3"]) == is_valid


@pytest.mark.parametrize("timestamp", ["", "x", "1795348800.5", " 1795348800", "-1", "9" * 400, "١٧٩٥٣٤٨٨٠٠", "é"])
def test_timestamp_that_is_no_number_does_not_verify(timestamp):
    assert not ZOOM.verify(incoming(make_body(), timestamp=timestamp), ["s3"])


@pytest.mark.parametrize("signature", ["", "v0=", "v0", "=", "é", "\udcff", "v0=\udcff", "v0=" + "x" * 10_000])
def test_what_is_no_signature_does_not_verify_and_raises_nothing(signature):
    assert not ZOOM.verify(incoming(make_body(), **{"x-zm-signature": signature}), ["s3"])


def test_signature_of_another_version_does_not_verify():
    request = incoming(make_body())
    signature = request.headers["x-zm-signature"].replace("v0=", "v1=")
    assert not ZOOM.verify(incoming(make_body(), **{"x-zm-signature": signature}), ["s3"])


def test_request_without_headers_does_not_verify():
    assert not ZOOM.verify(IncomingRequest({}, encode(make_body()), received_at=NOW), ["s3"])


# --- The handshake ----------------------------------------------------------------------------------------------------


def validation(token: Any = "qgg8vlvZRS6UYooatFL8Aw") -> dict[str, Any]:
    return {"event": "endpoint.url_validation", "event_ts": 1795359060000, "payload": {"plainToken": token}}


@needs_vectors
def test_handshake_vector():
    vector = vectors()["url_validation"]
    secret = vectors()["vectors"][0]["secret_token"]
    answer = ZOOM.handshake(incoming(vector["request_body"], secret=secret), [secret])
    assert answer == vector["response"]


def test_handshake_is_signed_with_the_secret_that_signed_the_request():
    expected = hmac.new(b"s3", b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    answer = ZOOM.handshake(incoming(validation()), ["new", "s3", "old"])
    assert answer == {"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": expected}


def test_nothing_is_signed_for_a_request_that_is_not_verified():
    assert ZOOM.handshake(incoming(validation()), ["another"]) is None


@pytest.mark.parametrize("body", [make_body(), {"event": "endpoint.url_validation"}, [], b"{", b"\xff"])
def test_other_requests_are_no_handshake(body):
    assert ZOOM.handshake(incoming(body), ["s3"]) is None


@pytest.mark.parametrize("token", [None, 7, "", "é", "\ud800", ["x"]])
def test_handshake_without_a_token_is_malformed_and_named(token):
    request = incoming(validation(token))
    assert ZOOM.handshake(request, ["s3"]) is None
    with pytest.raises(MalformedError) as caught:
        ZOOM.read_envelope(request)
    assert caught.value.field == "payload.plainToken"


# --- Envelopes --------------------------------------------------------------------------------------------------------


def test_envelope_names_the_event_and_the_meeting():
    envelope = ZOOM.read_envelope(incoming(make_body()))
    assert envelope.event_type == "meeting.updated"
    assert envelope.subject == "zoom:85746065432"
    assert envelope.delivery_id.startswith("zm_")
    assert len(envelope.delivery_id) == 43


def test_delivery_that_is_sent_again_has_the_same_id():
    later = str(int(TIMESTAMP) + 299)
    first, again = incoming(make_body()), incoming(make_body(), timestamp=later)
    assert ZOOM.read_envelope(first).delivery_id == ZOOM.read_envelope(again).delivery_id
    assert ZOOM.read_delivery_id(first) == ZOOM.read_envelope(first).delivery_id


def test_meeting_id_is_the_same_as_a_number_and_as_a_text():
    number = make_body()
    number["payload"]["object"]["id"] = 85746065432
    assert ZOOM.read_envelope(incoming(number)) == ZOOM.read_envelope(incoming(make_body()))


@pytest.mark.parametrize(
    "other",
    [
        make_body("meeting.deleted"),
        make_body(event_ts=1795359059124),
        make_body(object={"id": "85746065433"}),
        make_body(registrant={"id": "r1"}),
        make_body(registrant={"id": "r2"}),
    ],
)
def test_other_deliveries_have_other_ids(other):
    assert ZOOM.read_envelope(incoming(other)).delivery_id != ZOOM.read_envelope(incoming(make_body())).delivery_id


@pytest.mark.parametrize("payload", [{}, {"object": None}, {"object": []}, {"object": {}}, {"object": {"id": None}}])
def test_delivery_about_no_meeting_is_taken_without_a_subject(payload):
    body = {"event": "app_deauthorized", "event_ts": 1795359059123, "payload": payload}
    assert ZOOM.read_envelope(incoming(body)).subject == ""


@pytest.mark.parametrize("name", ["event", "event_ts", "payload"])
@pytest.mark.parametrize("value", [None, True, [], 1.5])
def test_envelope_with_a_field_of_the_wrong_type_is_malformed_and_named(name, value):
    request = incoming({**make_body(), name: value})
    with pytest.raises(MalformedError) as caught:
        ZOOM.read_envelope(request)
    assert caught.value.field == name
    assert ZOOM.read_delivery_id(request) == ""


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b"\xff", b'{"event": NaN}'])
def test_body_that_is_no_object_is_malformed(body):
    with pytest.raises(MalformedError):
        ZOOM.read_envelope(incoming(body))
    assert ZOOM.read_delivery_id(incoming(body)) == ""


def test_texts_that_cannot_be_stored_are_cleaned():
    envelope = ZOOM.read_envelope(incoming(make_body("meeting.\x00updated\ud800" * 10, object={"id": "7\x00\ud800"})))
    assert envelope.subject == "zoom:7\ufffd"
    assert len(envelope.event_type) == 64
    assert "\x00" not in envelope.event_type


# --- Events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("event_type", "change"), MEETING_CHANGES.items())
def test_changed_meeting_is_read(event_type, change):
    parsed = ZOOM.parse(encode(make_body(event_type)))
    changed_at = datetime(2026, 11, 22, 14, 50, 59, 123000, tzinfo=UTC)
    assert parsed.events == [OnlineMeetingChanged(event_type, "85746065432", change, changed_at)]
    assert parsed.notes == ()


@pytest.mark.parametrize(("event_type", "change"), REGISTRANT_CHANGES.items())
def test_changed_registrant_is_read(event_type, change):
    (event,) = ZOOM.parse(encode(make_body(event_type, registrant=REGISTRANT))).events
    assert isinstance(event, RegistrantChanged)
    assert (event.type, event.external_id, event.registrant_id) == (event_type, "85746065432", "r1")
    assert (event.email, event.join_url, event.change) == ("zoe@example.com", "https://zoom.us/w/1", change)


def test_registrant_may_lack_id_and_link():
    body = make_body("meeting.registration_cancelled", registrant={"email": "zoe@example.com"})
    (event,) = ZOOM.parse(encode(body)).events
    assert (event.registrant_id, event.join_url) == ("", "")


@pytest.mark.parametrize(("operation", "change"), [("single", "updated"), ("all", "deleted"), (None, "deleted")])
def test_deleting_one_occurrence_does_not_delete_the_meeting(operation, change):
    (event,) = ZOOM.parse(encode(make_body("meeting.deleted", operation=operation))).events
    assert event.change == change


@pytest.mark.parametrize("event_type", ["webinar.updated", "meeting.created", "meeting.participant_joined", "x"])
def test_unknown_event_is_known_as_such(event_type):
    parsed = ZOOM.parse(encode({"event": event_type, "event_ts": 1, "payload": {}}))
    assert not parsed.is_known
    assert not parsed.events


def test_stored_handshake_is_no_event():
    parsed = ZOOM.parse(encode(validation()))
    assert parsed.is_known
    assert not parsed.events


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"event": 7}, "event"),
        ({"event_ts": "1795359059123"}, "event_ts"),
        ({"event_ts": -1}, "event_ts"),
        ({"event_ts": 2**62}, "event_ts"),
        ({"payload": []}, "payload"),
        ({"payload": {}}, "payload.object"),
        ({"payload": {"object": {}}}, "payload.object.id"),
        ({"payload": {"object": {"id": " "}}}, "payload.object.id"),
        ({"payload": {"object": {"id": {}}}}, "payload.object.id"),
    ],
)
def test_event_that_cannot_be_read_names_the_field(change, field):
    with pytest.raises(PayloadError) as caught:
        ZOOM.parse(encode({**make_body(), **change}))
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("registrant", "field"), [(None, ""), ([], ""), ({"id": "r1"}, ".email"), ({"id": 7, "email": "a@b.co"}, ".id")]
)
def test_registrant_who_cannot_be_read_is_named_by_field(registrant, field):
    with pytest.raises(PayloadError) as caught:
        ZOOM.parse(encode(make_body("meeting.registration_created", registrant=registrant)))
    assert caught.value.field == f"payload.object.registrant{field}"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff"])
def test_body_that_is_no_object_is_a_payload_error(body):
    with pytest.raises(PayloadError):
        ZOOM.parse(body)


def test_what_is_shown_names_nobody():
    shown = ZOOM.visible_keys
    assert {"event", "event_ts", "id", "uuid"} <= shown
    assert not {"email", "first_name", "last_name", "operator", "topic", "agenda", "join_url", "user_name"} & shown
