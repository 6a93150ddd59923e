"""Stripe's webhooks: signature, envelope, and what became of a payment (https://docs.stripe.com/webhooks).

Deliveries may repeat and come in any order. A payment's fate is read from these types; all others are not ours.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from integrations.events import PaymentChanged
from integrations.exceptions import MalformedError, PayloadError
from integrations.payloads import PayloadReader, clean_text
from integrations.providers.base import Envelope, IncomingRequest, Parsed
from integrations.providers.json_body import parse_json
from integrations.providers.signatures import matches_hmac_sha256_hex
from integrations.providers.stripe.client import MEETING_KEY

SIGNATURE_HEADER = "Stripe-Signature"
TOLERANCE_S = 300
TIMESTAMP = re.compile("[0-9]{1,12}")
DELIVERY_ID_LENGTH = 128
TYPE_LENGTH = 64

# No names, addresses, numbers, free texts or links.
VISIBLE_KEYS = frozenset(
    [
        "id",
        "object",
        "type",
        "created",
        "api_version",
        "livemode",
        "mode",
        "status",
        "payment_status",
        "payment_intent",
        "charge",
        "amount",
        "amount_total",
        "amount_subtotal",
        "amount_refunded",
        "currency",
        "refunded",
        "disputed",
        "reason",
        "expires_at",
        "client_reference_id",
        MEETING_KEY,
    ]
)

PAID = {"paid": "paid", "no_payment_required": "paid", "unpaid": "unpaid"}
# An inquiry that is closed took no money; `lost` did.
CLOSED = {"won": "paid", "warning_closed": "paid", "lost": "refunded"}

# The status of a payment, or empty where the event leaves it as it was.
type ReadStatus = Callable[[PayloadReader], str]


# --- Signatures -------------------------------------------------------------------------------------------------------


def verify(request: IncomingRequest, secrets: Sequence[str]) -> bool:
    """Whether one of the `v1` signatures is of `<t>.<body>` under one of the secrets, and `t` is at most 300 s old.

    As in Stripe's SDKs a `t` in the future is accepted, and other schemes (`v0`) are not looked at.
    """
    timestamp, signatures = read_signature(request.headers.get(SIGNATURE_HEADER.lower(), ""))
    signed = f"{timestamp}.".encode() + request.body
    matches = [matches_hmac_sha256_hex(signature, signed, secrets) for signature in signatures]
    return any(matches) and int(timestamp) >= request.received_at.timestamp() - TOLERANCE_S


def read_signature(header: str) -> tuple[str, list[str]]:
    """The timestamp and the `v1` signatures of a `Stripe-Signature` header; no signatures without a timestamp."""
    parts = [(name.strip(), value.strip()) for name, _, value in (part.partition("=") for part in header.split(","))]
    timestamp = next((value for name, value in parts if name == "t"), "")
    if not TIMESTAMP.fullmatch(timestamp):
        return "", []
    return timestamp, [value for name, value in parts if name == "v1"]


# --- Envelopes --------------------------------------------------------------------------------------------------------


def read_delivery_id(request: IncomingRequest) -> str:
    """The event's id: Stripe sends it with every try, and names it nowhere but in the body."""
    try:
        body = parse_json(request.body)
    except MalformedError:
        return ""
    claimed = body.get("id") if isinstance(body, dict) else None
    return claimed if isinstance(claimed, str) else ""


def read_envelope(request: IncomingRequest) -> Envelope:
    body = parse_json(request.body)
    if not isinstance(body, dict):
        raise MalformedError("The body is not an object.", field="body")
    for name in ("id", "type"):
        if not isinstance(body.get(name), str) or not body[name]:
            raise MalformedError(f"{name} is missing or of the wrong type.", field=name)
    if len(body["id"]) > DELIVERY_ID_LENGTH:
        raise MalformedError(f"The id must hold 1 to {DELIVERY_ID_LENGTH} characters.", field="id")
    return Envelope(body["id"], clean_text(body["type"])[:TYPE_LENGTH], read_subject(body))


def read_subject(body: dict[str, Any]) -> str:
    """What happens to one payment is worked on in order: its payment intent names it, until it has one its session."""
    data = body.get("data")
    found = data.get("object") if isinstance(data, dict) else None
    if body["type"] not in READERS or not isinstance(found, dict):
        return ""
    names = (found.get("payment_intent"), found.get("id") if body["type"] in SESSION_TYPES else "")
    subject = next((name for name in names if isinstance(name, str) and name.strip()), "")
    return f"payment:{clean_text(subject).strip()}"[:255] if subject else ""


