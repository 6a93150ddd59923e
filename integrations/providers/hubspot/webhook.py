"""HubSpot's webhooks: signature, envelope, and what happened as normalised events.

A delivery is a JSON array of events, of several subscriptions and objects. It has no id of its own, and `attemptNumber`
changes between its retries; so the id is made of what does not change.
https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from integrations.events import Event, RecordChanged, RecordDeleted, RecordKind, RecordsMerged
from integrations.exceptions import MalformedError, PayloadError
from integrations.payloads import PayloadReader, clean_text, clean_value
from integrations.providers.base import Envelope, IncomingRequest, Parsed
from integrations.providers.json_body import parse_json

SIGNATURE_HEADER = "x-hubspot-signature-v3"
TIMESTAMP_HEADER = "x-hubspot-request-timestamp"
TOLERANCE_MS = 300_000
DIGITS = re.compile("[0-9]{1,15}")
# What HubSpot decodes in the address before it signs it; a question mark that starts the query stands there as it is.
DECODED = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}
ESCAPES = re.compile("|".join(DECODED))

# What makes an event itself, whichever attempt brings it.
IDENTITY = ("eventId", "subscriptionId", "objectId", "occurredAt", "subscriptionType", "propertyName")
BATCH = "batch"
# Of subscription types that start with "object": https://developers.hubspot.com/docs/guides/api/crm/understanding-the-crm
OBJECT_TYPES = {"0-1": RecordKind.CONTACT, "0-47": RecordKind.MEETING}
PREFIXES = {"contact": RecordKind.CONTACT, "meeting": RecordKind.MEETING}
MADE = frozenset({"creation", "restore"})
DELETED = frozenset({"deletion", "privacyDeletion"})
CHANGES = frozenset({"propertyChange", "merge", *MADE, *DELETED})

VISIBLE_KEYS = frozenset(
    [
        *IDENTITY,
        "portalId",
        "appId",
        "attemptNumber",
        "objectTypeId",
        "changeSource",
        "changeFlag",
        "primaryObjectId",
        "mergedObjectIds",
        "newObjectId",
        "numberOfPropertiesMoved",
    ]
)


# --- Signatures -------------------------------------------------------------------------------------------------------


def verify(request: IncomingRequest, secrets: Sequence[str]) -> bool:
    """Whether it was signed for one of our addresses and at most 300 s before it was received.

    A time in the future is let pass, as HubSpot's own SDK does.
    """
    timestamp = request.headers.get(TIMESTAMP_HEADER, "")
    if not DIGITS.fullmatch(timestamp):
        return False
    if int(timestamp) < request.received_at.timestamp() * 1000 - TOLERANCE_MS:
        return False
    given = request.headers.get(SIGNATURE_HEADER, "").encode("utf-8", "surrogateescape")
    matches = [
        hmac.compare_digest(given, make_signature(secret, "POST", uri=uri, body=request.body, timestamp=timestamp))
        for secret in secrets
        for uri in request.uris
    ]
    return any(matches)


def make_signature(secret: str, method: str, *, uri: str, body: bytes, timestamp: str) -> bytes:
    """Base64 of the HMAC-SHA256 of method, decoded address, raw body and timestamp as it was sent."""
    decoded = ESCAPES.sub(lambda match: DECODED[match[0]], uri)
    signed = f"{method}{decoded}".encode("utf-8", "surrogateescape") + body + timestamp.encode()
    return base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256))


# --- Envelopes --------------------------------------------------------------------------------------------------------


def read_events(body: bytes) -> list[dict[str, Any]]:
    """Raises MalformedError where the body is no list of objects."""
    events = parse_json(body)
    if not isinstance(events, list) or not events or not all(isinstance(event, dict) for event in events):
        raise MalformedError("The body is no list of events.", field="body")
    return events


def identify(events: Iterable[Mapping[str, Any]]) -> bytes:
    """What is the same in every attempt to deliver these events, in whichever order."""
    rows = sorted(json.dumps([event.get(name) for name in IDENTITY]) for event in events)
    return "\n".join(rows).encode()


def body_for_digest(request: IncomingRequest) -> bytes:
    """The raw body where it holds no events."""
    try:
        return identify(read_events(request.body))
    except MalformedError:
        return request.body


def read_delivery_id(request: IncomingRequest) -> str:
    try:
        return make_delivery_id(read_events(request.body))
    except MalformedError:
        return ""


def make_delivery_id(events: Iterable[Mapping[str, Any]]) -> str:
    return f"hs_{hashlib.sha256(identify(events)).hexdigest()[:40]}"


def read_envelope(request: IncomingRequest) -> Envelope:
    events = read_events(request.body)
    for index, event in enumerate(events):
        if not isinstance(event.get("subscriptionType"), str):
            name = f"[{index}].subscriptionType"
            raise MalformedError(f"{name} is missing or of the wrong type.", field=name)
    types = {event["subscriptionType"] for event in events}
    event_type = clean_text(types.pop())[:64] if len(types) == 1 else BATCH
    return Envelope(make_delivery_id(events), event_type, read_subject(events[0]))


def read_subject(event: Mapping[str, Any]) -> str:
    """The first event's object; empty where it is none of ours, or cannot be read."""
    kind, object_id = find_kind(event), event.get("objectId")
    if kind is None or not isinstance(object_id, int | str) or isinstance(object_id, bool):
        return ""
    return clean_text(f"{kind}:{object_id}")[:255]


