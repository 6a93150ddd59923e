"""What the account consists of. Records are frozen: a change replaces one. Amounts are in the currency's minor unit."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

SessionStatus = Literal["open", "complete", "expired"]
PaymentStatus = Literal["unpaid", "paid"]


@dataclass(frozen=True)
class LineItem:
    name: str
    unit_amount: int
    quantity: int = 1


@dataclass(frozen=True)
class Order:
    """What a Checkout Session is made from. The URLs may carry {CHECKOUT_SESSION_ID}."""

    items: tuple[LineItem, ...]
    currency: str
    success_url: str
    cancel_url: str | None = None
    client_reference_id: str | None = None
    customer_email: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    payment_metadata: dict[str, str] = field(default_factory=dict)
    expires_at: datetime | None = None

    @property
    def amount(self) -> int:
        return sum(item.unit_amount * item.quantity for item in self.items)


@dataclass(frozen=True)
class Session:
    """`payment_intent` is set with the first try to pay; a session that is complete but unpaid waits for a transfer."""

    id: str
    order: Order
    url: str
    created: datetime
    expires_at: datetime
    status: SessionStatus = "open"
    payment_status: PaymentStatus = "unpaid"
    payment_intent: str | None = None


@dataclass(frozen=True)
class Payment:
    """A payment intent and its one charge."""

    id: str
    charge_id: str
    session_id: str
    amount: int
    currency: str
    created: datetime
    status: Literal["requires_payment_method", "processing", "succeeded"] = "requires_payment_method"
    amount_refunded: int = 0
    decline_code: str | None = None
    email: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refund:
    id: str
    payment_intent: str
    charge_id: str
    amount: int
    currency: str
    created: datetime
    reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """Something that happened; `object` is the document of what it happened to, as it was then."""

    id: str
    type: str
    created: datetime
    object: dict[str, Any]


@dataclass(frozen=True)
class RememberedAnswer:
    """What an Idempotency-Key answered first, and to which request."""

    fingerprint: str
    document: dict[str, Any]
    created: datetime


@dataclass
class State:
    """Everything that changes, keyed by id in order of creation."""

    sessions: dict[str, Session] = field(default_factory=dict)
    payments: dict[str, Payment] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    remembered_answers: dict[str, RememberedAnswer] = field(default_factory=dict)
