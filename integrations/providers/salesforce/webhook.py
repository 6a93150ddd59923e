"""Webhooks from Salesforce, in a form of our own: Salesforce has none that are signed.

An Apex callout (or a Flow's HTTP callout) posts

    {"id": "<unique id>", "events": [{"object": "Contact", "id": "003…", "change": "updated",
      "changed_at": "2026-11-24T09:00:00Z", "fields": {"Phone": "+33…"}}]}

with `object` Contact, Lead or Event, and `change` created, updated, deleted, undeleted or merged, the last one with
`merged_ids`: the records that went into the one of `id`. Either it is signed, `X-Keepsync-Signature: sha256=<hex
HMAC-SHA256 of the raw body>` (Crypto.generateMac), or it brings the secret itself, `Authorization: Bearer <secret>`
(a named credential). There is no timestamp: the delivery's id is the guard against a replay.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

from integrations.events import Event, RecordChanged, RecordDeleted, RecordsMerged
from integrations.exceptions import MalformedError, PayloadError
from integrations.payloads import PayloadReader, clean_text
from integrations.providers.base import Envelope, IncomingRequest, Parsed
from integrations.providers.json_body import parse_json
from integrations.providers.salesforce.mapping import KINDS, read_values
from integrations.providers.signatures import matches_hmac_sha256_hex

SIGNATURE_HEADER = "X-Keepsync-Signature"
DELIVERY_ID_LENGTH = 128
EVENTS_LIMIT = 2000
CHANGES = frozenset({"created", "updated", "deleted", "undeleted", "merged"})
# No names, addresses, numbers, free texts or links.
VISIBLE_KEYS = frozenset(
    [
        "id",
        "object",
        "change",
        "changed_at",
        "merged_ids",
        "Id",
        "Keepsync_Id__c",
        "OwnerId",
        "WhoId",
        "LeadSource",
        "Status",
        "ShowAs",
        "StartDateTime",
        "EndDateTime",
        "Cal_Uid__c",
        "Cal_Event_Id__c",
        "IsDeleted",
        "CreatedDate",
        "SystemModstamp",
    ]
)


def verify(request: IncomingRequest, secrets: Sequence[str]) -> bool:
    """By the signature where there is one, else by the bearer token; in constant time, against every secret."""
    signature = request.headers.get(SIGNATURE_HEADER.lower())
    if signature is not None:
        return matches_hmac_sha256_hex(signature.removeprefix("sha256="), request.body, secrets)
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip().encode("utf-8", "surrogateescape")
    matches = [hmac.compare_digest(given, secret.encode()) for secret in secrets]
    return scheme.lower() == "bearer" and given != b"" and any(matches)


def read_delivery_id(request: IncomingRequest) -> str:
    try:
        body = parse_json(request.body)
    except MalformedError:
        return ""
    claimed = body.get("id") if isinstance(body, dict) else None
    return clean_text(claimed) if isinstance(claimed, str) else ""


def read_envelope(request: IncomingRequest) -> Envelope:
    body = parse_json(request.body)
    if not isinstance(body, dict):
        raise MalformedError("The body is not an object.", field="body")
    delivery_id, events = body.get("id"), body.get("events")
    if not isinstance(delivery_id, str) or not 1 <= len(clean_text(delivery_id)) <= DELIVERY_ID_LENGTH:
        raise MalformedError(f"id must be a text of 1 to {DELIVERY_ID_LENGTH} characters.", field="id")
    if not isinstance(events, list) or not 1 <= len(events) <= EVENTS_LIMIT:
        raise MalformedError(f"events must be a list of 1 to {EVENTS_LIMIT} events.", field="events")
    event_type, subject = read_common(events, "object", "change"), read_common(events, "object", "id")
    return Envelope(clean_text(delivery_id), (event_type or "batch").lower()[:64], subject[:255])


def read_common(events: Sequence[Any], *names: str) -> str:
    """What all events have under these names, such as `Contact.updated`; empty where they differ or have it not."""
    given = [[event.get(name) for name in names] if isinstance(event, dict) else [None] for event in events]
    if any(values != given[0] for values in given):
        return ""
    return ".".join(clean_text(value) if isinstance(value, str) else "" for value in given[0]).strip(".")


def write_delivery(events: Sequence[Event]) -> bytes:
    """Polled events in the same form, with an id that is made of them."""
    written = [write_event(event) for event in events]
    digest = hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()
    return json.dumps({"id": f"poll_{digest[:40]}", "events": written}, sort_keys=True).encode()


def write_event(event: Event) -> dict[str, Any]:
    common: dict[str, Any] = {"change": event.type.rpartition(".")[2]}
    match event:
        case RecordChanged():
            common |= {"id": event.external_id, "fields": dict(event.values)}
        case RecordDeleted():
            common |= {"id": event.external_id}
        case RecordsMerged():
            common |= {"id": event.survivor_id, "merged_ids": list(event.merged_ids)}
        case _:
            raise ValueError(f"{event.type} is no change of a record")
    sobject = next(name for name, kind in KINDS.items() if kind == event.record)
    return common | {"object": sobject, "changed_at": event.changed_at.isoformat()}


def parse(body: bytes) -> Parsed:
    """Objects and changes that are not known are noted; `is_known` is False where that is all there is."""
    try:
        envelope = PayloadReader(parse_json(body), "")
    except MalformedError as error:
        raise PayloadError("body", str(error)) from error
    found: list[Event] = []
    for path, value in envelope.items("events"):
        reader = PayloadReader(value, path, envelope.notes)
        sobject, change = reader.text("object"), reader.text("change")
        if sobject in KINDS and change in CHANGES:
            found.append(read_event(reader, sobject, change))
        else:
            envelope.notes.append(f"{path}: an object or change that is not known, left out.")
    return Parsed(found, tuple(envelope.notes), is_known=bool(found))


def read_event(event: PayloadReader, sobject: str, change: str) -> Event:
    kind, external_id, changed_at = KINDS[sobject], event.identifier("id"), event.instant("changed_at")
    event_type = f"{kind}.{change}"
    if change == "deleted":
        return RecordDeleted(event_type, kind, external_id, changed_at)
    if change == "merged":
        return RecordsMerged(event_type, kind, external_id, read_merged_ids(event), changed_at)
    fields = event.optional_object("fields")
    values = read_values(sobject, fields.value) if fields else {}
    return RecordChanged(event_type, kind, external_id, values, changed_at, is_new=change == "created")


def read_merged_ids(event: PayloadReader) -> tuple[str, ...]:
    ids = tuple(PayloadReader({path: value}, "").identifier(path) for path, value in event.items("merged_ids"))
    if not ids:
        raise PayloadError(event.at("merged_ids"), "is empty.")
    return ids
