"""A small outside world for the flows' tests: what each provider was told, and what it answers.

Each fake remembers enough to answer as the provider would. Every request and every answer is held to the provider's
specification in the end, so that the fakes cannot drift from the real ones.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import responses

from integrations.providers.hubspot.mapping import OWN_PROPERTIES
from tests.contract_check import check_calls

NOW = "2026-11-20T12:00:00Z"
HEADERS = {"Content-Type": "application/json"}

type Answer = tuple[int, Any]
type Act = Callable[..., Answer]


class Fake:
    """Base: calls by route, such as `POST /v1/things/(\\d+)`. `fail` makes the next calls of a route answer otherwise.

    A body that is an exception stands for a connection that breaks.
    """

    def __init__(self, stubs: responses.RequestsMock, host: str) -> None:
        self.told: list[str] = []
        self.failures: list[tuple[str, int, Any]] = []
        self.routes = [(re.compile(route), act) for route, act in self.list_routes().items()]
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            stubs.add_callback(method, re.compile(f"^https://{re.escape(host)}/"), callback=self.answer)

    def list_routes(self) -> dict[str, Act]:
        raise NotImplementedError

    def interrupt(self, route: str, interrupt: Callable[[], None]) -> None:
        """Let something happen while the next call of a route is on its way: after it was done, before the answer."""
        for index, (known, act) in enumerate(self.routes):
            if known.pattern == route:
                self.routes[index] = known, self.interrupted(index, act, interrupt)

    def interrupted(self, index: int, act: Act, interrupt: Callable[[], None]) -> Act:
        def act_and_interrupt(*arguments: Any) -> Answer:
            self.routes[index] = self.routes[index][0], act
            answer = act(*arguments)
            interrupt()
            return answer

        return act_and_interrupt

    def fail(self, route: str, status: int, body: Any = None, *, times: int = 1) -> None:
        self.failures += [(route, status, body)] * times

    def count(self, route: str) -> int:
        """How many calls there were, with those that failed."""
        return sum(bool(re.fullmatch(route, call)) for call in self.told)

    def answer(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        call = f"{request.method} {urlsplit(str(request.url)).path}"
        self.told.append(call)
        status, body = self.find_failure(call) or self.act(call, request)
        if isinstance(body, Exception):
            raise body
        return status, HEADERS, "" if body is None else json.dumps(body)

    def find_failure(self, call: str) -> Answer | None:
        found = next((each for each in self.failures if re.fullmatch(each[0], call)), None)
        if found is None:
            return None
        self.failures.remove(found)
        return found[1], found[2]

    def act(self, call: str, request: requests.PreparedRequest) -> Answer:
        for route, act in self.routes:
            if match := route.fullmatch(call):
                return act(read_body(request), *match.groups())
        raise AssertionError(f"nobody expects {call}")


def read_body(request: requests.PreparedRequest) -> Any:
    """JSON, or a form as `{name: value}`."""
    if not request.body:
        return {}
    if "form" in request.headers.get("Content-Type", ""):
        text = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
        return {name: values[0] for name, values in parse_qs(text).items()}
    return json.loads(request.body)


# --- HubSpot ----------------------------------------------------------------------------------------------------------

OBJECTS = "/crm/objects/2026-03"
PROPERTIES = "/crm/properties/2026-03"
ASSOCIATIONS = "/crm/associations/2026-03"


class HubSpot(Fake):
    """`contacts` and `meetings` are properties by id; `attending` says which contacts each meeting has."""

    def __init__(self, stubs: responses.RequestsMock) -> None:
        super().__init__(stubs, "api.hubapi.com")
        self.contacts: dict[str, dict[str, str]] = {}
        self.meetings: dict[str, dict[str, str]] = {}
        self.attending: dict[str, set[str]] = {}
        self.numbers = count(100)
        # Addresses that it refuses, as it does with those that it finds invalid.
        self.refused: set[str] = set()

    def list_routes(self) -> dict[str, Act]:
        return {
            rf"GET {PROPERTIES}/(contacts|meetings)": self.list_properties,
            rf"POST {OBJECTS}/contacts/batch/upsert": self.upsert_contacts,
            rf"POST {OBJECTS}/contacts/batch/update": lambda body: self.update(self.contacts, body),
            rf"POST {OBJECTS}/meetings/batch/update": lambda body: self.update(self.meetings, body),
            rf"POST {OBJECTS}/meetings/batch/create": self.create_meetings,
            rf"POST {OBJECTS}/meetings/batch/read": self.read_meetings,
            rf"POST {ASSOCIATIONS}/meetings/contacts/batch/read": self.read_attendees,
            rf"PUT {OBJECTS}/meetings/(\d+)/associations/default/contacts/(\d+)": self.associate,
        }

    def list_properties(self, body: Any, kind: str) -> Answer:
        texts = {"description": "", "fieldType": "text", "groupName": "contactinformation", "label": "Label"}
        made = [
            {"name": name, "type": "string", "options": [], **texts, "hasUniqueValue": name == "keepsync_id"}
            for name in OWN_PROPERTIES[kind]
        ]
        return 200, {"results": made}

    def upsert_contacts(self, body: Any) -> Answer:
        if any(each["properties"].get("email") in self.refused for each in body["inputs"]):
            return 400, refusal("Property values were not valid")
        results = []
        for each in body["inputs"]:
            name, value = each["idProperty"], each["id"]
            found = next((key for key, known in self.contacts.items() if known.get(name) == value), None)
            key = found or str(next(self.numbers))
            self.contacts[key] = {**self.contacts.get(key, {}), **each["properties"]}
            results.append({**record(key, self.contacts[key]), "new": found is None})
        return 200, batch(results)

    def update(self, known: dict[str, dict[str, str]], body: Any) -> Answer:
        there = [each for each in body["inputs"] if each["id"] in known]
        for each in there:
            known[each["id"]].update(each["properties"])
        missing = [refusal("not found", "OBJECT_NOT_FOUND") for _ in body["inputs"][len(there) :]]
        results = [record(each["id"], known[each["id"]]) for each in there]
        return (207 if missing else 200), batch(results, missing)

    def create_meetings(self, body: Any) -> Answer:
        results = []
        for each in body["inputs"]:
            key = str(next(self.numbers))
            self.meetings[key] = each["properties"]
            self.attending[key] = {linked["to"]["id"] for linked in each["associations"]}
            results.append(record(key, each["properties"]))
        return 201, batch(results)

    def read_meetings(self, body: Any) -> Answer:
        wanted, name = {each["id"] for each in body["inputs"]}, body.get("idProperty")
        found = [record(key, each) for key, each in self.meetings.items() if (each[name] if name else key) in wanted]
        return 200, batch(found)

    def read_attendees(self, body: Any) -> Answer:
        types = [{"category": "HUBSPOT_DEFINED", "typeId": 200, "label": None}]
        results = [
            {"from": {"id": each["id"]}, "to": [{"toObjectId": key, "associationTypes": types} for key in attending]}
            for each in body["inputs"]
            if (attending := sorted(self.attending.get(each["id"], ())))
        ]
        return 200, batch(results)

    def associate(self, body: Any, meeting: str, contact: str) -> Answer:
        self.attending[meeting].add(contact)
        return 200, batch([])

    def forget(self, kind: str) -> None:
        """Somebody deletes all records of a kind over there."""
        getattr(self, kind).clear()


def record(key: str, properties: dict[str, str]) -> dict[str, Any]:
    return {"id": key, "archived": False, "createdAt": NOW, "updatedAt": NOW, "properties": properties}


def batch(results: list[dict[str, Any]], errors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    answer = {"status": "COMPLETE", "startedAt": NOW, "completedAt": NOW, "results": results}
    return {**answer, "numErrors": len(errors), "errors": errors} if errors else answer


def refusal(message: str, category: str = "VALIDATION_ERROR") -> dict[str, Any]:
    parts: dict[str, Any] = {"context": {}, "errors": [], "links": {}}
    return {"status": "error", "category": category, "message": message, "correlationId": "c-1", **parts}


# --- Zoom -------------------------------------------------------------------------------------------------------------


class Zoom(Fake):
    """`meetings` are what was sent, by id; `registrants` are e-mails by id, for each meeting."""

    def __init__(self, stubs: responses.RequestsMock) -> None:
        super().__init__(stubs, "api.zoom.us")
        self.meetings: dict[str, dict[str, Any]] = {}
        self.registrants: dict[str, dict[str, str]] = {}
        self.made = 0
        self.registered = 0

    def list_routes(self) -> dict[str, Act]:
        return {
            "POST /v2/users/me/meetings": self.create,
            "GET /v2/users/me/meetings": self.list_meetings,
            r"PATCH /v2/meetings/(\d+)": self.update,
            r"DELETE /v2/meetings/(\d+)": self.delete,
            r"POST /v2/meetings/(\d+)/registrants": self.register,
            r"GET /v2/meetings/(\d+)/registrants": self.list_registrants,
            r"PUT /v2/meetings/(\d+)/registrants/status": self.cancel,
        }

    def create(self, body: Any) -> Answer:
        self.made += 1
        key = str(8000 + self.made)
        self.meetings[key], self.registrants[key] = body, {}
        return 201, self.show(key)

    def show(self, key: str) -> dict[str, Any]:
        shown = {name: self.meetings[key][name] for name in ("topic", "start_time", "duration", "agenda")}
        return {"id": int(key), "join_url": f"https://zoom.us/j/{key}", **shown}

    def list_meetings(self, body: Any) -> Answer:
        return 200, {"meetings": [{**self.show(key), "type": 2} for key in self.meetings]}

    def update(self, body: Any, key: str) -> Answer:
        if key not in self.meetings:
            return self.say_missing()
        self.meetings[key].update(body)
        return 204, None

    def delete(self, body: Any, key: str) -> Answer:
        return (204, None) if self.meetings.pop(key, None) else self.say_missing()

    def register(self, body: Any, key: str) -> Answer:
        if key not in self.meetings:
            return self.say_missing()
        known = self.registrants[key]
        self.registered += body["email"] not in known.values()
        registrant = next((each for each, email in known.items() if email == body["email"]), f"r{self.registered}")
        known[registrant] = body["email"]
        url = f"https://zoom.us/w/{key}?tk={registrant}"
        return 201, {"id": int(key), "registrant_id": registrant, "join_url": url, "topic": "Topic"}

    def list_registrants(self, body: Any, key: str) -> Answer:
        known = self.registrants[key].items()
        shown = [{"id": each, "email": email, "first_name": "Somebody", "status": "approved"} for each, email in known]
        return 200, {"registrants": shown}

    def cancel(self, body: Any, key: str) -> Answer:
        if key not in self.meetings:
            return self.say_missing()
        for each in body["registrants"]:
            self.registrants[key].pop(each["id"], None)
        return 204, None

    def say_missing(self) -> Answer:
        return 404, {"code": 3001, "message": "Meeting does not exist."}

    @property
    def emails(self) -> list[str]:
        """Who is registered for a meeting that is there."""
        return sorted(email for key in self.meetings for email in self.registrants[key].values())


# --- Stripe -----------------------------------------------------------------------------------------------------------


class Stripe(Fake):
    """`sessions` by id. An idempotency key is answered once; the fake is asked no other way."""

    def __init__(self, stubs: responses.RequestsMock) -> None:
        super().__init__(stubs, "api.stripe.com")
        self.sessions: dict[str, dict[str, Any]] = {}
        self.refunds: list[dict[str, Any]] = []

    def list_routes(self) -> dict[str, Act]:
        return {
            "POST /v1/checkout/sessions": self.create,
            r"GET /v1/checkout/sessions/(\w+)": lambda body, key: (200, self.sessions[key]),
            r"POST /v1/checkout/sessions/(\w+)/expire": self.expire,
            "POST /v1/refunds": self.refund,
        }

    def create(self, body: Any) -> Answer:
        key = f"cs_test_k{len(self.sessions) + 1}"
        self.sessions[key] = make_session(key, body["metadata[keepsync_meeting]"])
        self.sessions[key]["amount_total"] = int(body["line_items[0][price_data][unit_amount]"])
        return 200, self.sessions[key]

    def expire(self, body: Any, key: str) -> Answer:
        session = self.sessions[key]
        if session["status"] != "open":
            return 400, {"error": {"type": "invalid_request_error", "message": "It is not open."}}
        session.update(status="expired", url=None)
        return 200, session

    def pay(self, key: str) -> dict[str, Any]:
        """The customer pays; the session as the webhook shows it."""
        self.sessions[key].update(status="complete", payment_status="paid", payment_intent=f"pi_{key}", url=None)
        return self.sessions[key]

    def refund(self, body: Any) -> Answer:
        self.refunds.append(body)
        made = {"object": "refund", "amount": 4900, "created": 1795348800, "currency": "eur", "status": "succeeded"}
        return 200, {"id": f"re_{len(self.refunds)}", **made}


def make_session(key: str, meeting: str) -> dict[str, Any]:
    return {
        "id": key,
        "object": "checkout.session",
        "automatic_tax": {"enabled": False, "status": None},
        "client_reference_id": meeting,
        "created": 1795348800,
        "currency": "eur",
        "custom_fields": [],
        "custom_text": {"shipping_address": None, "submit": None, "terms_of_service_acceptance": None},
        "expires_at": 1795435200,
        "livemode": False,
        "metadata": {"keepsync_meeting": meeting},
        "mode": "payment",
        "payment_intent": None,
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "shipping_options": [],
        "status": "open",
        "url": f"https://checkout.stripe.com/c/pay/{key}",
    }


# --- Slack ------------------------------------------------------------------------------------------------------------


class Slack(Fake):
    """`texts` are the messages that were posted."""

    def __init__(self, stubs: responses.RequestsMock) -> None:
        super().__init__(stubs, "slack.com")
        self.texts: list[str] = []

    def list_routes(self) -> dict[str, Act]:
        return {"POST /api/chat.postMessage": self.post}

    def post(self, body: Any) -> Answer:
        self.texts.append(body["text"])
        ts = f"1795359060.00010{len(self.texts)}"
        message = {"type": "message", "user": "U0123456", "text": body["text"], "ts": ts, "team": "T01234567"}
        return 200, {"ok": True, "channel": body["channel"], "ts": ts, "message": message}


# --- All of them ------------------------------------------------------------------------------------------------------


class World:
    def __init__(self, stubs: responses.RequestsMock) -> None:
        self.stubs = stubs
        self.hubspot = HubSpot(stubs)
        self.zoom = Zoom(stubs)
        self.stripe = Stripe(stubs)
        self.slack = Slack(stubs)

    @property
    def calls(self) -> int:
        return len(self.stubs.calls)


@contextmanager
def outside_world() -> Iterator[World]:
    """Stubs for the time of a test; then every request and answer is held to the providers' specifications."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as stubs:
        yield World(stubs)
        check_calls(stubs.calls)
