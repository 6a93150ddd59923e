"""Pipedrive's webhooks: HTTP Basic, envelopes, retries, and normalised events."""

import base64
import json
from datetime import UTC, datetime

import pytest

from integrations.events import RecordChanged, RecordDeleted, RecordKind, RecordsMerged
from integrations.exceptions import MalformedError, PayloadError
from integrations.models import Delivery
from integrations.providers import get_provider
from integrations.providers.base import IncomingRequest
from tests.contract_check import IS_HERE, SHARED, WHY_NOT
from tests.factories import encode, make_connection

PIPEDRIVE = get_provider("pipedrive")
SECRET = "keepsync:s3cret:with:colons"
AT = datetime(2026, 11, 20, 12, 0, 0, 500_000, tzinfo=UTC)
CODE = "a" * 40


def make_webhook(action="change", entity="person", *, data=None, previous=None, **meta):
    about = {
        "action": action,
        "entity": entity,
        "entity_id": "7",
        "company_id": "1",
        "correlation_id": "c0ffee",
        "id": "3f6e1a5e-6a0c-4a55-9d0a-1d8a9c2b7e11",
        "is_bulk_edit": False,
        "timestamp": "2026-11-20T12:00:00.500Z",
        "type": "general",
        "user_id": "18",
        "version": "2.0",
        "webhook_id": "5",
        "webhook_owner_id": "18",
        "change_source": "app",
        "attempt": 1,
        "host": "acme.pipedrive.com",
        "permitted_user_ids": ["18"],
    }
    return {"meta": {**about, **meta}, "data": data, "previous": previous}


def basic(credentials):
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def incoming(payload, **headers):
    return IncomingRequest(headers, encode(payload))


def verify(authorization, *secrets):
    return PIPEDRIVE.verify(incoming({}, authorization=authorization), secrets)


def parse(payload):
    return PIPEDRIVE.parse(encode(payload))


# --- Signatures ------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not IS_HERE, reason=WHY_NOT)
def test_signature_vectors():
    vectors = json.loads((SHARED / "signature_vectors.json").read_text())["pipedrive"]["vectors"]
    assert vectors
    for vector in vectors:
        secret = f"{vector['http_auth_user']}:{vector['http_auth_password']}"
        assert verify(vector["authorization"], "another:one", secret) is vector["valid"]


@pytest.mark.parametrize(
    ("authorization", "is_valid"),
    [
        # "Aladdin:open sesame", the example of RFC 7617.
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", True),
        ("basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ==", True),
        ("Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", False),
        ("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ", False),
        ("Basic QWxhZGRpbg==", False),
        ("Basic é", False),
        ("Basic", False),
        ("", False),
    ],
)
def test_basic_credentials(authorization, is_valid):
    assert verify(authorization, "Aladdin:open sesame") is is_valid


def test_every_active_secret_is_tried_and_one_beyond_ascii_is_utf_8():
    assert verify(basic(SECRET), "old:one", SECRET)
    assert verify(basic("zoë:pässword"), "zoë:pässword")
    assert not verify(basic(SECRET))
    assert not verify(basic("keepsync:s3cret"), SECRET)


def test_secret_without_a_colon_is_the_password_of_any_user():
    assert verify(basic("whoever:whsec_1"), "whsec_1")
    assert not verify(basic("whsec_1:"), "whsec_1")
    assert not verify(basic("whoever:"), "")


def test_request_without_the_header_does_not_verify():
    assert not PIPEDRIVE.verify(incoming({}), [SECRET])


# --- Envelopes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entity", "subject"), [("person", "contact:7"), ("activity", "meeting:7"), ("deal", ""), ("project", "")]
)
@pytest.mark.parametrize("number", [7, "7"])
def test_envelope_is_read(entity, subject, number):
    envelope = PIPEDRIVE.read_envelope(incoming(make_webhook(entity=entity, entity_id=number)))
    assert envelope.delivery_id == "3f6e1a5e-6a0c-4a55-9d0a-1d8a9c2b7e11"
    assert (envelope.event_type, envelope.subject) == (f"change.{entity}", subject)


