"""calendar.live's adapter: signatures, envelopes, events, and the API as its contract says."""

import base64
import json
from datetime import UTC, datetime

import jsonschema
import pytest
import responses
import yaml

from integrations.events import BookingChanged
from integrations.exceptions import MalformedError, PayloadError, SetupError, TransientError
from integrations.providers import PROVIDERS, get_provider
from integrations.providers.base import Account, IncomingRequest, Provider
from integrations.providers.calendar_live.client import get_free_busy, list_calendars
from integrations.providers.calendar_live.webhook import EVENT_TYPES
from tests.factories import CONTRACT, SAMPLES, encode, make_payload, read_sample
from tests.provider_cases import QUOTED, Good, ProviderCases

VECTORS = json.loads((CONTRACT / "signature_vectors.json").read_text())
DOCUMENT = yaml.safe_load((CONTRACT / "openapi.yaml").read_text())
LIVE = get_provider("calendar_live")
START, END = datetime(2026, 11, 24, 8, tzinfo=UTC), datetime(2026, 11, 24, 18, tzinfo=UTC)
CALENDAR = {"id": "cal_1", "name": "Sales", "timezone": "Europe/Paris", "owner_email": "lea@acme.example"}


def account(**credentials):
    return Account("https://api.calendar.live", credentials=credentials or {"access_token": "token-1"})