# --- Events -----------------------------------------------------------------------------------------------------------


def parse(body: bytes) -> Parsed:
    """What happened, in the order in which it did; several changes of one record are one."""
    try:
        found = read_events(body)
    except MalformedError as error:
        raise PayloadError("body", str(error)) from error
    readers = [PayloadReader(event, f"[{index}]") for index, event in enumerate(found)]
    known = [(reader, kind) for reader in readers if (kind := find_kind(reader.value)) and is_change(reader.value)]
    events = [(occurred_at(reader), read_event(reader, kind)) for reader, kind in known]
    events.sort(key=lambda event: event[0])
    return Parsed(combine(event for _, event in events), note_others(readers), is_known=bool(known))


def find_kind(event: Mapping[str, Any]) -> RecordKind | None:
    prefix = str(event.get("subscriptionType")).partition(".")[0]
    return OBJECT_TYPES.get(str(event.get("objectTypeId"))) if prefix == "object" else PREFIXES.get(prefix)


def change_of(event: Mapping[str, Any]) -> str:
    return str(event.get("subscriptionType")).partition(".")[2]


def is_change(event: Mapping[str, Any]) -> bool:
    return change_of(event) in CHANGES


def note_others(readers: Sequence[PayloadReader]) -> tuple[str, ...]:
    """Each type that is not handled, once, after the notes on what was read."""
    others = [reader for reader in readers if not (find_kind(reader.value) and is_change(reader.value))]
    types = {reader.optional_text("subscriptionType", max_length=64) or "an event without a type" for reader in others}
    return (
        *(note for reader in readers for note in reader.notes),
        *(f"{each}: not handled." for each in sorted(types)),
    )


def read_event(reader: PayloadReader, kind: RecordKind) -> Event:
    change = change_of(reader.value)
    event_type, changed_at = reader.text("subscriptionType"), occurred_at(reader)
    if change == "merge":
        survivor_id, merged_ids = read_merge(reader)
        return RecordsMerged(event_type, kind, survivor_id, merged_ids, changed_at)
    object_id = read_id(reader, "objectId")
    if change in DELETED:
        return RecordDeleted(event_type, kind, object_id, changed_at, is_privacy=change == "privacyDeletion")
    values = {} if change in MADE else read_change(reader)
    return RecordChanged(event_type, kind, object_id, values, changed_at, is_new=change in MADE)


def read_change(reader: PayloadReader) -> dict[str, Any]:
    """HubSpot's values are texts; an empty one was cleared."""
    return {reader.identifier("propertyName"): clean_value(reader.value.get("propertyValue"))}


def read_merge(reader: PayloadReader) -> tuple[str, tuple[str, ...]]:
    """The record that is left, which may be a new one, and those that lead to it."""
    primary_id = read_id(reader, "primaryObjectId")
    is_new = reader.value.get("newObjectId") is not None
    survivor_id = read_id(reader, "newObjectId") if is_new else primary_id
    merged = PayloadReader(dict(reader.items("mergedObjectIds")), "")
    ids = dict.fromkeys([primary_id, *(read_id(merged, path) for path in merged.value)])
    return survivor_id, tuple(each for each in ids if each != survivor_id)


def read_id(reader: PayloadReader, name: str) -> str:
    """HubSpot's ids are numbers in webhooks and texts in its API."""
    return reader.identifier(name) if isinstance(reader.value.get(name), str) else str(reader.integer(name, minimum=0))


def occurred_at(reader: PayloadReader) -> datetime:
    """`occurredAt` is in milliseconds."""
    try:
        return datetime.fromtimestamp(reader.integer("occurredAt", minimum=0) / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise PayloadError(reader.at("occurredAt"), "is not a moment.") from None


def combine(events: Iterable[Event]) -> tuple[Event, ...]:
    """One change for all changes of a record, at the place of its last one; the last value of a property counts."""
    combined: dict[object, Event] = {}
    for index, event in enumerate(events):
        if not isinstance(event, RecordChanged):
            combined[index] = event
            continue
        record = (event.record, event.external_id)
        earlier = combined.pop(record, None)
        combined[record] = join_changes(earlier, event) if isinstance(earlier, RecordChanged) else event
    return tuple(combined.values())


def join_changes(earlier: RecordChanged, later: RecordChanged) -> RecordChanged:
    return replace(later, values={**earlier.values, **later.values}, is_new=earlier.is_new or later.is_new)
