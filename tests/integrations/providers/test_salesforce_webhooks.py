"""Webhooks that an Apex callout or a Flow posts: signatures, envelopes, events."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest

from integrations.events import RecordChanged, RecordDeleted, RecordKind, RecordsMerged
from integrations.exceptions import MalformedError, PayloadError
from integrations.privacy.redaction import redact
from integrations.providers.base import IncomingRequest
from integrations.providers.salesforce.provider import Salesforce

SALESFORCE = Salesforce()
SECRET = "whsec_apex"
AT = datetime(2026, 11, 24, 9, tzinfo=UTC)
ID = "003000000000001AAA"
# By OpenSSL: printf '{"id":"d-1"}' | openssl dgst -sha256 -hmac whsec_apex
SIGNED = b'{"id":"d-1"}'
SIGNATURE = "25e2a97d52a23f064d101dbc8794adcf8cc8f15d5f7915c8a98efa771052de09"


def event(**fields):
    values = {"object": "Contact", "id": ID, "change": "updated", "changed_at": "2026-11-24T09:00:00Z"}
    return {**values, "fields": {"Phone": "+33612345678"}, **fields}


def encode(*events, **fields):
    return json.dumps({"id": "d-1", "events": list(events), **fields}).encode()


def incoming(body, **headers):
    return IncomingRequest({name.replace("_", "-"): value for name, value in headers.items()}, body)


def sign(body, secret=SECRET):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


# --- Signatures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["sha256=", ""])
def test_signed_body_verifies_under_any_active_secret(prefix):
    body = encode(event())
    request = incoming(body, x_keepsync_signature=f"{prefix}{sign(body)}")
    assert SALESFORCE.verify(request, ["new", SECRET])
    assert not SALESFORCE.verify(request, ["new"])
    assert not SALESFORCE.verify(request, [])
    assert not SALESFORCE.verify(incoming(body + b" ", x_keepsync_signature=f"{prefix}{sign(body)}"), [SECRET])


def test_signature_is_the_one_that_openssl_makes():
    request = incoming(SIGNED, x_keepsync_signature=f"sha256={SIGNATURE}")
    assert SALESFORCE.verify(request, [SECRET])
    assert not SALESFORCE.verify(request, [SECRET.upper()])


def test_secret_as_a_bearer_token_verifies():
    request = incoming(encode(event()), authorization=f"Bearer {SECRET}")
    assert SALESFORCE.verify(request, ["new", SECRET])
    assert not SALESFORCE.verify(request, ["new"])


def test_wrong_signature_is_not_made_good_by_a_token():
    request = incoming(encode(event()), x_keepsync_signature="sha256=0", authorization=f"Bearer {SECRET}")
    assert not SALESFORCE.verify(request, [SECRET])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {SECRET}"},
        {"authorization": "Bearer é\udcff"},
        {"x_keepsync_signature": ""},
        {"x_keepsync_signature": "sha256="},
        {"x_keepsync_signature": "é\udcff"},
        {"x_keepsync_signature": "sha1=" + "0" * 40},
    ],
)
def test_what_proves_nothing_does_not_verify_and_raises_nothing(headers):
    assert not SALESFORCE.verify(incoming(SIGNED, **headers), [SECRET])
    assert not SALESFORCE.verify(incoming(SIGNED, **headers), [""])


# --- Envelopes -------------------------------------------------------------------------------------------------------


def test_envelope_names_what_is_worked_on_in_order():
    envelope = SALESFORCE.read_envelope(incoming(encode(event(), event(fields={}))))
    assert (envelope.delivery_id, envelope.event_type, envelope.subject) == ("d-1", "contact.updated", f"Contact.{ID}")


def test_envelope_of_different_records_and_changes_is_a_batch():
    envelope = SALESFORCE.read_envelope(incoming(encode(event(), event(id="003000000000002AAA", change="deleted"))))
    assert (envelope.event_type, envelope.subject) == ("batch", "")


@pytest.mark.parametrize("given", [None, 7, [], {}, {"object": 7, "id": None}])
def test_event_that_cannot_be_read_is_taken_in(given):
    envelope = SALESFORCE.read_envelope(incoming(encode(given)))
    assert (envelope.event_type, envelope.subject) == ("batch", "")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (b"[]", "body"),
        (encode(event(), id=None), "id"),
        (encode(event(), id=7), "id"),
        (encode(event(), id=""), "id"),
        (encode(event(), id="\0"), "id"),
        (encode(event(), id="x" * 129), "id"),
        (encode(), "events"),
        (encode(events=None), "events"),
        (encode(events={}), "events"),
        (encode(*[1] * 2001), "events"),
    ],
    ids=range(11),
)
def test_body_that_is_no_envelope_is_malformed_and_the_field_named(body, field):
    with pytest.raises(MalformedError) as caught:
        SALESFORCE.read_envelope(incoming(body))
    assert caught.value.field == field


@pytest.mark.parametrize(("body", "claimed"), [(SIGNED, "d-1"), (b"{", ""), (b"[]", ""), (b'{"id": 7}', "")])
def test_claimed_delivery_id_is_the_bodys(body, claimed):
    assert SALESFORCE.read_delivery_id(incoming(body)) == claimed


# --- Events ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sobject", "kind"), [("Contact", "contact"), ("Lead", "contact"), ("Event", "meeting")])
@pytest.mark.parametrize(("change", "is_new"), [("created", True), ("updated", False), ("undeleted", False)])
def test_changed_record_is_told_with_its_values(sobject, kind, change, is_new):
    parsed = SALESFORCE.parse(encode(event(object=sobject, change=change)))
    values = {"Phone": "+33612345678"}
    assert parsed.events == [RecordChanged(f"{kind}.{change}", RecordKind(kind), ID, values, AT, is_new)]
    assert parsed.notes == ()


def test_values_are_read_as_ours():
    fields = {"attributes": {}, "Id": ID, "Subject": "Cancelled: Demo", "EndDateTime": "2026-11-24T11:00:00.000+0100"}
    (change,) = SALESFORCE.parse(encode(event(object="Event", fields=fields))).events
    assert change.values == {"Subject": "Demo", "EndDateTime": "2026-11-24T10:00:00Z"}


@pytest.mark.parametrize("fields", [None, {}])
def test_change_without_fields_has_no_values(fields):
    (change,) = SALESFORCE.parse(encode(event(fields=fields))).events
    assert change.values == {}


def test_deleted_and_merged_records_are_told():
    merged = event(change="merged", merged_ids=["003000000000002AAA", "003000000000003AAA"])
    assert SALESFORCE.parse(encode(event(change="deleted"), merged)).events == [
        RecordDeleted("contact.deleted", RecordKind.CONTACT, ID, AT),
        RecordsMerged("contact.merged", RecordKind.CONTACT, ID, ("003000000000002AAA", "003000000000003AAA"), AT),
    ]


def test_unknown_objects_and_changes_are_noted_and_the_others_told():
    parsed = SALESFORCE.parse(encode(event(object="Account"), event(), event(change="archived")))
    assert len(parsed.events) == 1
    assert [note.partition(":")[0] for note in parsed.notes] == ["events[0]", "events[2]"]
    assert parsed.is_known
    assert not SALESFORCE.parse(encode(event(object="Account"))).is_known


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{", "body"),
        (encode(7), r"events\[0\]"),
        (encode(event(object=7)), r"events\[0\]\.object"),
        (encode(event(id=None)), r"events\[0\]\.id"),
        (encode(event(id=" ")), r"events\[0\]\.id"),
        (encode(event(changed_at="2026-11-24")), r"events\[0\]\.changed_at"),
        (encode(event(fields=[])), r"events\[0\]\.fields"),
        (encode(event(change="merged")), r"events\[0\]\.merged_ids"),
        (encode(event(change="merged", merged_ids=[])), r"events\[0\]\.merged_ids"),
        (encode(event(change="merged", merged_ids=[7])), r"events\[0\]\.merged_ids\[0\]"),
    ],
    ids=range(10),
)
def test_event_that_cannot_be_read_is_a_payload_error_that_names_the_field(body, field):
    with pytest.raises(PayloadError, match=f"^{field} "):
        SALESFORCE.parse(body)


def test_nothing_private_is_visible_in_a_payload():
    fields = {"Phone": "+33612345678", "Email": "zoe@example.com", "LastName": "Okafor", "OwnerId": "005"}
    shown = json.dumps(redact(json.loads(encode(event(fields=fields))), SALESFORCE.visible_keys))
    assert ID in shown
    assert "005" in shown
    assert not any(private in shown for private in ("612345678", "zoe", "Okafor"))
