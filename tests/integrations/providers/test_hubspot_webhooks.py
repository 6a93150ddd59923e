"""HubSpot's webhooks: signatures, what a delivery's id is, and what happened."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from integrations.events import RecordChanged, RecordDeleted, RecordKind, RecordsMerged
from integrations.exceptions import MalformedError, PayloadError
from integrations.models import Delivery
from integrations.providers import get_provider
from integrations.providers.base import IncomingRequest
from integrations.providers.hubspot.webhook import make_signature
from tests.contract_check import IS_HERE, SHARED, WHY_NOT
from tests.factories import make_connection

HUBSPOT = get_provider("hubspot")
SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
URI = "https://keepsync.example/webhooks/hubspot/?account=a%40b"
SIGNED_URI = "https://keepsync.example/webhooks/hubspot/?account=a@b"
MOMENT_MS = 1795359060123
RECEIVED_AT = datetime.fromtimestamp(MOMENT_MS / 1000, UTC)
CONTACT, MEETING = RecordKind.CONTACT, RecordKind.MEETING


def vectors():
    return json.loads((SHARED / "signature_vectors.json").read_text())["hubspot"] if IS_HERE else {"vectors": []}


def happened(subscription_type="contact.creation", occurred_at=MOMENT_MS, **more):
    event = {
        "eventId": 100,
        "subscriptionId": 1,
        "portalId": 62515,
        "appId": 5,
        "occurredAt": occurred_at,
        "subscriptionType": subscription_type,
        "attemptNumber": 0,
        "objectId": 123,
        "changeSource": "CRM",
    }
    return {**event, **more}


def changed(name, value, occurred_at=MOMENT_MS, **more):
    return happened("contact.propertyChange", occurred_at, propertyName=name, propertyValue=value, **more)


def encode(*events):
    return json.dumps(events).encode()


def sign(body, timestamp=str(MOMENT_MS), uri=SIGNED_URI, secret=SECRET):
    """By hand, as HubSpot's page says it."""
    signed = f"POST{uri}".encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()


def incoming(body, signature="", timestamp=str(MOMENT_MS), received_at=RECEIVED_AT, uris=(URI,)):
    headers = {"x-hubspot-signature-v3": signature, "x-hubspot-request-timestamp": timestamp}
    return IncomingRequest(headers, body, received_at=received_at, uris=uris)


def parse(*events):
    return HUBSPOT.parse(encode(*events))


# --- Signatures -------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not IS_HERE, reason=WHY_NOT)
@pytest.mark.parametrize("vector", vectors()["vectors"], ids=lambda vector: vector.get("why", "valid"))
def test_signature_vectors(vector):
    body = vector["body"].encode()
    for uri in (vector["uri"], vector.get("uri_on_the_wire", vector["uri"])):
        made = make_signature(
            vector["client_secret"], vector["method"], uri=uri, body=body, timestamp=vector["timestamp"]
        )
        assert (made.decode() == vector["signature"]) == vector["valid"]
        if vector["method"] == "POST":
            request = incoming(body, vector["signature"], vector["timestamp"], uris=("https://other.example/", uri))
            assert HUBSPOT.verify(request, ["another", vector["client_secret"]]) == vector["valid"]


@pytest.mark.skipif(not IS_HERE, reason=WHY_NOT)
def test_older_signatures_which_have_no_time_are_refused():
    body = vectors()["vectors"][0]["body"].encode()
    for legacy in ("v1", "v2"):
        signature = vectors()["legacy"][legacy]["signature"]
        request = IncomingRequest(
            {"x-hubspot-signature": signature, "x-hubspot-request-timestamp": str(MOMENT_MS)},
            body,
            received_at=RECEIVED_AT,
            uris=(URI,),
        )
        assert not HUBSPOT.verify(request, [SECRET])