def incoming(body, **headers):
    return IncomingRequest({name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.fixture
def stubs():
    with responses.RequestsMock() as stubs:
        yield stubs


# --- Signatures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_signature_vectors(vector):
    body = base64.b64decode(vector["body_base64"])
    request = incoming(body, x_cl_signature=vector["signature"])
    assert LIVE.verify(request, [vector["secret"]]) == vector["valid"]
    assert LIVE.verify(request, ["another", vector["secret"], "third"]) == vector["valid"]
    assert not LIVE.verify(request, ["another"])


@pytest.mark.parametrize("signature", [None, "", "sha256=", "é", "\udcff", "0" * 64, "x" * 10_000])
def test_what_is_no_signature_does_not_verify_and_raises_nothing(signature):
    headers = {} if signature is None else {"x_cl_signature": signature}
    assert not LIVE.verify(incoming(b"{}", **headers), ["secret"])


def test_without_secrets_nothing_verifies():
    assert not LIVE.verify(incoming(b"{}", x_cl_signature="0" * 64), [])


# --- Envelopes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_envelope_of_every_sample_is_read(path):
    payload = read_sample(path.stem)
    envelope = LIVE.read_envelope(incoming(encode(payload), x_cl_delivery_id=payload["id"]))
    assert (envelope.delivery_id, envelope.event_type) == (payload["id"], payload["type"])
    assert envelope.subject == payload["data"].get("event", {}).get("uid", "")


@pytest.mark.parametrize("name", ["id", "type", "created_at", "account_id", "data"])
@pytest.mark.parametrize("value", [None, 7, [], True])
def test_envelope_with_a_field_of_the_wrong_type_is_malformed_and_named(name, value):
    with pytest.raises(MalformedError) as caught:
        LIVE.read_envelope(incoming(encode({**make_payload(), name: value}), x_cl_delivery_id="dlv_1"))
    assert caught.value.field == name


@pytest.mark.parametrize(
    ("header", "field"), [("dlv_2", "id"), ("", "X-CL-Delivery-ID"), ("x" * 129, "X-CL-Delivery-ID")]
)
def test_header_that_is_not_the_bodys_id_is_malformed(header, field):
    with pytest.raises(MalformedError) as caught:
        LIVE.read_envelope(incoming(encode(make_payload()), x_cl_delivery_id=header))
    assert caught.value.field == field


def test_delivery_id_beyond_ascii_is_compared_as_utf_8():
    header = "dlv_é".encode().decode("latin-1")
    envelope = LIVE.read_envelope(incoming(encode(make_payload("dlv_é")), x_cl_delivery_id=header))
    assert envelope.delivery_id == "dlv_é"


@pytest.mark.parametrize("event", [None, [], {}, {"uid": None}, {"uid": 7}])
def test_subject_that_cannot_be_read_is_empty(event):
    body = encode({**make_payload(), "data": {"event": event}})
    assert LIVE.read_envelope(incoming(body, x_cl_delivery_id="dlv_1")).subject == ""


# --- Events ----------------------------------------------------------------------------------------------------------


def test_event_types_are_those_of_the_contract():
    named = DOCUMENT["components"]["schemas"]["Envelope"]["properties"]["type"]["enum"]
    assert {"ping", *EVENT_TYPES} == set(named)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_every_sample_is_one_that_the_contract_allows_and_is_read_without_notes(path):
    payload = read_sample(path.stem)
    if path.stem != "unknown_type":
        schema = {**DOCUMENT["components"]["schemas"]["Envelope"], "components": DOCUMENT["components"]}
        jsonschema.validate(payload, schema)
    parsed = LIVE.parse(encode(payload))
    assert parsed.is_known == (path.stem != "unknown_type")
    assert parsed.notes == ()
    assert [type(event) for event in parsed.events] == [BookingChanged] * ("event" in payload["data"])


def test_event_is_read_as_typed_with_empty_texts_for_unknown_values():
    payload = make_payload(description=None, join_url=None, attendee={"phone": None, "country": "fr"})
    (event,) = LIVE.parse(encode(payload)).events
    booking = event.booking
    assert (event.type, booking.uid, booking.version) == ("event.created", "9f27c1f4@calendar.live", 1)
    assert (booking.description, booking.join_url, booking.payment, booking.rrule) == ("", "", None, "")
    attendee = booking.attendees[0]
    assert (attendee.email, attendee.phone, attendee.country) == (" Zoe.Okafor@Example.COM ", "", "FR")


def test_cut_email_is_never_anothers():
    payload = make_payload(attendee={"email": "zoe@example.co" + "m" * 600})
    (event,) = LIVE.parse(encode(payload)).events
    assert event.booking.attendees[0].email.endswith("…")


@pytest.mark.parametrize("currency", ["", "eu", "euros", "e€r", "İİİ"])
def test_currency_that_is_no_code_is_refused(currency):
    payment = {"session_id": "cs_1", "status": "paid", "amount": 1, "currency": currency}
    with pytest.raises(PayloadError, match=r"data\.event\.payment\.currency"):
        LIVE.parse(encode(make_payload(payment=payment)))


def test_body_that_is_no_json_is_a_payload_error():
    with pytest.raises(PayloadError):
        LIVE.parse(b"{")


# --- The API ---------------------------------------------------------------------------------------------------------


def stub(stubs, path, answer):
    """An answer that the contract allows."""
    operation = DOCUMENT["paths"][path]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(answer, {**schema, "components": DOCUMENT["components"]})
    return stubs.get(f"https://api.calendar.live{path}", json=answer)


def test_calendars_are_listed(stubs):
    call = stub(stubs, "/v1/calendars", {"items": [CALENDAR]})
    (calendar,) = list_calendars(account())
    assert (calendar.id, calendar.name, calendar.timezone) == ("cal_1", "Sales", "Europe/Paris")
    assert call.calls[0].request.headers["Authorization"] == "Bearer token-1"


def test_connection_test_says_what_was_found(stubs):
    stub(stubs, "/v1/calendars", {"items": [CALENDAR, {**CALENDAR, "name": "Support"}]})
    assert LIVE.test(account()) == "calendar.live answers; 2 calendars: Sales, Support."


def test_free_and_busy_times_are_read(stubs):
    interval = {"start": "2026-11-24T09:00:00Z", "end": "2026-11-24T10:00:00Z"}
    stub(stubs, "/v1/free_busy", {"busy": [interval], "availability": []})
    found = get_free_busy(account(), "cal_1", START, END)
    assert found.busy == [(START.replace(hour=9), START.replace(hour=10))]
    assert found.hours == []


@pytest.mark.parametrize("answer", [[], {}, {"items": {}}, {"items": [7]}, {"items": [{"id": "cal_1"}]}])
def test_answer_that_is_not_the_contracts_is_refused_by_name(stubs, answer):
    stubs.get("https://api.calendar.live/v1/calendars", json=answer)
    with pytest.raises(PayloadError, match=r"^/v1/calendars"):
        list_calendars(account())


@pytest.mark.parametrize("body", ["", "<html>", "[" * 100_000])
def test_answer_that_is_no_json_is_transient(stubs, body):
    stubs.get("https://api.calendar.live/v1/calendars", body=body)
    with pytest.raises(TransientError, match=r"not JSON|without a body"):
        list_calendars(account())


# --- What every provider does ----------------------------------------------------------------------------------------


def test_unknown_provider_is_refused_and_the_known_ones_are_named():
    with pytest.raises(SetupError, match="calendar_live"):
        get_provider("nobody")


@pytest.mark.parametrize("provider", PROVIDERS.values(), ids=lambda provider: provider.key)
def test_provider_is_whole(provider: Provider):
    assert provider.key
    assert provider.name
    assert provider.origin.startswith("https://") or provider.key == "email"
    assert PROVIDERS[provider.key] is provider
    if provider.signature_header:
        request = IncomingRequest({}, b"{}")
        assert not provider.verify(request, ["a-secret"])
        assert isinstance(provider.read_delivery_id(request), str)


CALLED = [provider for provider in PROVIDERS.values() if provider.origin]


@pytest.mark.parametrize("provider", CALLED, ids=lambda provider: provider.key)
def test_provider_without_credentials_says_what_to_set(provider: Provider):
    with pytest.raises(SetupError, match=r"authorise|set|give"):
        provider.test(Account("https://provider.example"))


class TestCalendarLiveCases(ProviderCases):
    method, url = "GET", "https://api.calendar.live/v1/calendars"
    good = {200: Good({"items": []}, [])}

    def account(self, base_url):
        return Account(base_url, credentials={"access_token": "token-1"})

    def call(self, account):
        return list_calendars(account)

    def error_body(self, status):
        return {"code": "bad", "message": QUOTED}
