"""calendar.live for tests of booking: the sandbox's own API, called in this process instead of over the network."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import requests
import responses
from django.test import RequestFactory
from django.urls import resolve

from integrations.models import Delivery
from integrations.sandbox.calendar_live.bookings import Guest, book
from integrations.sandbox.calendar_live.catalog import EVENT_TYPES
from integrations.sandbox.calendar_live.documents import event_document
from integrations.sandbox.calendar_live.events import change_event
from integrations.sandbox.calendar_live.runtime import get_world
from tests.bookings.flows.fakes import HEADERS, Fake, HubSpot, Slack
from tests.contract_check import check_calls
from tests.factories import receive

ADDRESSES = "integrations.sandbox.calendar_live.urls"
TOKEN = "sandbox-access-token"
EMEA, US = "cal_emea_sales", "cal_us_sales"
PARIS = ZoneInfo("Europe/Paris")
CREATE, HOLD, FREE_BUSY = "POST /v1/events", "POST /v1/holds", "GET /v1/free_busy"
PATCH, DELETE = r"PATCH /v1/events/.*", r"DELETE /v1/events/.*"
_numbers = count(1)


@dataclass
class Hook:
    """What happens around the next calls of a route: before they arrive, and before their answer does."""

    route: str
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None


class CalendarLive(Fake):
    def __init__(self, stubs: responses.RequestsMock) -> None:
        super().__init__(stubs, "api.calendar.live")
        self.world = get_world()
        self.world.reset()
        self.hooks: list[Hook] = []
        self.is_away = False
        self.slack, self.hubspot = Slack(stubs), HubSpot(stubs)

    def list_routes(self) -> dict[str, Any]:
        return {}

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        call = f"{request.method} {urlsplit(str(request.url)).path}"
        self.told.append(call)
        if self.is_away:
            return 503, HEADERS, '{"code": "unavailable", "message": "Service Unavailable"}'
        hook = next((each for each in self.hooks if re.fullmatch(each.route, call)), None)
        if hook:
            self.hooks.remove(hook)
        if hook and hook.before:
            hook.before()
        failure = self.find_failure(call)
        if failure and isinstance(failure[1], Exception):
            raise failure[1]
        if failure:
            return failure[0], HEADERS, str(failure[1] or "")
        answer = self.serve(request)
        if hook and hook.after:
            hook.after()
        return answer

    def serve(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        parts = urlsplit(str(request.url))
        asked = RequestFactory().generic(
            str(request.method),
            parts.path,
            request.body or b"",
            content_type="application/json",
            QUERY_STRING=parts.query,
            headers={name: str(value) for name, value in request.headers.items() if name != "Content-Length"},
        )
        match = resolve(parts.path, urlconf=ADDRESSES)
        response = match.func(asked, **match.kwargs)
        return response.status_code, dict(response.headers.items()), response.content.decode()

    def lose(self, route: str) -> None:
        """The next call of the route is carried out, and its answer is lost."""

        def break_off() -> None:
            raise requests.ConnectionError("broken off")

        self.hooks.append(Hook(route, after=break_off))

    # --- What is there ------------------------------------------------------------------------------------------------

    @property
    def events(self) -> list[dict[str, Any]]:
        return [event_document(event) for event in self.world.read().state.events.values()]

    @property
    def standing(self) -> list[dict[str, Any]]:
        return [event for event in self.events if event["status"] != "cancelled"]

    @property
    def holds(self) -> list[Any]:
        return list(self.world.read().state.holds.values())

    # --- What customers do --------------------------------------------------------------------------------------------

    def book(self, slug: str, start: datetime, email: str = "ada@example.com") -> dict[str, Any]:
        with self.world.change() as moment:
            return event_document(book(moment, EVENT_TYPES[slug], start, Guest("Ada Byron", email)))

    def tell(self, event: dict[str, Any], what: str = "event.updated") -> Delivery:
        """The webhook of an event as it is given, worked on at once."""
        payload = {
            "id": f"dlv_world_{next(_numbers)}",
            "type": what,
            "created_at": "2026-11-20T12:00:00Z",
            "account_id": "acct_acme",
            "api_version": "2026-01-01",
            "data": {"event": event},
        }
        delivery = receive(payload)
        assert (delivery.status, delivery.error) in {("processed", ""), ("stale", "")}
        return delivery

    def tell_all(self) -> None:
        for event in self.events:
            self.tell(event)


@contextmanager
def calendar_world() -> Iterator[CalendarLive]:
    """Stubs for the time of a test; then every request and answer is held to the contracts."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as stubs:
        made = CalendarLive(stubs)
        yield made
        check_calls(stubs.calls)


def change_there(live: CalendarLive, event_id: str = "", **changes: Any) -> None:
    """Somebody changes an event, the only one or this one, at calendar.live."""
    with live.world.change() as moment:
        event = moment.state.events[event_id or next(iter(moment.state.events))]
        change_event(moment, event, **changes)


def workday(number: int, hour: int = 10, minute: int = 0) -> datetime:
    """That hour in Paris on the first Monday that is at least two days away, or so many workdays later (up to four)."""
    today = datetime.now(PARIS)
    monday = today + timedelta(days=2 + (0 - (today.weekday() + 2)) % 7)
    day = monday + timedelta(days=number)
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=PARIS).astimezone(UTC)


def iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def make_body(start: datetime, minutes: int = 30, **fields: Any) -> dict[str, Any]:
    return {
        "calendar": EMEA,
        "title": "Renewal",
        "start": iso(start),
        "end": iso(start + timedelta(minutes=minutes)),
        "timezone": "Europe/Paris",
        "attendees": [{"email": "zoe.okafor@example.com", "full_name": "Zoë Okafor", "phone": "06 12 34 56 78"}],
        **fields,
    }