def test_signature_is_over_method_decoded_address_body_and_time():
    body = encode(happened())
    assert HUBSPOT.verify(incoming(body, sign(body)), [SECRET])
    assert HUBSPOT.verify(incoming(body, sign(body), uris=("http://inside/", URI)), ["another", SECRET])
    assert not HUBSPOT.verify(incoming(body + b" ", sign(body)), [SECRET])
    assert not HUBSPOT.verify(incoming(body, sign(body), timestamp=str(MOMENT_MS + 1)), [SECRET])
    assert not HUBSPOT.verify(incoming(body, sign(body), uris=("https://other.example/",)), [SECRET])
    assert not HUBSPOT.verify(incoming(body, sign(body), uris=()), [SECRET])
    assert not HUBSPOT.verify(incoming(body, sign(body)), ["another"])
    assert not HUBSPOT.verify(incoming(body, sign(body)), [])


def test_only_the_escapes_that_hubspot_names_are_decoded():
    escaped = "%3A%2F%3F%40%21%24%27%28%29%2A%2C%3B"
    uri = f"https://keepsync.example/webhooks/hubspot/?a={escaped}&b=%20%C3%A9%2B%3D%26"
    decoded = "https://keepsync.example/webhooks/hubspot/?a=:/?@!$'()*,;&b=%20%C3%A9%2B%3D%26"
    assert HUBSPOT.verify(incoming(b"[]", sign(b"[]", uri=decoded), uris=(uri,)), [SECRET])


@pytest.mark.parametrize(
    ("age", "is_valid"),
    [
        (timedelta(seconds=300), True),
        (timedelta(seconds=301), False),
        (timedelta(days=400), False),
        (timedelta(seconds=-600), True),
    ],
)
def test_request_that_was_signed_over_five_minutes_before_is_refused(age, is_valid):
    """The future is let pass, as HubSpot's own SDK does."""
    body = encode(happened())
    assert HUBSPOT.verify(incoming(body, sign(body), received_at=RECEIVED_AT + age), [SECRET]) == is_valid


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1.5", "²", "9" * 400, f" {MOMENT_MS}", f"{MOMENT_MS}\n"])
def test_what_is_no_time_does_not_verify(timestamp):
    assert not HUBSPOT.verify(incoming(b"[]", sign(b"[]", timestamp), timestamp), [SECRET])


@pytest.mark.parametrize("signature", ["", "é", "\udcff", "=" * 44, "x" * 10_000])
def test_what_is_no_signature_does_not_verify_and_raises_nothing(signature):
    assert not HUBSPOT.verify(incoming(b"[]", signature), [SECRET])


def test_request_without_headers_does_not_verify():
    assert not HUBSPOT.verify(IncomingRequest({}, b"[]", uris=(URI,)), [SECRET])


# --- Envelopes --------------------------------------------------------------------------------------------------------


def test_retry_has_the_same_id_and_digest_in_whichever_order_its_events_come():
    first, second = happened(), changed("phone", "+33123456789", eventId=101, subscriptionId=2)
    one = incoming(encode(first, second))
    again = incoming(encode({**second, "attemptNumber": 3}, {**first, "attemptNumber": 3}))
    assert HUBSPOT.read_delivery_id(one) == HUBSPOT.read_delivery_id(again)
    assert HUBSPOT.body_for_digest(one) == HUBSPOT.body_for_digest(again)
    assert HUBSPOT.read_delivery_id(one).startswith("hs_")
    assert len(HUBSPOT.read_delivery_id(one)) == 43


@pytest.mark.parametrize("name", ["eventId", "subscriptionId", "objectId", "occurredAt"])
def test_other_events_have_another_id(name):
    one, other = incoming(encode(happened())), incoming(encode(happened(**{name: 999})))
    assert HUBSPOT.read_delivery_id(one) != HUBSPOT.read_delivery_id(other)
    assert HUBSPOT.body_for_digest(one) != HUBSPOT.body_for_digest(other)


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"[]", b"[7]", b"null", b"\xff", b"[" * 5000])
def test_body_that_is_no_list_of_events_is_malformed_and_has_no_id(body):
    assert HUBSPOT.read_delivery_id(incoming(body)) == ""
    assert HUBSPOT.body_for_digest(incoming(body)) == body
    with pytest.raises(MalformedError) as caught:
        HUBSPOT.read_envelope(incoming(body))
    assert caught.value.field == "body"
    with pytest.raises(PayloadError):
        HUBSPOT.parse(body)


