"""Pipedrive's webhooks of version 2: HTTP Basic, the envelope, and what happened as normalised events.

https://pipedrive.readme.io/docs/guide-for-webhooks-v2
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integrations.events import Event, RecordChanged, RecordDeleted, RecordKind, RecordsMerged
from integrations.exceptions import MalformedError, PayloadError
from integrations.payloads import PayloadReader, clean_text, clean_value, parse_instant
from integrations.providers.base import Envelope, IncomingRequest, Parsed
from integrations.providers.json_body import parse_json

KINDS = {"person": RecordKind.CONTACT, "activity": RecordKind.MEETING}
ACTIONS = frozenset({"create", "change", "delete"})
DELIVERY_ID_LENGTH = 128
# Of the envelope's `meta`: what differs between the tries at one event, and between webhooks that tell of it.
PER_TRY = frozenset(
    {"attempt", "correlation_id", "webhook_id", "webhook_owner_id", "permitted_user_ids", "type", "host"}
)

# Ids, types and times: no names, addresses, numbers or free texts.
VISIBLE_KEYS = frozenset(
    [
        "action",
        "entity",
        "entity_id",
        "id",
        "timestamp",
        "correlation_id",
        "attempt",
        "version",
        "company_id",
        "webhook_id",
        "webhook_owner_id",
        "user_id",
        "type",
        "change_source",
        "is_bulk_edit",
        "merged_to_id",
        "merged_from_id",
        "owner_id",
        "creator_user_id",
        "org_id",
        "person_id",
        "deal_id",
        "lead_id",
        "add_time",
        "update_time",
        "due_date",
        "due_time",
        "duration",
        "done",
        "busy",
        "is_deleted",
    ]
)


def verify(request: IncomingRequest, secrets: Sequence[str]) -> bool:
    """Whether the request has the user and password of one of the secrets (RFC 7617).

    A secret is "user:password"; one without a colon is the password of any user.
    """
    scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
    try:
        given = base64.b64decode(token.strip().encode("ascii"), validate=True) if scheme.lower() == "basic" else b""
    except (binascii.Error, ValueError):
        return False
    password = given.partition(b":")[2]
    matches = [
        hmac.compare_digest(given if ":" in secret else password, secret.encode()) for secret in secrets if secret
    ]
    return any(matches)


# --- Envelopes --------------------------------------------------------------------------------------------------------


def read_delivery_id(request: IncomingRequest) -> str:
    """The event's id, which its tries share; where it has none, one of what it says. Empty for another body."""
    try:
        return derive_delivery_id(read_meta(request.body))
    except MalformedError:
        return ""


def read_envelope(request: IncomingRequest) -> Envelope:
    meta = read_meta(request.body)
    action, entity, number = (clean_text(str(meta[name])) for name in ("action", "entity", "entity_id"))
    kind = KINDS.get(entity)
    return Envelope(derive_delivery_id(meta), f"{action}.{entity}"[:64], f"{kind}:{number}"[:255] if kind else "")


def body_for_digest(request: IncomingRequest) -> bytes:
    """What stays the same when an event is sent again, in one spelling; another body as it is."""
    try:
        envelope = parse_json(request.body)
        meta = {name: value for name, value in check_meta(envelope).items() if name not in PER_TRY}
    except MalformedError:
        return request.body
    return json.dumps({**envelope, "meta": meta}, sort_keys=True, separators=(",", ":")).encode()


def read_meta(body: bytes) -> Mapping[str, Any]:
    return check_meta(parse_json(body))


def check_meta(envelope: Any) -> Mapping[str, Any]:
    """Raises MalformedError where this is no envelope of version 2."""
    meta = envelope.get("meta") if isinstance(envelope, dict) else None
    if not isinstance(meta, dict):
        raise MalformedError("meta is missing or not an object.", field="meta")
    for name in ("action", "entity"):
        if not isinstance(meta.get(name), str) or not meta[name]:
            raise MalformedError(f"meta.{name} is missing: the webhook must be of version 2.0.", field=f"meta.{name}")
    if not is_id(meta.get("entity_id")):
        raise MalformedError("meta.entity_id is missing or no id.", field="meta.entity_id")
    return meta


def is_id(value: Any) -> bool:
    return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, str) and value != "")


def derive_delivery_id(meta: Mapping[str, Any]) -> str:
    given = meta.get("id")
    if isinstance(given, str) and 1 <= len(given) <= DELIVERY_ID_LENGTH and given == clean_text(given):
        return given
    said = [str(meta.get(name)) for name in ("entity", "entity_id", "action", "timestamp")]
    return f"pd_{hashlib.sha256(json.dumps(said).encode()).hexdigest()}"


# --- Events -----------------------------------------------------------------------------------------------------------


def parse(body: bytes) -> Parsed:
    """Persons and activities; whatever else Pipedrive tells of is not ours."""
    try:
        envelope = PayloadReader(parse_json(body), "")
    except MalformedError as error:
        raise PayloadError("body", str(error)) from error
    meta = envelope.object("meta")
    kind = KINDS.get(meta.text("entity"))
    if kind is None or meta.text("action") not in ACTIONS:
        return Parsed(is_known=False)
    return Parsed(list(read_events(envelope, meta, kind)), tuple(envelope.notes))


def read_events(envelope: PayloadReader, meta: PayloadReader, kind: RecordKind) -> Iterator[Event]:
    """A merge is told twice: with the deletion of what went, and with the change of what stays."""
    action, external_id, changed_at = meta.text("action"), read_id(meta, "entity_id"), read_instant(meta)
    if action == "delete" and meta.value.get("merged_to_id"):
        survivor_id = read_id(meta, "merged_to_id")
        yield RecordsMerged(f"{kind}.merged", kind, survivor_id, (external_id,), changed_at)
    elif action == "delete":
        yield RecordDeleted(f"{kind}.deleted", kind, external_id, changed_at)
    else:
        if meta.value.get("merged_from_id"):
            merged_id = read_id(meta, "merged_from_id")
            yield RecordsMerged(f"{kind}.merged", kind, external_id, (merged_id,), changed_at)
        is_new = action == "create"
        type_ = f"{kind}.created" if is_new else f"{kind}.changed"
        yield RecordChanged(type_, kind, external_id, read_values(envelope), changed_at, is_new)


def read_values(envelope: PayloadReader) -> dict[str, Any]:
    """The record's new values: those that `previous` names, since it holds what the changed fields were; else all.

    Custom fields stand under `custom_fields`, by their codes.
    """
    data = envelope.object("data").value
    previous = envelope.optional_object("previous")
    values = pick(data, previous.value) if previous else dict(data)
    if (
        isinstance(data.get("custom_fields"), dict)
        and previous
        and isinstance(previous.value.get("custom_fields"), dict)
    ):
        values["custom_fields"] = pick(data["custom_fields"], previous.value["custom_fields"])
    cleaned: dict[str, Any] = clean_value(values)
    return cleaned


def pick(values: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """A field that was emptied may be missing from the record: it is None."""
    return {name: values.get(name) for name in names}


def read_id(meta: PayloadReader, name: str) -> str:
    value = meta.required(name)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else meta.identifier(name)


def read_instant(meta: PayloadReader) -> datetime:
    """RFC 3339, or seconds since 1970: the page that describes it shows the one and says the other."""
    value = meta.required("timestamp")
    if isinstance(value, str) and not value.isdecimal():
        return parse_instant(value, meta.at("timestamp"))
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        raise PayloadError(meta.at("timestamp"), "is no moment.") from None
