"""calendar.live's webhooks, as its contract says: signature, envelope, and what happened as a normalised event.

The contract is in tests/contracts/calendar_live/ (WEBHOOKS.md and openapi.yaml).
"""

from collections.abc import Sequence
from typing import Any

from integrations.events import BookingChanged
from integrations.exceptions import MalformedError, PayloadError
from integrations.payloads import PayloadReader, clean_text
from integrations.providers.base import Envelope, IncomingRequest, Parsed
from integrations.providers.calendar_live.mapping import read_booking
from integrations.providers.json_body import parse_json
from integrations.providers.signatures import matches_hmac_sha256_hex

SIGNATURE_HEADER = "x-cl-signature"
DELIVERY_HEADER = "x-cl-delivery-id"
DELIVERY_ID_LENGTH = 128
EVENT_TYPES = frozenset(
    {"event.created", "event.updated", "event.cancelled", "attendee.updated", "payment.succeeded", "payment.failed"}
)
PING = "ping"
ENVELOPE = {"id": str, "type": str, "created_at": str, "account_id": str, "data": dict}

# No names, addresses, numbers, free texts or links.
VISIBLE_KEYS = frozenset(
    [
        "id",
        "type",
        "created_at",
        "updated_at",
        "account_id",
        "api_version",
        "uid",
        "version",
        "status",
        "timezone",
        "start",
        "end",
        "recurrence",
        "rrule",
        "exdates",
        "recurring_event_id",
        "original_start",
        "slug",
        "online_meeting",
        "capacity",
        "response",
        "marketing",
        "given_at",
        "country",
        "amount",
        "currency",
        "source",
        "client_reference",
        "key",
    ]
)


def verify(request: IncomingRequest, secrets: Sequence[str]) -> bool:
    signature = request.headers.get(SIGNATURE_HEADER, "").removeprefix("sha256=")
    return matches_hmac_sha256_hex(signature, request.body, secrets)


def read_delivery_id(request: IncomingRequest) -> str:
    """As UTF-8: WSGI hands header bytes over as Latin-1."""
    return request.headers.get(DELIVERY_HEADER, "").encode("latin-1", "replace").decode("utf-8", "replace")


def read_envelope(request: IncomingRequest) -> Envelope:
    body = parse_json(request.body)
    if not isinstance(body, dict):
        raise MalformedError("The body is not an object.", field="body")
    for name, kind in ENVELOPE.items():
        if not isinstance(body.get(name), kind):
            raise MalformedError(f"{name} is missing or of the wrong type.", field=name)
    delivery_id = read_delivery_id(request)
    if not 1 <= len(delivery_id) <= DELIVERY_ID_LENGTH:
        raise MalformedError(f"The header must hold 1 to {DELIVERY_ID_LENGTH} characters.", field="X-CL-Delivery-ID")
    if body["id"] != delivery_id:
        raise MalformedError("The body's id differs from X-CL-Delivery-ID.", field="id")
    return Envelope(delivery_id, clean_text(body["type"])[:64], read_subject(body["data"]))


def read_subject(data: dict[str, Any]) -> str:
    """The event's uid where it can be read; whether the event itself can be is found out when it is worked on."""
    event = data.get("event")
    uid = event.get("uid") if isinstance(event, dict) else None
    return clean_text(uid).strip()[:255] if isinstance(uid, str) else ""


def parse(body: bytes) -> Parsed:
    try:
        envelope = PayloadReader(parse_json(body), "")
    except MalformedError as error:
        raise PayloadError("body", str(error)) from error
    event_type = envelope.text("type")
    if event_type == PING:
        return Parsed()
    if event_type not in EVENT_TYPES:
        return Parsed(is_known=False)
    booking = read_booking(envelope.object("data").object("event"))
    return Parsed([BookingChanged(event_type, booking)], tuple(envelope.notes))
