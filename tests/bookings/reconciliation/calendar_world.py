"""calendar.live as these tests need it: events that change, with or without their webhooks, and a log."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import responses

from integrations.models import Delivery
from tests.bookings.flows.fakes import Act, Answer, Fake
from tests.factories import make_payload, receive

ERROR = {"code": "some_code", "message": "Some message"}
PLAIN: dict[str, Any] = {"event_type": None, "answers": []}


def say(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class CalendarLive(Fake):
    """`events` by id; `log` are its deliveries, the newest first. A page holds `size` of either."""

    def __init__(self, stubs: responses.RequestsMock) -> None:
        super().__init__(stubs, "api.calendar.live")
        self.events: dict[str, dict[str, Any]] = {}
        self.log: list[dict[str, Any]] = []
        self.size = 250
        self.keeps_changes = True
        self.redelivered: list[str] = []
        self.query: dict[str, str] = {}
        self.asked: list[dict[str, str]] = []

    def list_routes(self) -> dict[str, Act]:
        return {
            "GET /v1/events": self.list_events,
            r"GET /v1/events/([\w%-]+)": self.show_event,
            "GET /v1/webhook_deliveries": self.list_log,
            r"POST /v1/webhook_deliveries/(\w+)/redeliver": self.redeliver,
        }

    def act(self, call: str, request: requests.PreparedRequest) -> Answer:
        self.query = {name: values[0] for name, values in parse_qs(urlsplit(str(request.url)).query).items()}
        return super().act(call, request)

    # --- The API

    def list_events(self, body: Any) -> Answer:
        self.asked.append(self.query)
        since = self.query.get("updated_since")
        if since and not self.keeps_changes:
            return 410, ERROR
        moment = datetime.fromisoformat(since) if since else datetime.min.replace(tzinfo=UTC)
        ordered = sorted(self.events.values(), key=lambda each: (each["updated_at"], each["id"]))
        return self.cut(ordered, lambda each: datetime.fromisoformat(each["updated_at"]) >= moment)

    def show_event(self, body: Any, key: str) -> Answer:
        return (200, self.events[key]) if key in self.events else (404, ERROR)

    def list_log(self, body: Any) -> Answer:
        return self.cut(self.log, lambda each: each["status"] == self.query.get("status", each["status"]))

    def redeliver(self, body: Any, key: str) -> Answer:
        known = next((each for each in self.log if each["id"] == key), None)
        if known is None:
            return 404, ERROR
        known["status"] = "pending"
        self.redelivered.append(key)
        return 202, known

    def cut(self, items: Sequence[dict[str, Any]], fits: Callable[[dict[str, Any]], bool]) -> Answer:
        """A page's token is its place in the whole, so that what is no longer listed moves nothing."""
        start = int(self.query.get("page_token", "0"))
        found = [(place, each) for place, each in enumerate(items) if place >= start and fits(each)]
        following = str(found[self.size][0]) if len(found) > self.size else None
        return 200, {"items": [each for _, each in found[: self.size]], "next_page_token": following}

    # --- What happens there

    def change(self, key: str, *, ago_s: float = 0, **event: Any) -> dict[str, Any]:
        """An event is made or changed, and nobody tells us."""
        known = self.events.get(key) or make_event(key)
        version = known["version"] + 1 if key in self.events else 1
        stamp = say(datetime.now(UTC) - timedelta(seconds=ago_s))
        self.events[key] = {**known, "version": version, "updated_at": stamp, **event}
        return self.events[key]

    def tell(self, key: str, **event: Any) -> Delivery:
        """An event is made or changed, and its webhook comes."""
        return self.send(self.change(key, **event))

    def send(self, event: dict[str, Any]) -> Delivery:
        return receive({**make_payload(f"dlv_{event['id']}_{event['version']}"), "data": {"event": event}})

    def fail_delivery(self, key: str, event_type: str = "event.updated") -> None:
        stamp = say(datetime.now(UTC))
        entry = {"id": key, "event_type": event_type, "status": "failed", "attempts": [], "created_at": stamp}
        self.log.insert(0, entry)


def make_event(key: str) -> dict[str, Any]:
    """Each event has a person of its own."""
    attendee = {"id": f"att_{key}", "email": f"{key}@acme.example", "full_name": "Zoe Okafor", "phone": None}
    made: dict[str, Any] = make_payload(id=key, uid=f"{key}@calendar.live", attendee=attendee, **PLAIN)["data"]["event"]
    return made
