"""Zoom's webhooks: signature, handshake, envelope, and what happened as normalised events.

A body is {event, event_ts, payload: {account_id, object: {id, …, registrant?}}}. `event_ts` is in milliseconds and
stays the same when a delivery is sent again. See https://developers.zoom.us/docs/api/webhooks/.
"""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from integrations.events import Event, OnlineMeetingChanged, RegistrantChanged
from integrations.exceptions import MalformedError, PayloadError
from integrations.payloads import PayloadReader, clean_text
from integrations.providers.base import Envelope, IncomingRequest, Parsed
from integrations.providers.json_body import parse_json
from integrations.providers.signatures import matches_hmac_sha256_hex
from integrations.providers.zoom.client import URL_LENGTH, read_meeting_id

SIGNATURE_HEADER = "x-zm-signature"
TIMESTAMP_HEADER = "x-zm-request-timestamp"
VERSION = "v0"
# Zoom publishes no window; this one is as long as other providers' are.
TOLERANCE_S = 300
TIMESTAMP = re.compile("[0-9]{1,12}")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EMAIL_LENGTH = 500

VALIDATION = "endpoint.url_validation"
MEETING_CHANGES = {
    "meeting.updated": "updated",
    "meeting.deleted": "deleted",
    "meeting.started": "started",
    "meeting.ended": "ended",
}
REGISTRANT_CHANGES = {
    "meeting.registration_created": "created",
    "meeting.registration_approved": "approved",
    "meeting.registration_cancelled": "cancelled",
    "meeting.registration_denied": "denied",
}
ENVELOPE = {"event": str, "event_ts": int, "payload": dict}

# No names, addresses, topics or links.
VISIBLE_KEYS = frozenset(
    [
        "event",
        "event_ts",
        "account_id",
        "operation",
        "operator_id",
        "id",
        "uuid",
        "host_id",
        "type",
        "start_time",
        "end_time",
        "duration",
        "timezone",
        "status",
        "occurrence_id",
        "time_stamp",
    ]
)


# --- Signature and handshake ------------------------------------------------------------------------------------------


def verify(request: IncomingRequest, secrets: Sequence[str]) -> bool:
    timestamp = request.headers.get(TIMESTAMP_HEADER, "")
    version, _, signature = request.headers.get(SIGNATURE_HEADER, "").partition("=")
    if version != VERSION or not is_recent(timestamp, request.received_at):
        return False
    return matches_hmac_sha256_hex(signature, f"{VERSION}:{timestamp}:".encode() + request.body, secrets)


def is_recent(timestamp: str, received_at: datetime) -> bool:
    """`timestamp` is in seconds since 1970; a clock may be wrong to either side."""
    is_number = TIMESTAMP.fullmatch(timestamp) is not None
    return is_number and abs(received_at.timestamp() - int(timestamp)) <= TOLERANCE_S


def answer_validation(request: IncomingRequest, secrets: Sequence[str]) -> dict[str, str] | None:
    """Zoom's check of the address, at set-up and every 72 hours: its token, and the token signed. None for others."""
    token = read_plain_token(request.body)
    secret = next((secret for secret in secrets if verify(request, [secret])), None)
    if not token or secret is None:
        return None
    signed = hmac.digest(secret.encode(), token.encode(), hashlib.sha256).hex()
    return {"plainToken": token, "encryptedToken": signed}


def read_plain_token(body: bytes) -> str:
    """Empty where the body is no such check; `read_envelope` says what is wrong with it."""
    try:
        value = parse_json(body)
    except MalformedError:
        return ""
    if not isinstance(value, dict) or value.get("event") != VALIDATION or not isinstance(value.get("payload"), dict):
        return ""
    token = value["payload"].get("plainToken")
    return token if isinstance(token, str) and token.isascii() else ""


# --- Envelope ---------------------------------------------------------------------------------------------------------


def read_delivery_id(request: IncomingRequest) -> str:
    try:
        return make_delivery_id(read_body(request.body))
    except MalformedError:
        return ""


def read_envelope(request: IncomingRequest) -> Envelope:
    body = read_body(request.body)
    if body["event"] == VALIDATION and not read_plain_token(request.body):
        raise MalformedError("The token to be signed is missing.", field="payload.plainToken")
    meeting_id = read_id(body["payload"].get("object"))
    subject = f"zoom:{clean_text(meeting_id)}"[:255] if meeting_id else ""
    return Envelope(make_delivery_id(body), clean_text(body["event"])[:64], subject)


def read_body(raw: bytes) -> dict[str, Any]:
    """Raises MalformedError, naming the field."""
    body = parse_json(raw)
    if not isinstance(body, dict):
        raise MalformedError("The body is not an object.", field="body")
    for name, kind in ENVELOPE.items():
        if not isinstance(body.get(name), kind) or isinstance(body[name], bool):
            raise MalformedError(f"{name} is missing or of the wrong type.", field=name)
    return body


def make_delivery_id(body: Mapping[str, Any]) -> str:
    """Zoom sends none: what happened, when, to which meeting, and for whom. The same each time it is sent again."""
    subject = body["payload"].get("object")
    registrant = subject.get("registrant") if isinstance(subject, dict) else None
    parts = [body["event"], body["event_ts"], read_id(subject), read_id(registrant)]
    return "zm_" + hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:40]


def read_id(value: Any) -> str:
    """A number or a text; empty where there is none."""
    found = value.get("id") if isinstance(value, dict) else None
    return str(found) if isinstance(found, int | str) and not isinstance(found, bool) else ""


# --- Events -----------------------------------------------------------------------------------------------------------


def parse(body: bytes) -> Parsed:
    try:
        envelope = PayloadReader(parse_json(body), "")
    except MalformedError as error:
        raise PayloadError("body", str(error)) from error
    event_type = envelope.text("event")
    if event_type == VALIDATION:
        return Parsed()
    if event_type in MEETING_CHANGES:
        return Parsed([read_meeting_change(envelope, event_type)], tuple(envelope.notes))
    if event_type in REGISTRANT_CHANGES:
        return Parsed([read_registrant_change(envelope, event_type)], tuple(envelope.notes))
    return Parsed(is_known=False)


def read_meeting_change(envelope: PayloadReader, event_type: str) -> Event:
    """Where one occurrence of a series is deleted (`operation` is "single"), the meeting itself goes on."""
    payload = envelope.object("payload")
    change = MEETING_CHANGES[event_type]
    if change == "deleted" and payload.optional_text("operation") == "single":
        change = "updated"
        payload.notes.append("payload.operation: one occurrence was deleted, taken as a change of the meeting.")
    return OnlineMeetingChanged(event_type, read_meeting_id(payload.object("object")), change, read_instant(envelope))


def read_registrant_change(envelope: PayloadReader, event_type: str) -> Event:
    meeting = envelope.object("payload").object("object")
    registrant = meeting.object("registrant")
    return RegistrantChanged(
        event_type,
        external_id=read_meeting_id(meeting),
        registrant_id=registrant.optional_identifier("id"),
        email=registrant.text("email", max_length=EMAIL_LENGTH),
        join_url=registrant.optional_text("join_url", max_length=URL_LENGTH),
        change=REGISTRANT_CHANGES[event_type],
        changed_at=read_instant(envelope),
    )


def read_instant(envelope: PayloadReader) -> datetime:
    try:
        return EPOCH + timedelta(milliseconds=envelope.integer("event_ts", minimum=0))
    except OverflowError:
        raise PayloadError("event_ts", "is no time in milliseconds.") from None
