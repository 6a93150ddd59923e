"""calendar.live's objects as normalised values: see `components` in tests/contracts/calendar_live/openapi.yaml.

Every function raises PayloadError, naming the field, for what is missing or of the wrong type.
"""

import re
from datetime import datetime
from typing import Any

from integrations.events import BookedAttendee, BookedConsent, BookedPayment, Booking, CalendarRef
from integrations.exceptions import PayloadError
from integrations.payloads import PayloadReader, clean_value, parse_instant

STATUSES = frozenset({"tentative", "confirmed", "cancelled"})
RESPONSES = frozenset({"accepted", "declined", "needs_action"})
PAYMENT_STATUSES = frozenset({"unpaid", "paid", "failed", "refunded"})
COUNTRY = re.compile("[A-Za-z]{2}")
CURRENCY = re.compile("[A-Za-z]{3}")


def read_booking(event: PayloadReader) -> Booking:
    start, end = event.instant("start"), event.instant("end")
    if end < start:
        raise PayloadError(event.at("end"), "is before the start.")
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
        rrule=read_rrule(recurrence) if recurrence else "",
        exdates=read_exdates(recurrence) if recurrence else (),
        series_id=event.optional_identifier("recurring_event_id"),
        original_start=event.optional_instant("original_start"),
        event_type=read_event_type(event.optional_object("event_type")),
        attendees=read_attendees(event),
        answers=read_answers(event),
        join_url=event.optional_text("join_url", max_length=2000),
        payment=read_payment(event.optional_object("payment")),
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


def read_rrule(recurrence: PayloadReader) -> str:
    rrule = recurrence.text("rrule").strip()
    if not rrule:
        raise PayloadError(recurrence.at("rrule"), "is empty.")
    return rrule


def read_exdates(recurrence: PayloadReader) -> tuple[datetime, ...]:
    return tuple(parse_instant(value, path) for path, value in recurrence.items("exdates", is_required=False))


def read_event_type(event_type: PayloadReader | None) -> dict[str, Any] | None:
    """Its known fields only, because it is stored in clear."""
    if event_type is None:
        return None
    texts = {name: event_type.optional_text(name, max_length=255) for name in ("id", "slug", "name", "online_meeting")}
    capacity = None if event_type.value.get("capacity") is None else event_type.integer("capacity")
    return {name: text or None for name, text in texts.items()} | {"capacity": capacity}


def read_attendees(event: PayloadReader) -> tuple[BookedAttendee, ...]:
    """In the order given; where one id stands twice, its last state counts."""
    readers = (PayloadReader(value, path, event.notes) for path, value in event.items("attendees"))
    attendees = [read_attendee(reader) for reader in readers]
    return tuple({attendee.id: attendee for attendee in attendees}.values())


def read_attendee(attendee: PayloadReader) -> BookedAttendee:
    return BookedAttendee(
        id=attendee.identifier("id"),
        email=attendee.text("email", max_length=500),
        full_name=attendee.optional_text("full_name", max_length=300),
        phone=attendee.optional_text("phone", max_length=100),
        company=attendee.optional_text("company", max_length=300),
        country=read_country(attendee),
        timezone=attendee.optional_text("timezone", max_length=64),
        response=read_response(attendee),
        consent=read_consent(attendee),
    )


def read_consent(attendee: PayloadReader) -> BookedConsent | None:
    """None where nothing was said about marketing; what is neither yes nor no says nothing."""
    consent = attendee.optional_object("consent")
    if consent is None or consent.value.get("marketing") is None:
        return None
    marketing = consent.value["marketing"]
    if not isinstance(marketing, bool):
        attendee.notes.append(f"{consent.at('marketing')}: neither true nor false, left out.")
        return None
    return BookedConsent(
        is_given=marketing,
        given_at=consent.optional_instant("given_at"),
        text=consent.optional_text("text"),
    )


def read_country(attendee: PayloadReader) -> str:
    """Two capital letters; a country that is spelled otherwise is unknown, and never cut to those of another."""
    country = attendee.optional_text("country").strip()
    if country and not COUNTRY.fullmatch(country):
        attendee.notes.append(f"{attendee.at('country')}: not two letters, left out.")
        return ""
    return country.upper()


def read_response(attendee: PayloadReader) -> str:
    response = attendee.optional_text("response")
    if response and response not in RESPONSES:
        attendee.notes.append(f"{attendee.at('response')}: unknown, taken as needs_action.")
    return response if response in RESPONSES else "needs_action"


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


def read_payment(payment: PayloadReader | None) -> BookedPayment | None:
    if payment is None:
        return None
    currency = payment.text("currency")
    if not CURRENCY.fullmatch(currency):
        raise PayloadError(payment.at("currency"), "is no currency code of three letters.")
    return BookedPayment(
        session_id=payment.identifier("session_id"),
        status=payment.choice("status", PAYMENT_STATUSES),
        amount=payment.integer("amount"),
        currency=currency.lower(),
        url=payment.optional_text("url", max_length=2000),
    )
