"""calendar.live's webhooks, as its contract says: signature, envelope, and the event inside as a normalised event.

The contract is in tests/contracts/calendar_live/ (WEBHOOKS.md and openapi.yaml).
"""

from collections.abc import Sequence
from typing import Any

from integrations.events import BookedAttendee, BookedPayment, Booking, BookingChanged, CalendarRef
from integrations.exceptions import MalformedError, PayloadError
from integrations.payloads import PayloadReader, clean_text, clean_value, parse_instant
from integrations.providers.base import Envelope, IncomingRequest, Parsed
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

STATUSES = frozenset({"tentative", "confirmed", "cancelled"})
RESPONSES = frozenset({"accepted", "declined", "needs_action"})
PAYMENT_STATUSES = frozenset({"unpaid", "paid", "failed", "refunded"})

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


def read_envelope(request: IncomingRequest) -> Envelope:
    body = parse_json(request.body)
    if not isinstance(body, dict):
        raise MalformedError("The body is not an object.", field="body")
    for name, kind in ENVELOPE.items():
        if not isinstance(body.get(name), kind):
            raise MalformedError(f"{name} is missing or of the wrong type.", field=name)
    # WSGI hands header bytes over as Latin-1.
    delivery_id = request.headers.get(DELIVERY_HEADER, "").encode("latin-1", "replace").decode("utf-8", "replace")
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


def read_booking(event: PayloadReader) -> Booking:
    start, end = event.instant("start"), event.instant("end")
    if end < start:
        raise PayloadError(event.at("end"), "is before the start.")
    event_type = event.optional_object("event_type")
    payment = event.optional_object("payment")
    recurrence = event.optional_object("recurrence")
    return Booking(
        id=event.identifier("id"),
        uid=event.identifier("uid"),
        version=event.integer("version", minimum=1),
        status=event.choice("status", STATUSES),
        title=event.text("title", max_length=500),
        description=event.optional_text("description"),
        calendar=read_calendar(event.object("calendar")),
        start=start,
        end=end,
        timezone=event.identifier("timezone"),
        rrule=recurrence.text("rrule") if recurrence else "",
        exdates=read_exdates(recurrence) if recurrence else (),
        series_id=event.optional_identifier("recurring_event_id"),
        original_start=event.optional_instant("original_start"),
        event_type=clean_value(dict(event_type.value)) if event_type else None,
        attendees=read_attendees(event),
        answers=read_answers(event),
        join_url=event.optional_text("join_url", max_length=2000),
        payment=read_payment(payment) if payment else None,
        source=event.text("source", max_length=32),
        client_reference=event.optional_text("client_reference", max_length=255),
        created_at=event.instant("created_at"),
        updated_at=event.instant("updated_at"),
    )


def read_calendar(calendar: PayloadReader) -> CalendarRef:
    return CalendarRef(
        id=calendar.identifier("id"),
        name=calendar.text("name", max_length=255),
        timezone=calendar.identifier("timezone"),
        owner_email=calendar.text("owner_email", max_length=320),
    )


def read_exdates(recurrence: PayloadReader) -> tuple[Any, ...]:
    return tuple(parse_instant(value, path) for path, value in recurrence.items("exdates", is_required=False))


def read_attendees(event: PayloadReader) -> tuple[BookedAttendee, ...]:
    """In the order given; where one id stands twice, its last state counts."""
    readers = (PayloadReader(value, path, event.notes) for path, value in event.items("attendees"))
    attendees = [read_attendee(reader) for reader in readers]
    return tuple({attendee.id: attendee for attendee in attendees}.values())


def read_attendee(attendee: PayloadReader) -> BookedAttendee:
    response = attendee.optional_text("response")
    return BookedAttendee(
        id=attendee.identifier("id"),
        email=attendee.text("email", max_length=500),
        full_name=attendee.optional_text("full_name", max_length=300),
        phone=attendee.optional_text("phone", max_length=100),
        company=attendee.optional_text("company", max_length=300),
        country=attendee.optional_text("country", max_length=2).upper(),
        timezone=attendee.optional_text("timezone", max_length=64),
        response=response if response in RESPONSES else "needs_action",
    )


def read_answers(event: PayloadReader) -> tuple[dict[str, Any], ...]:
    readers = (PayloadReader(value, path, event.notes) for path, value in event.items("answers", is_required=False))
    return tuple(
        {
            "key": answer.text("key", max_length=255),
            "question": answer.optional_text("question"),
            "value": clean_value(answer.value.get("value")),
        }
        for answer in readers
    )


def read_payment(payment: PayloadReader) -> BookedPayment:
    return BookedPayment(
        session_id=payment.identifier("session_id"),
        status=payment.choice("status", PAYMENT_STATUSES),
        amount=payment.integer("amount"),
        currency=payment.text("currency", max_length=3).lower(),
        url=payment.optional_text("url", max_length=2000),
    )
