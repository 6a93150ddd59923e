"""Records as the JSON objects of the contract's schemas."""

from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.calendar_live.catalog import CALENDARS, EVENT_TYPES
from integrations.sandbox.calendar_live.records import (
    Attendee,
    Calendar,
    Delivery,
    Event,
    Hold,
    Payment,
    Recurrence,
    State,
)
from integrations.sandbox.calendar_live.schedule import Interval
from integrations.sandbox.persistence import encode

Document = dict[str, Any]

# The fields that every change moves; they are no news in `previous`.
BOOKKEEPING = frozenset({"version", "updated_at"})


def format_instant(instant: datetime) -> str:
    """ISO 8601 UTC in whole seconds, with Z."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def interval_document(interval: Interval) -> Document:
    return {"start": format_instant(interval.start), "end": format_instant(interval.end)}


def calendar_document(calendar: Calendar) -> Document:
    return {
        "id": calendar.id,
        "name": calendar.name,
        "timezone": calendar.timezone,
        "owner_email": calendar.owner_email,
    }


def attendee_document(attendee: Attendee) -> Document:
    consent = attendee.consent and {
        "marketing": attendee.consent.marketing,
        "given_at": format_instant(attendee.consent.given_at),
        "text": attendee.consent.text,
    }
    return {
        "id": attendee.id,
        "email": attendee.email,
        "full_name": attendee.full_name,
        "phone": attendee.phone,
        "company": attendee.company,
        "country": attendee.country,
        "timezone": attendee.timezone,
        "response": attendee.response,
        "consent": consent,
    }


def event_document(event: Event) -> Document:
    return {
        "id": event.id,
        "uid": event.uid,
        "version": event.version,
        "status": event.status,
        "title": event.title,
        "description": event.description,
        "calendar": calendar_document(CALENDARS[event.calendar_id]),
        "start": format_instant(event.start),
        "end": format_instant(event.end),
        "timezone": event.timezone,
        "recurrence": _recurrence_document(event.recurrence),
        "recurring_event_id": None,
        "original_start": None,
        "event_type": _event_type_document(event.event_type_slug),
        "attendees": [attendee_document(attendee) for attendee in event.attendees],
        "answers": [{"key": item.key, "question": item.question, "value": item.value} for item in event.answers],
        "join_url": event.join_url,
        "payment": _payment_document(event.payment),
        "source": event.source,
        "client_reference": event.client_reference,
        "created_at": format_instant(event.created_at),
        "updated_at": format_instant(event.updated_at),
    }


def previous_document(before: Event, after: Event) -> Document:
    """The values before the change, of the changed fields only."""
    old, new = event_document(before), event_document(after)
    return {name: value for name, value in old.items() if name not in BOOKKEEPING and value != new[name]}


def hold_document(hold: Hold) -> Document:
    return {
        "id": hold.id,
        "calendar_id": hold.calendar_id,
        "start": format_instant(hold.start),
        "end": format_instant(hold.end),
        "expires_at": format_instant(hold.expires_at),
    }


def delivery_document(delivery: Delivery) -> Document:
    attempts = [
        {
            "at": format_instant(attempt.at),
            "http_status": attempt.http_status,
            "error": attempt.error,
            "duration_ms": attempt.duration_ms,
        }
        for attempt in delivery.attempts
    ]
    return {
        "id": delivery.id,
        "event_type": delivery.event_type,
        "event_id": delivery.event_id,
        "status": delivery.status,
        "attempts": attempts,
        "created_at": format_instant(delivery.created_at),
    }


def world_document(state: State) -> Document:
    """All records, oldest first; deliveries with the body that was sent, tickets as they are kept."""
    return {
        "events": [event_document(event) for event in state.events.values()],
        "holds": [hold_document(hold) for hold in state.holds.values()],
        "tickets": encode(list(state.tickets.values())),
        "deliveries": [
            delivery_document(item) | {"note": item.note, "body": item.body} for item in state.deliveries.values()
        ],
    }


def _recurrence_document(recurrence: Recurrence | None) -> Document | None:
    if recurrence is None:
        return None
    return {"rrule": recurrence.rrule, "exdates": [format_instant(exdate) for exdate in recurrence.exdates]}


def _payment_document(payment: Payment | None) -> Document | None:
    if payment is None:
        return None
    return {
        "session_id": payment.session_id,
        "status": payment.status,
        "amount": payment.amount,
        "currency": payment.currency,
        "url": payment.url,
    }


def _event_type_document(slug: str | None) -> Document | None:
    if slug is None:
        return None
    event_type = EVENT_TYPES[slug]
    return {
        "id": event_type.id,
        "slug": event_type.slug,
        "name": event_type.name,
        "online_meeting": event_type.online_meeting,
        "capacity": event_type.capacity,
    }
