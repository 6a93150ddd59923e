"""The one account: change() saves what is done to it, then tells it to listeners and to the webhook endpoint."""

import secrets
import string
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from integrations.sandbox.clock import utc_now
from integrations.sandbox.persistence import StateFile
from integrations.sandbox.store import Store
from integrations.sandbox.stripe.documents import Document, event_document
from integrations.sandbox.stripe.records import Event, Session, State
from integrations.sandbox.webhooks import WebhookSender

ALPHABET = string.ascii_letters + string.digits
EVENTS_KEPT = 1000
# What the webhook endpoint subscribes to; other events can be read by the API only.
SUBSCRIBED = frozenset(
    {
        "checkout.session.completed",
        "checkout.session.expired",
        "checkout.session.async_payment_succeeded",
        "checkout.session.async_payment_failed",
        "charge.refunded",
    }
)

type Listener = Callable[[Event, Session], None]


def new_id(prefix: str, length: int = 24) -> str:
    return f"{prefix}_{''.join(secrets.choice(ALPHABET) for _ in range(length))}"


@dataclass
class Moment:
    """A draft of the state at `now`, and what happened to it so far."""

    state: State
    now: datetime
    happened: list[tuple[Event, Session]] = field(default_factory=list)

    def announce(self, event_type: str, session: Session, document: Document) -> None:
        event = Event(new_id("evt"), event_type, self.now, document)
        self.state.events[event.id] = event
        for old in list(self.state.events)[:-EVENTS_KEPT]:
            del self.state.events[old]
        self.happened.append((event, session))


class Account:
    def __init__(self, file: StateFile, sender: WebhookSender, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.store = Store(State, "stripe", file)
        self.sender = sender
        self.clock = clock
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Call the listener, outside of any lock, with every event and the session that it belongs to."""
        self._listeners.append(listener)

    @contextmanager
    def change(self) -> Iterator[Moment]:
        """One change at a time; an exception leaves everything as it was, and nothing is told."""
        with self.store.change() as state:
            moment = Moment(state, self.clock())
            yield moment
        for event, session in moment.happened:
            self._tell(event, session)

    def _tell(self, event: Event, session: Session) -> None:
        if event.type in SUBSCRIBED:
            self.sender.send(event_document(event), subject=f"{event.type} {session.id}")
        for listener in self._listeners:
            listener(event, session)