@pytest.mark.parametrize("given", [None, "", 7, "x" * 129, "a\0b"])
def test_delivery_id_is_derived_where_pipedrive_gives_none(given):
    first = PIPEDRIVE.read_envelope(incoming(make_webhook(id=given))).delivery_id
    again = PIPEDRIVE.read_delivery_id(incoming(make_webhook(id=given, attempt=2)))
    other = PIPEDRIVE.read_delivery_id(incoming(make_webhook(id=given, timestamp="2026-11-20T12:00:01Z")))
    assert first == again != other
    assert first.startswith("pd_")
    assert len(first) <= 128


@pytest.mark.parametrize(
    ("meta", "field"),
    [
        ({"entity": None}, "meta.entity"),
        ({"action": 7}, "meta.action"),
        ({"entity_id": None}, "meta.entity_id"),
        ({"entity_id": True}, "meta.entity_id"),
        ({"entity_id": ""}, "meta.entity_id"),
    ],
)
def test_envelope_without_a_field_is_malformed_and_named(meta, field):
    with pytest.raises(MalformedError) as caught:
        PIPEDRIVE.read_envelope(incoming(make_webhook(**meta)))
    assert caught.value.field == field


@pytest.mark.parametrize("payload", [b"{", [], {}, {"meta": []}, 7])
def test_what_is_no_envelope_is_malformed_and_has_no_delivery_id(payload):
    with pytest.raises(MalformedError):
        PIPEDRIVE.read_envelope(incoming(payload))
    assert PIPEDRIVE.read_delivery_id(incoming(payload)) == ""
    assert PIPEDRIVE.body_for_digest(incoming(payload)) == encode(payload)


def test_webhook_of_version_1_is_refused_and_the_right_version_named():
    with pytest.raises(MalformedError, match=r"version 2\.0"):
        PIPEDRIVE.read_envelope(incoming({"v": 1, "meta": {"action": "updated", "object": "person", "id": 11}}))


def test_retry_is_the_same_delivery_and_another_event_is_not():
    first = PIPEDRIVE.body_for_digest(incoming(make_webhook()))
    retry = make_webhook(attempt=3, correlation_id="other", webhook_id="6")
    assert PIPEDRIVE.body_for_digest(incoming(dict(reversed(retry.items())))) == first
    assert PIPEDRIVE.body_for_digest(incoming(make_webhook(data={"name": "Ann"}))) != first
    assert PIPEDRIVE.body_for_digest(incoming(make_webhook(timestamp="2026-11-20T12:00:01Z"))) != first


@pytest.mark.django_db
def test_retry_is_counted_as_a_duplicate_by_the_intake(client):
    make_connection("pipedrive", provider="pipedrive", webhook_secret=SECRET)

    def post(payload, credentials=SECRET):
        headers = {"Authorization": basic(credentials)}
        return client.post(
            "/webhooks/pipedrive/", data=encode(payload), content_type="application/json", headers=headers
        ).status_code

    assert post(make_webhook(data={"id": 7})) == 200
    assert post(make_webhook(data={"id": 7}, attempt=2)) == 200
    assert post(make_webhook(data={"id": 8})) == 409
    assert post(make_webhook(data={"id": 7}), "keepsync:wrong") == 401
    delivery = Delivery.objects.get(is_accepted=True)
    assert (delivery.duplicates, delivery.event_type, delivery.subject) == (1, "change.person", "contact:7")


# --- Events ----------------------------------------------------------------------------------------------------------


def test_new_person_is_told_with_all_its_values():
    data = {
        "id": 7,
        "name": "Zoe",
        "emails": [{"value": "zoe@example.com", "primary": True}],
        "custom_fields": {CODE: "x"},
    }
    assert parse(make_webhook("create", data=data)).events == [
        RecordChanged("contact.created", RecordKind.CONTACT, "7", data, AT, True)
    ]


