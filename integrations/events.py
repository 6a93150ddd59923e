"""Normalised events: what happened, in Keepsync's words, whichever provider told it. And who handles them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all normalised events. `type` is dotted, such as `event.created`."""

    type: str


@dataclass(frozen=True, slots=True)
class CalendarRef:
    id: str
    name: str
    timezone: str
    owner_email: str


@dataclass(frozen=True, slots=True)
class BookedConsent:
    """What an attendee said about marketing; `text` is the wording, `given_at` None where it is not known."""

    is_given: bool
    given_at: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class BookedAttendee:
    """A person as typed: normalising is the contacts' matter. Empty texts are unknown values."""

    id: str
    email: str
    full_name: str
    phone: str
    company: str
    country: str
    timezone: str
    response: str
    consent: BookedConsent | None = None


@dataclass(frozen=True, slots=True)
class BookedPayment:
    """`amount` is in the currency's minor unit."""

    session_id: str
    status: str
    amount: int
    currency: str
    url: str


@dataclass(frozen=True, slots=True)
class Booking:
    """The whole state of one event at calendar.live at one `version`. Times are aware, in UTC."""

    id: str
    uid: str
    version: int
    status: str
    title: str
    description: str
    calendar: CalendarRef
    start: datetime
    end: datetime
    timezone: str
    rrule: str
    exdates: tuple[datetime, ...]
    series_id: str
    original_start: datetime | None
    event_type: dict[str, Any] | None
    attendees: tuple[BookedAttendee, ...]
    answers: tuple[dict[str, Any], ...]
    join_url: str
    payment: BookedPayment | None
    source: str
    client_reference: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class BookingChanged(Event):
    """A booking was made, changed, cancelled, paid, or answered by an attendee; `booking` is its state after that."""

    booking: Booking


class RecordKind(StrEnum):
    """What a CRM's record is to us."""

    CONTACT = "contact"
    MEETING = "meeting"


@dataclass(frozen=True, slots=True)
class RecordChanged(Event):
    """A CRM's record was made or changed. `values` are those that changed, under the CRM's field names."""

    record: RecordKind
    external_id: str
    values: Mapping[str, Any]
    changed_at: datetime
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class RecordDeleted(Event):
    """A CRM's record was deleted; `is_privacy`: because its person asked to be forgotten."""

    record: RecordKind
    external_id: str
    changed_at: datetime
    is_privacy: bool = False


@dataclass(frozen=True, slots=True)
class RecordsMerged(Event):
    """Records of a CRM became one: `survivor_id` is what is left, and the others lead to it."""

    record: RecordKind
    survivor_id: str
    merged_ids: tuple[str, ...]
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class PaymentChanged(Event):
    """A Checkout Session's payment at Stripe. `status` is unpaid, paid, failed, expired, refunded or disputed.

    `amount` is in the currency's minor unit. `session_id` is empty where only the payment intent is known.
    """

    session_id: str
    payment_intent: str
    status: str
    amount: int | None
    currency: str
    client_reference: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class OnlineMeetingChanged(Event):
    """A Zoom meeting was changed, deleted, started or ended over there; `change` says which."""

    external_id: str
    change: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class RegistrantChanged(Event):
    """Somebody registered for a Zoom meeting, or was cancelled; `change` is created, cancelled, approved or denied."""

    external_id: str
    registrant_id: str
    email: str
    join_url: str
    change: str
    changed_at: datetime


class Outcome(StrEnum):
    """What a handler made of an event."""

    APPLIED = "applied"
    STALE = "stale"
    # It is another handler's.
    NOT_MINE = "not mine"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an event came from: a delivery, a reconciliation, or an answer to a question of ours (neither)."""

    connection_id: int
    connection: str
    delivery_id: UUID | None
    default_region: str
    reconciliation_id: UUID | None = None


type Handler[E: Event] = Callable[[E, Origin], Outcome]

_handlers: dict[type[Event], list[Handler[Any]]] = {}


def handles[E: Event](event_class: type[E]) -> Callable[[Handler[E]], Handler[E]]:
    """Register a handler. It runs in the delivery's transaction, makes no network calls, and may run again."""

    def register(handler: Handler[E]) -> Handler[E]:
        _handlers.setdefault(event_class, []).append(handler)
        return handler

    return register


def dispatch(events: Sequence[Event], origin: Origin) -> Outcome:
    """Run every handler of every event, in order. STALE only where nothing was applied and something was stale."""
    outcomes = {handler(event, origin) for event in events for handler in _handlers.get(type(event), ())}
    return Outcome.STALE if outcomes - {Outcome.NOT_MINE} == {Outcome.STALE} else Outcome.APPLIED
