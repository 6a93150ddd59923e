"""Stripe's webhooks: signatures, envelopes, and what became of a payment."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest

from integrations.events import PaymentChanged
from integrations.exceptions import MalformedError, PayloadError
from integrations.providers import get_provider
from integrations.providers.base import IncomingRequest
from integrations.providers.stripe.webhook import READERS, VISIBLE_KEYS
from tests.contract_check import IS_HERE, SHARED, WHY_NOT
from tests.factories import encode

STRIPE = get_provider("stripe")
SECRET, OLD_SECRET = "whsec_current", "whsec_before"
NOW = datetime(2026, 11, 22, 14, 51, tzinfo=UTC)
CREATED = 1795359060
SESSION = {
    "id": "cs_test_a1",
    "object": "checkout.session",
    "payment_status": "paid",
    "payment_intent": "pi_1",
    "amount_total": 1500,
    "currency": "eur",
    "client_reference_id": "meeting-1",
    "metadata": {"keepsync_meeting": "meeting-1"},
    "customer_details": {"email": "zoe.okafor@example.com", "name": "Zoe Okafor"},
}
CHARGE = {
    "id": "ch_1",
    "object": "charge",
    "payment_intent": "pi_1",
    "amount": 1500,
    "amount_refunded": 1500,
    "refunded": True,
    "currency": "eur",
    "metadata": {"keepsync_meeting": "meeting-1"},
}
DISPUTE = {
    "id": "dp_1",
    "object": "dispute",
    "charge": "ch_1",
    "payment_intent": "pi_1",
    "amount": 1500,
    "currency": "eur",
    "status": "needs_response",
    "metadata": {},
}
PAID = "checkout.session.completed"


def make_event(event_type=PAID, found=None, **fields):
    event = {
        "id": "evt_1",
        "object": "event",
        "type": event_type,
        "created": CREATED,
        "livemode": False,
        "pending_webhooks": 1,
        "data": {"object": SESSION if found is None else found},
    }
    return {**event, **fields}


def make_request(body, header=None, received_at=NOW):
    return IncomingRequest({} if header is None else {"stripe-signature": header}, encode(body), received_at)


def digest(body, timestamp=CREATED, secret=SECRET):
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def is_signed(header, body=b"{}", secrets=(SECRET,), received_at=NOW):
    return STRIPE.verify(make_request(body, header, received_at), list(secrets))


def parse_one(event_type, found):
    parsed = STRIPE.parse(encode(make_event(event_type, found)))
    (event,) = parsed.events
    assert isinstance(event, PaymentChanged)
    assert parsed.is_known
    assert event.type == event_type
    assert event.changed_at == datetime(2026, 11, 22, 14, 51, tzinfo=UTC)
    return event


# --- Signatures ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not IS_HERE, reason=WHY_NOT)
def test_vectors_made_with_stripes_own_sdk():
    vectors = json.loads((SHARED / "signature_vectors.json").read_text())["stripe"]["vectors"]
    assert {vector["valid"] for vector in vectors} == {True, False}
    for vector in vectors:
        received_at = datetime.fromtimestamp(vector["timestamp"] + 10, UTC)
        request = make_request(vector["body"].encode(), vector["signature_header"], received_at)
        assert STRIPE.verify(request, [vector["secret"]]) == vector["valid"]
        assert STRIPE.verify(request, ["whsec_another", vector["secret"]]) == vector["valid"]
        assert not STRIPE.verify(request, ["whsec_another"])


def test_signature_is_of_timestamp_and_raw_body_under_the_whole_secret():
    body = '{"name": "Zoé",\r\n "n": 1.0}'.encode()
    assert is_signed(f"t={CREATED},v1={digest(body)}", body)
    assert not is_signed(f"t={CREATED},v1={digest(body)}", body + b" ")
    assert not is_signed(f"t={CREATED + 1},v1={digest(body)}", body)
    assert not is_signed(f"t={CREATED},v1={digest(body, secret='current')}", body)


def test_fixed_signature_verifies():
    """Worked out once with another tool: printf '1795359060.{}' | openssl dgst -sha256 -hmac whsec_current."""
    assert is_signed(f"t={CREATED},v1=7912f9342d1d6b615f538883768e7e1c40e1c1b5f42adccee441584805fbc7e9")


@pytest.mark.parametrize("secrets", [(SECRET, OLD_SECRET), (OLD_SECRET, SECRET)])
def test_any_v1_under_any_secret_verifies(secrets):
    old = digest(b"{}", secret=OLD_SECRET)
    assert is_signed(f"t={CREATED},v1={'0' * 64},v1={old},v0=abc", secrets=secrets)
    assert is_signed(f"t={CREATED}, v1={old}", secrets=secrets)


@pytest.mark.parametrize(
    ("age_s", "verifies"), [(0, True), (299, True), (300, True), (301, False), (86_400, False), (-3600, True)]
)
def test_signature_is_accepted_until_it_is_five_minutes_old(age_s, verifies):
    received_at = datetime.fromtimestamp(CREATED, UTC) + timedelta(seconds=age_s)
    assert is_signed(f"t={CREATED},v1={digest(b'{}')}", received_at=received_at) == verifies


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        ",",
        "t=,v1=",
        f"t={CREATED}",
        f"v1={digest(b'{}')}",
        f"t={CREATED},v0={digest(b'{}')}",
        f"t=now,v1={digest(b'{}', timestamp='now')}",
        f"t=-1,v1={digest(b'{}', timestamp=-1)}",
        f"t={'9' * 5000},v1={digest(b'{}', timestamp='9' * 5000)}",
        f"t=١,v1={digest(b'{}', timestamp='١')}",
        f"t={CREATED},v1={digest(b'{}').upper()}",
        f"t={CREATED},v1=\udcff",
        "v1=é,t=é",
    ],
)
def test_what_is_no_signature_does_not_verify_and_raises_nothing(header):
    assert not is_signed(header)


def test_without_secrets_nothing_verifies():
    assert not is_signed(f"t={CREATED},v1={digest(b'{}')}", secrets=())


# --- Envelopes -------------------------------------------------------------------------------------------------------


def test_envelope_has_the_events_id_and_type():
    request = make_request(make_event())
    envelope = STRIPE.read_envelope(request)
    assert (envelope.delivery_id, envelope.event_type, envelope.subject) == ("evt_1", PAID, "payment:pi_1")
    assert STRIPE.read_delivery_id(request) == "evt_1"


@pytest.mark.parametrize("name", ["id", "type"])
@pytest.mark.parametrize("value", [None, 7, [], True, ""])
def test_envelope_with_a_field_of_the_wrong_type_is_malformed_and_named(name, value):
    with pytest.raises(MalformedError) as caught:
        STRIPE.read_envelope(make_request(make_event(**{name: value})))
    assert caught.value.field == name


@pytest.mark.parametrize(("body", "field"), [(b"{", "body"), (b"[]", "body"), (make_event(id="e" * 129), "id")])
def test_body_that_is_no_event_is_malformed(body, field):
    with pytest.raises(MalformedError) as caught:
        STRIPE.read_envelope(make_request(body))
    assert caught.value.field == field


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", {"id": 7}, {}, {"id": None}])
def test_body_without_an_id_claims_none(body):
    assert STRIPE.read_delivery_id(make_request(body)) == ""


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (make_event("checkout.session.expired", {**SESSION, "payment_intent": None}), "payment:cs_test_a1"),
        (make_event("charge.refunded", CHARGE), "payment:pi_1"),
        (make_event("charge.dispute.created", DISPUTE), "payment:pi_1"),
        (make_event("charge.refunded", {**CHARGE, "payment_intent": None}), ""),
        (make_event("customer.created", {"id": "cus_1"}), ""),
        (make_event(data=None), ""),
        (make_event(data={"object": 7}), ""),
        (make_event(found={"id": 7, "payment_intent": []}), ""),
    ],
)
def test_subject_is_the_payment_and_empty_where_it_cannot_be_read(event, subject):
    assert STRIPE.read_envelope(make_request(event)).subject == subject


# --- Events ----------------------------------------------------------------------------------------------------------


def test_paid_session_is_read_whole():
    assert parse_one(PAID, SESSION) == PaymentChanged(
        type=PAID,
        session_id="cs_test_a1",
        payment_intent="pi_1",
        status="paid",
        amount=1500,
        currency="eur",
        client_reference="meeting-1",
        changed_at=datetime.fromtimestamp(CREATED, UTC),
    )


@pytest.mark.parametrize(
    ("event_type", "payment_status", "status"),
    [
        (PAID, "paid", "paid"),
        (PAID, "no_payment_required", "paid"),
        (PAID, "unpaid", "unpaid"),
        ("checkout.session.async_payment_succeeded", "paid", "paid"),
        ("checkout.session.async_payment_failed", "unpaid", "failed"),
        ("checkout.session.expired", "unpaid", "expired"),
    ],
)
def test_session_events_say_what_became_of_the_payment(event_type, payment_status, status):
    event = parse_one(event_type, {**SESSION, "payment_status": payment_status})
    assert (event.status, event.session_id) == (status, "cs_test_a1")


def test_session_that_nobody_paid_has_neither_intent_nor_amount():
    event = parse_one("checkout.session.expired", {"id": "cs_1", "payment_intent": None, "amount_total": None})
    assert (event.payment_intent, event.amount, event.currency, event.client_reference) == ("", None, "", "")


def test_charge_that_was_given_back_is_known_by_its_payment_intent():
    event = parse_one("charge.refunded", CHARGE)
    assert (event.status, event.session_id, event.payment_intent) == ("refunded", "", "pi_1")
    assert (event.amount, event.client_reference) == (1500, "meeting-1")


def test_partial_refund_changes_nothing_and_is_noted():
    parsed = STRIPE.parse(encode(make_event("charge.refunded", {**CHARGE, "refunded": False, "amount_refunded": 500})))
    assert (list(parsed.events), parsed.is_known) == ([], True)
    assert "amount_refunded" in parsed.notes[0]


@pytest.mark.parametrize(
    ("event_type", "status", "expected"),
    [
        ("charge.dispute.created", "needs_response", "disputed"),
        ("charge.dispute.created", "warning_needs_response", "disputed"),
        ("charge.dispute.closed", "won", "paid"),
        ("charge.dispute.closed", "warning_closed", "paid"),
        ("charge.dispute.closed", "lost", "refunded"),
    ],
)
def test_dispute_says_who_has_the_money(event_type, status, expected):
    assert parse_one(event_type, {**DISPUTE, "status": status}).status == expected


def test_dispute_that_ended_otherwise_changes_nothing_and_is_noted():
    parsed = STRIPE.parse(encode(make_event("charge.dispute.closed", {**DISPUTE, "status": "prevented"})))
    assert (list(parsed.events), parsed.is_known) == ([], True)
    assert "status" in parsed.notes[0]


@pytest.mark.parametrize(
    ("fields", "reference"),
    [
        ({"metadata": None}, "meeting-1"),
        ({"metadata": {}, "client_reference_id": None}, ""),
        ({"metadata": {"keepsync_meeting": "meeting-2"}}, "meeting-2"),
        ({"metadata": {}, "payment_link": "plink_1"}, ""),
    ],
)
def test_reference_is_ours_and_not_what_the_customer_of_a_payment_link_says(fields, reference):
    assert parse_one(PAID, {**SESSION, **fields}).client_reference == reference


@pytest.mark.parametrize("event_type", ["customer.created", "refund.created", "payment_intent.succeeded", "x.y"])
def test_other_types_are_unknown(event_type):
    parsed = STRIPE.parse(encode(make_event(event_type)))
    assert (list(parsed.events), parsed.is_known) == ([], False)


@pytest.mark.skipif(not IS_HERE, reason=WHY_NOT)
def test_stripes_own_examples_are_read():
    examples = json.loads((SHARED / "stripe" / "fixtures.json").read_text())
    assert not STRIPE.parse(encode(examples["event"])).is_known
    example = {**examples["event"], "type": PAID, "data": {"object": examples["checkout.session"]}}
    (event,) = STRIPE.parse(encode(example)).events
    assert isinstance(event, PaymentChanged)
    assert (event.status, event.payment_intent) == ("unpaid", "pi_1PgafyB7WZ01zgkWSjxsAJo3")


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (make_event(created=None), "created"),
        (make_event(created="2026-11-22"), "created"),
        (make_event(created=-1), "created"),
        (make_event(created=10**18), "created"),
        (make_event(data=[]), "data"),
        (make_event(data={}), "data.object"),
        (make_event(found={**SESSION, "id": None}), "data.object.id"),
        (make_event(found={**SESSION, "payment_status": "perhaps"}), "data.object.payment_status"),
        (make_event(found={**SESSION, "payment_intent": 7}), "data.object.payment_intent"),
        (make_event(found={**SESSION, "amount_total": "15.00"}), "data.object.amount_total"),
        (make_event(found={**SESSION, "amount_total": -1}), "data.object.amount_total"),
        (make_event(found={**SESSION, "metadata": []}), "data.object.metadata"),
        (make_event(found={**SESSION, "currency": 7}), "data.object.currency"),
        (make_event("charge.refunded", {**CHARGE, "amount": None}), "data.object.amount"),
        (make_event("charge.dispute.closed", {**DISPUTE, "status": None}), "data.object.status"),
    ],
)
def test_event_that_cannot_be_read_names_the_field(event, field):
    with pytest.raises(PayloadError) as caught:
        STRIPE.parse(encode(event))
    assert caught.value.field == field


def test_body_that_is_no_json_is_a_payload_error():
    with pytest.raises(PayloadError):
        STRIPE.parse(b"{")


@pytest.mark.parametrize("event_type", READERS)
@pytest.mark.parametrize("fields", [{"metadata": 7}, {"payment_intent": {}}, {"currency": []}])
def test_object_of_another_shape_is_a_payload_error_for_every_type(event_type, fields):
    found = {**CHARGE, **DISPUTE, **SESSION, "status": "won", **fields}
    with pytest.raises(PayloadError) as caught:
        STRIPE.parse(encode(make_event(event_type, found)))
    assert caught.value.field == f"data.object.{next(iter(fields))}"


@pytest.mark.parametrize(("event_type", "found"), [("charge.refunded", CHARGE), ("charge.dispute.created", DISPUTE)])
def test_charge_without_a_payment_intent_is_none_of_ours(event_type, found):
    parsed = STRIPE.parse(encode(make_event(event_type, {**found, "payment_intent": None})))
    assert (list(parsed.events), parsed.is_known) == ([], True)
    assert "payment_intent" in parsed.notes[0]


def test_payload_view_shows_no_personal_data():
    assert not VISIBLE_KEYS & {"email", "name", "phone", "customer_details", "customer_email", "url", "line1", "number"}