@pytest.mark.parametrize("value", [None, 7, []])
def test_event_without_a_type_is_malformed_and_named(value):
    with pytest.raises(MalformedError) as caught:
        HUBSPOT.read_envelope(incoming(encode(happened(), happened(value))))
    assert caught.value.field == "[1].subscriptionType"


def test_envelope_names_the_type_that_all_events_share():
    assert HUBSPOT.read_envelope(incoming(encode(happened(), happened(objectId=2)))).event_type == "contact.creation"
    assert HUBSPOT.read_envelope(incoming(encode(happened(), happened("contact.merge")))).event_type == "batch"


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (happened(), "contact:123"),
        (happened(objectId="123"), "contact:123"),
        (happened("object.creation", objectTypeId="0-47"), "meeting:123"),
        (happened("object.creation", objectTypeId="0-3"), ""),
        (happened("deal.creation"), ""),
        (happened(objectId=None), ""),
        (happened(objectId={}), ""),
    ],
)
def test_subject_is_the_first_events_object(event, subject):
    envelope = HUBSPOT.read_envelope(incoming(encode(event, happened(objectId=7))))
    assert envelope.subject == subject
    assert envelope.delivery_id == HUBSPOT.read_delivery_id(incoming(encode(event, happened(objectId=7))))


@pytest.mark.django_db
def test_retry_with_another_attempt_number_is_a_duplicate_and_no_conflict():
    make_connection("hubspot", provider="hubspot", webhook_secret=SECRET)
    timestamp = str(int(timezone.now().timestamp() * 1000))
    answers = []
    for attempt in range(2):
        body = encode(happened(attemptNumber=attempt))
        headers = {
            "X-HubSpot-Signature-v3": sign(body, timestamp, "http://testserver/webhooks/hubspot/"),
            "X-HubSpot-Request-Timestamp": timestamp,
        }
        answers.append(Client().post("/webhooks/hubspot/", body, content_type="application/json", headers=headers))
    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [
        (200, "accepted"),
        (200, "duplicate"),
    ]
    assert Delivery.objects.get().subject == "contact:123"


# --- Events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (CONTACT, {"subscriptionType": "contact.{}"}),
        (CONTACT, {"subscriptionType": "object.{}", "objectTypeId": "0-1"}),
        (MEETING, {"subscriptionType": "object.{}", "objectTypeId": "0-47"}),
        (MEETING, {"subscriptionType": "meeting.{}"}),
    ],
)
def test_creation_change_and_deletion_are_told_of_contacts_and_meetings(kind, names):
    def event(change, **more):
        return {**happened(**more), **names, "subscriptionType": names["subscriptionType"].format(change)}

    (made,) = parse(event("creation")).events
    assert (made.record, made.external_id, made.values, made.is_new) == (kind, "123", {}, True)
    (change,) = parse(event("propertyChange", propertyName="phone", propertyValue="+33123456789")).events
    assert change == RecordChanged(change.type, kind, "123", {"phone": "+33123456789"}, change.changed_at)
    assert change.changed_at == RECEIVED_AT
    (deleted,) = parse(event("deletion")).events
    assert deleted == RecordDeleted(deleted.type, kind, "123", deleted.changed_at)


def test_person_who_asked_to_be_forgotten_is_told_apart():
    (deleted,) = parse(happened("contact.privacyDeletion")).events
    assert (deleted.external_id, deleted.is_privacy) == ("123", True)


def test_restored_record_is_there_anew():
    (restored,) = parse(happened("contact.restore")).events
    assert (restored.is_new, restored.values) == (True, {})


@pytest.mark.parametrize(
    ("more", "survivor_id", "merged_ids"),
    [
        ({"newObjectId": 9}, "9", ("1", "2", "3")),
        ({"newObjectId": 1}, "1", ("2", "3")),
        ({"newObjectId": None}, "1", ("2", "3")),
        ({}, "1", ("2", "3")),
    ],
)
def test_merge_names_what_is_left_and_what_leads_to_it(more, survivor_id, merged_ids):
    event = happened("contact.merge", primaryObjectId=1, mergedObjectIds=[2, "3", 2], **more)
    (merged,) = parse(event).events
    assert merged == RecordsMerged("contact.merge", CONTACT, survivor_id, merged_ids, RECEIVED_AT)