# --- Events -----------------------------------------------------------------------------------------------------------


def parse(body: bytes) -> Parsed:
    try:
        envelope = PayloadReader(parse_json(body), "")
    except MalformedError as error:
        raise PayloadError("body", str(error)) from error
    event_type = envelope.text("type")
    if event_type not in READERS:
        return Parsed(is_known=False)
    changed_at = read_instant(envelope, "created")
    found = envelope.object("data").object("object")
    read = read_session if event_type in SESSION_TYPES else read_charge
    status = READERS[event_type](found)
    changed = read(found, event_type, status, changed_at) if status else None
    return Parsed([changed] if changed else [], tuple(envelope.notes))


def read_session(session: PayloadReader, event_type: str, status: str, changed_at: datetime) -> PaymentChanged:
    return PaymentChanged(
        type=event_type,
        session_id=session.identifier("id"),
        payment_intent=session.optional_identifier("payment_intent"),
        status=status,
        amount=read_amount(session, "amount_total"),
        currency=session.optional_text("currency", max_length=3).lower(),
        client_reference=read_reference(session),
        changed_at=changed_at,
    )


def read_charge(charge: PayloadReader, event_type: str, status: str, changed_at: datetime) -> PaymentChanged | None:
    """From a charge or a dispute, which has its own amount and knows no session; None where it has no intent either."""
    payment_intent = charge.optional_identifier("payment_intent")
    if not payment_intent:
        charge.notes.append(f"{charge.at('payment_intent')}: there is none, so it was not paid on a page of Checkout.")
        return None
    return PaymentChanged(
        type=event_type,
        session_id="",
        payment_intent=payment_intent,
        status=status,
        amount=read_amount(charge, "amount"),
        currency=charge.optional_text("currency", max_length=3).lower(),
        client_reference=read_reference(charge),
        changed_at=changed_at,
    )


def read_reference(found: PayloadReader) -> str:
    """Our id of the meeting, as we gave it to Stripe.

    A Payment Link takes its client_reference_id from the address that the customer opened: that one proves nothing.
    """
    metadata = found.optional_object("metadata")
    reference = metadata.optional_text(MEETING_KEY, max_length=255) if metadata else ""
    if reference or found.value.get("payment_link"):
        return reference
    return found.optional_text("client_reference_id", max_length=255)


def read_amount(found: PayloadReader, name: str) -> int | None:
    return None if found.value.get(name) is None else found.integer(name, minimum=0)


def read_instant(found: PayloadReader, name: str) -> datetime:
    """Unix seconds as an aware datetime in UTC."""
    try:
        return datetime.fromtimestamp(found.integer(name, minimum=0), UTC)
    except (ValueError, OverflowError, OSError):
        raise PayloadError(found.at(name), "is no moment in Unix seconds.") from None


# --- What the types say -----------------------------------------------------------------------------------------------


def read_completed(session: PayloadReader) -> str:
    """Where a delayed method was chosen the page is done with and the money is still on its way: unpaid."""
    return PAID[session.choice("payment_status", frozenset(PAID))]


def read_refunded(charge: PayloadReader) -> str:
    refunded, amount = charge.integer("amount_refunded", minimum=0), charge.integer("amount", minimum=0)
    if charge.value.get("refunded") is True or refunded >= amount:
        return "refunded"
    charge.notes.append(f"{charge.at('amount_refunded')}: a part was given back; the payment stays paid.")
    return ""


def read_closed(dispute: PayloadReader) -> str:
    status = dispute.text("status")
    if status not in CLOSED:
        dispute.notes.append(f"{dispute.at('status')}: says nothing about the money, left out.")
    return CLOSED.get(status, "")


SESSION_TYPES: dict[str, ReadStatus] = {
    "checkout.session.completed": read_completed,
    "checkout.session.async_payment_succeeded": lambda session: "paid",
    "checkout.session.async_payment_failed": lambda session: "failed",
    "checkout.session.expired": lambda session: "expired",
}
READERS: dict[str, ReadStatus] = {
    **SESSION_TYPES,
    "charge.refunded": read_refunded,
    "charge.dispute.created": lambda dispute: "disputed",
    "charge.dispute.closed": read_closed,
}