def test_changed_person_is_told_with_the_values_that_changed():
    data = {"id": 7, "name": "Zoe", "owner_id": 18, "custom_fields": {CODE: None, "b" * 40: 5}}
    previous = {"name": "Zo", "org_id": 3, "custom_fields": {CODE: "x"}}
    (event,) = parse(make_webhook(data=data, previous=previous)).events
    assert (event.type, event.is_new) == ("contact.changed", False)
    assert event.values == {"name": "Zoe", "org_id": None, "custom_fields": {CODE: None}}


def test_change_without_what_was_before_is_told_with_all_values():
    (event,) = parse(make_webhook(entity="activity", data={"id": 7, "done": True})).events
    assert event == RecordChanged("meeting.changed", RecordKind.MEETING, "7", {"id": 7, "done": True}, AT)


def test_unstorable_characters_are_taken_out_of_the_values():
    (event,) = parse(make_webhook(data={"name": "Z\0oe\ud800"})).events
    assert event.values == {"name": "Zoe\ufffd"}


@pytest.mark.parametrize(("entity", "kind"), [("person", RecordKind.CONTACT), ("activity", RecordKind.MEETING)])
def test_deletion_is_told(entity, kind):
    parsed = parse(make_webhook("delete", entity, previous={"name": "Zoe"}))
    assert parsed.events == [RecordDeleted(f"{kind}.deleted", kind, "7", AT)]
    assert parsed.is_known


def test_deletion_by_a_merge_is_a_merge():
    (event,) = parse(make_webhook("delete", previous={}, merged_to_id="9")).events
    assert event == RecordsMerged("contact.merged", RecordKind.CONTACT, "9", ("7",), AT)


def test_change_by_a_merge_is_a_merge_and_a_change():
    merged, changed = parse(make_webhook(data={"name": "Zoe"}, previous={"name": "Z"}, merged_from_id="9")).events
    assert merged == RecordsMerged("contact.merged", RecordKind.CONTACT, "7", ("9",), AT)
    assert (changed.external_id, changed.values) == ("7", {"name": "Zoe"})


@pytest.mark.parametrize(("action", "entity"), [("change", "deal"), ("create", "project"), ("merged", "person")])
def test_what_is_not_ours_is_not_known(action, entity):
    parsed = parse(make_webhook(action, entity, data={"id": 7}))
    assert (list(parsed.events), parsed.is_known) == ([], False)


@pytest.mark.parametrize("timestamp", [1795176000, "1795176000", 1795176000.0])
def test_timestamp_may_be_seconds(timestamp):
    (event,) = parse(make_webhook("delete", timestamp=timestamp)).events
    assert event.changed_at == datetime.fromtimestamp(1795176000, UTC)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (make_webhook(data=None), "data"),
        (make_webhook(data=[7]), "data"),
        (make_webhook(data={}, previous=7), "previous"),
        (make_webhook(data={}, timestamp=None), "meta.timestamp"),
        (make_webhook(data={}, timestamp="2026-11-20"), "meta.timestamp"),
        (make_webhook(data={}, timestamp=[]), "meta.timestamp"),
        (make_webhook(data={}, timestamp=1e20), "meta.timestamp"),
        (make_webhook(data={}, merged_from_id=[1]), "meta.merged_from_id"),
        (make_webhook("delete", merged_to_id={}, entity_id=[]), "meta.entity_id"),
        ({"meta": 7}, "meta"),
        (b"{", "body"),
    ],
)
def test_payload_that_cannot_be_read_is_named(payload, field):
    with pytest.raises(PayloadError) as caught:
        list(parse(payload).events)
    assert caught.value.field == field


def test_nothing_that_names_a_person_is_visible():
    hidden = {"name", "first_name", "last_name", "emails", "phones", "value", "note", "subject", "location", "label"}
    assert not PIPEDRIVE.visible_keys & hidden
    assert {"entity_id", "timestamp", "attempt"} <= PIPEDRIVE.visible_keys