def test_changes_of_one_record_are_one_with_the_last_value_of_each_property():
    later = MOMENT_MS + 1000
    parsed = parse(
        changed("phone", "new", later),
        changed("company", "Acme"),
        changed("phone", "other", objectId=7),
        changed("phone", "old"),
    )
    other, one = parsed.events
    assert (other.external_id, other.values) == ("7", {"phone": "other"})
    assert (one.external_id, one.values) == ("123", {"company": "Acme", "phone": "new"})
    assert one.changed_at == RECEIVED_AT + timedelta(seconds=1)


def test_record_made_and_changed_in_one_delivery_is_new():
    (event,) = parse(changed("phone", "1", MOMENT_MS + 5), happened()).events
    assert (event.is_new, event.values) == (True, {"phone": "1"})


def test_change_before_a_deletion_stays_before_it():
    events = parse(happened("contact.deletion", MOMENT_MS + 10), changed("phone", "1")).events
    assert [type(event) for event in events] == [RecordChanged, RecordDeleted]


def test_contact_and_meeting_of_one_number_are_two_records():
    meeting = changed("hs_meeting_title", "Demo") | {"subscriptionType": "object.propertyChange"}
    events = parse(changed("phone", "1"), {**meeting, "objectTypeId": "0-47"}).events
    assert [event.record for event in events] == [CONTACT, MEETING]


@pytest.mark.parametrize("value", [None, ""])
def test_property_that_was_cleared_has_no_value(value):
    (event,) = parse(changed("phone", value)).events
    assert not event.values["phone"]


def test_types_that_are_not_handled_are_noted_beside_those_that_are():
    parsed = parse(happened("deal.creation"), happened("contact.associationChange"), happened())
    assert [type(event) for event in parsed.events] == [RecordChanged]
    assert parsed.notes == ("contact.associationChange: not handled.", "deal.creation: not handled.")
    assert parsed.is_known


def test_delivery_of_nothing_but_other_types_is_unknown():
    parsed = parse(happened("deal.creation"), happened("object.creation", objectTypeId="0-3"))
    assert (parsed.events, parsed.is_known) == ((), False)
    assert parsed.notes == ("deal.creation: not handled.", "object.creation: not handled.")


@pytest.mark.parametrize(
    ("event", "field"),
    [
        (happened(objectId=None), r"\[0\]\.objectId"),
        (happened(objectId={}), r"\[0\]\.objectId"),
        (happened(objectId=-1), r"\[0\]\.objectId"),
        (happened(objectId=""), r"\[0\]\.objectId"),
        (happened(occurredAt="2026"), r"\[0\]\.occurredAt"),
        (happened(occurredAt=2**62), r"\[0\]\.occurredAt"),
        (happened(occurredAt=True), r"\[0\]\.occurredAt"),
        (happened("contact.propertyChange"), r"\[0\]\.propertyName"),
        (happened("contact.merge"), r"\[0\]\.primaryObjectId"),
        (happened("contact.merge", primaryObjectId=1), r"\[0\]\.mergedObjectIds"),
        (happened("contact.merge", primaryObjectId=1, mergedObjectIds=7), r"\[0\]\.mergedObjectIds"),
        (happened("contact.merge", primaryObjectId=1, mergedObjectIds=[None]), r"\[0\]\.mergedObjectIds\[0\]"),
    ],
)
def test_event_that_cannot_be_read_is_named(event, field):
    with pytest.raises(PayloadError, match=rf"^{field} "):
        parse(event)


def test_values_that_cannot_be_stored_are_cleaned():
    (event,) = parse(changed("phone", "1\x002\ud800")).events
    assert event.values == {"phone": "12\ufffd"}


def test_values_are_not_shown_in_the_admin():
    assert "propertyValue" not in HUBSPOT.visible_keys
    assert {"propertyName", "objectId", "subscriptionType"} <= HUBSPOT.visible_keys
