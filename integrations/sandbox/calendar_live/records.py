"""What the world consists of. Records are frozen: a change replaces one, so a reader never sees half of it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from integrations.sandbox.posting import Attempt

Response = Literal["accepted", "declined", "needs_action"]
EventStatus = Literal["tentative", "confirmed", "cancelled"]
PaymentStatus = Literal["unpaid", "paid", "failed", "refunded"]
DeliveryStatus = Literal["pending", "delivered", "failed"]


@dataclass(frozen=True)
class Calendar:
    id: str
    name: str
    timezone: str
    owner_email: str


@dataclass(frozen=True)
class Price:
    """What a place costs, in the currency's minor unit; `is_sold_here`: calendar.live itself takes the money."""

    amount: int
    currency: str
    is_sold_here: bool


@dataclass(frozen=True)
class EventType:
    """What a public page offers. One that does not see others knows its own bookings only, and books over the rest."""

    id: str
    slug: str
    name: str
    summary: str
    duration_min: int
    calendar_id: str
    capacity: int = 1
    online_meeting: Literal["none", "zoom"] = "none"
    price: Price | None = None
    sees_others: bool = True


@dataclass(frozen=True)
class Consent:
    marketing: bool
    given_at: datetime
    text: str


@dataclass(frozen=True)
class Attendee:
    id: str
    email: str
    full_name: str | None = None
    phone: str | None = None
    company: str | None = None
    country: str | None = None
    timezone: str | None = None
    response: Response = "needs_action"
    consent: Consent | None = None


@dataclass(frozen=True)
class Answer:
    key: str
    question: str
    value: str


@dataclass(frozen=True)
class Recurrence:
    rrule: str
    exdates: tuple[datetime, ...] = ()


@dataclass(frozen=True)
class Payment:
    """A Stripe Checkout Session, and what became of it."""

    session_id: str
    status: PaymentStatus
    amount: int
    currency: str
    url: str | None = None


@dataclass(frozen=True)
class Event:
    """One event; `start` and `end` are aware UTC, `timezone` is the zone that it was made in."""

    id: str
    uid: str
    title: str
    calendar_id: str
    start: datetime
    end: datetime
    timezone: str
    source: Literal["booking_page", "api", "calendar"]
    created_at: datetime
    updated_at: datetime
    version: int = 1
    status: EventStatus = "confirmed"
    description: str | None = None
    event_type_slug: str | None = None
    recurrence: Recurrence | None = None
    attendees: tuple[Attendee, ...] = ()
    answers: tuple[Answer, ...] = ()
    join_url: str | None = None
    client_reference: str | None = None
    payment: Payment | None = None


@dataclass(frozen=True)
class Ticket:
    """A booking that has to be paid. `is_member`: in the event before paying already, as whoever started it."""

    event_id: str
    attendee: Attendee
    payment: Payment
    is_member: bool
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True)
class Hold:
    id: str
    calendar_id: str
    start: datetime
    end: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Delivery:
    """One webhook. `due_at` is the next try, None where none is planned; `tries` counts since the last redelivery.

    `is_held` waits for the next delivery, to come after it.
    """

    id: str
    event_type: str
    event_id: str | None
    body: str
    created_at: datetime
    status: DeliveryStatus = "pending"
    due_at: datetime | None = None
    tries: int = 0
    attempts: tuple[Attempt, ...] = ()
    note: str = ""
    is_held: bool = False
    is_doubled: bool = False


@dataclass(frozen=True)
class RememberedAnswer:
    """What an Idempotency-Key answered first, and to which body."""

    fingerprint: str
    document: dict[str, Any]
    created_at: datetime


@dataclass(frozen=True)
class Knobs:
    """Faults of the sender that a person can switch on."""

    latency_ms: int = 0
    is_doubling: bool = False
    drop_next: int = 0
    is_holding_next: bool = False


@dataclass
class State:
    """Everything that changes, keyed by id in order of creation; tickets by the id of their payment's session."""

    events: dict[str, Event] = field(default_factory=dict)
    attendee_ids: dict[str, str] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    deliveries: dict[str, Delivery] = field(default_factory=dict)
    remembered_answers: dict[str, RememberedAnswer] = field(default_factory=dict)
    knobs: Knobs = Knobs()
    is_endpoint_enabled: bool = True
