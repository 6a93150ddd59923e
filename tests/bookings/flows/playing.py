"""Playing a booking's life: signed webhooks come in, and what they cause is carried out until nothing is due."""

import hashlib
import hmac
import time
from datetime import timedelta
from itertools import count
from typing import Any

from django.core import mail
from django.db.models import F
from django.utils import timezone

from bookings.models import Meeting
from integrations.deliveries import process
from integrations.drains import drain
from integrations.effects import OPEN
from integrations.models import Connection, Delivery, Drain, Effect
from integrations.pairs import make_pair
from tests.factories import SECRET, encode, make_connection, post_webhook, read_sample, receive

_numbers = count(1)
CREDENTIALS: dict[str, dict[str, str]] = {
    "hubspot": {"access_token": "token-1"},
    "zoom": {"access_token": "token-1"},
    "stripe": {"api_key": "sk_test_4eC39HqL"},
    "slack": {"bot_token": "xoxb-1", "channel": "C024BE91L"},
}
ZOE = "zoe.okafor@example.com"
WEBINAR = "paid_event_created"
PAYMENT: dict[str, Any] = read_sample(WEBINAR)["data"]["event"]["payment"]
PAID, UNPAID, REFUNDED = ({**PAYMENT, "status": status} for status in ("paid", "unpaid", "refunded"))
ONE_TO_ONE: dict[str, Any] = read_sample("event_created")["data"]["event"]["event_type"]
GROUP = {**ONE_TO_ONE, "capacity": 3}


# --- Connections ------------------------------------------------------------------------------------------------------


def connect(provider: str, slug: str = "") -> Connection:
    return make_connection(slug or provider, provider=provider, options=CREDENTIALS[provider])


def pair_with_hubspot(calendar: Connection, slug: str = "hubspot") -> Connection:
    crm = connect("hubspot", slug)
    make_pair(calendar, crm, "in")
    return crm


# --- What comes in ----------------------------------------------------------------------------------------------------


def tell(sample: str = "event_created", *, what: str = "", **event: Any) -> Delivery:
    """calendar.live tells of the sample's event, with these of its fields changed; `attendee` changes the first."""
    payload = read_sample(sample)
    payload["id"] = f"dlv_flow_{next(_numbers)}"
    payload["type"] = what or payload["type"]
    changed = payload["data"]["event"]
    changed["attendees"][0].update(event.pop("attendee", {}))
    changed.update(event)
    delivery = receive(payload)
    assert (delivery.status, delivery.error) in {("processed", ""), ("stale", "")}
    return delivery


def tell_stripe(event_type: str, found: dict[str, Any]) -> Delivery:
    """Stripe tells of one of its objects."""
    event_id = f"evt_{next(_numbers)}"
    event = {"id": event_id, "object": "event", "type": event_type, "created": 1795359060, "data": {"object": found}}
    timestamp = int(time.time())
    signed = f"{timestamp}.".encode() + encode(event)
    digest = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    return deliver("stripe", event, {"Stripe-Signature": f"t={timestamp},v1={digest}"})


def tell_zoom(event: str, meeting_id: str, **registrant: str) -> Delivery:
    """Zoom tells of a meeting, or of one of its registrants."""
    found = {"id": meeting_id, "uuid": "4444AAAiAAAAAiAiAiiAii=="} | ({"registrant": registrant} if registrant else {})
    stamp = int(time.time())
    body = {
        "event": event,
        "event_ts": stamp * 1000 + next(_numbers),
        "payload": {"account_id": "A1", "object": found},
    }
    digest = hmac.new(SECRET.encode(), f"v0:{stamp}:".encode() + encode(body), hashlib.sha256).hexdigest()
    return deliver("zoom", body, {"x-zm-request-timestamp": str(stamp), "x-zm-signature": f"v0={digest}"})


def deliver(slug: str, payload: dict[str, Any], headers: dict[str, str]) -> Delivery:
    answer = post_webhook(payload, slug=slug, headers={"X-CL-Delivery-ID": None, "X-CL-Signature": None, **headers})
    assert answer.status_code == 200, answer.content
    delivery = Delivery.objects.filter(connection__slug=slug).latest("id")
    process(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error) == ("processed", "")
    return delivery


# --- What goes out ----------------------------------------------------------------------------------------------------


def run_effects(*slugs: str) -> None:
    """Drain all connections, or these alone in this order, until nothing is due."""
    while sum(drain_now(connection) for connection in list_connections(slugs)):
        pass


def list_connections(slugs: tuple[str, ...]) -> list[Connection]:
    if slugs:
        return [Connection.objects.get(slug=slug) for slug in slugs]
    busy = Effect.objects.filter(status__in=OPEN).values("connection")
    return list(Connection.objects.filter(pk__in=busy).order_by("id"))


def drain_now(connection: Connection) -> int:
    """How much was carried out."""
    before = count_attempts(connection)
    Drain.objects.filter(pk=connection.pk).update(calls_left=None)
    drain(connection.pk)
    return count_attempts(connection) - before


def count_attempts(connection: Connection) -> int:
    return sum(Effect.objects.filter(connection=connection).values_list("attempts", flat=True))


def let_time_pass(**duration: float) -> None:
    """For everything that waits to be tried again, as if so much time had gone by."""
    ago = timedelta(**duration)
    Effect.objects.exclude(due_at=None).update(due_at=F("due_at") - ago)
    Drain.objects.exclude(held_until=None).update(held_until=timezone.now())


# --- Bookings that are told and worked on at once ---------------------------------------------------------------------


def person(name: str, response: str = "accepted") -> dict[str, Any]:
    return {"id": f"att_{name}", "email": f"{name}@acme.example", "full_name": f"{name.title()} Smith", "phone": None,
            "company": None, "country": None, "timezone": None, "response": response, "consent": None}  # fmt: skip


def people(*names: str) -> list[dict[str, Any]]:
    return [person(name) for name in names]


def book_group(*names: str, **event: Any) -> None:
    """A free group event with three places."""
    tell(**{"event_type": GROUP, "attendees": people(*names), "answers": [], **event})
    run_effects()


def book_webinar(**event: Any) -> None:
    """A paid webinar that is confirmed and paid."""
    tell(WEBINAR, **{"status": "confirmed", "payment": PAID, "version": 2, **event})
    run_effects()


def book_call(**event: Any) -> None:
    """A free meeting for one."""
    tell(**event)
    run_effects()


# --- What came of it --------------------------------------------------------------------------------------------------


def the_meeting() -> Meeting:
    return Meeting.objects.get()


def list_effects(kind: str) -> list[str]:
    """The states of a kind's effects, in the order in which they were planned."""
    return list(Effect.objects.filter(kind=kind).order_by("id").values_list("status", flat=True))


def list_letters() -> list[tuple[str, str]]:
    """Whom each e-mail went to, and the first word of its subject."""
    return [(letter.to[0], letter.subject.split()[0].strip(":")) for letter in mail.outbox]


def read_html(letter: Any) -> str:
    return str(letter.alternatives[0][0])


def read_calendar_file(letter: Any) -> tuple[str, str, list[str]]:
    """The attachment's name, its media type, and the lines of what it holds, unfolded."""
    name, content, media_type = letter.attachments[0]
    text = content if isinstance(content, str) else content.decode()
    return name, media_type, text.replace("\r\n ", "").splitlines()


def list_links() -> list[str]:
    """The links that the confirmations held, in order."""
    return [
        line.split("yours: ")[1] for letter in mail.outbox for line in letter.body.splitlines() if "yours: " in line
    ]
