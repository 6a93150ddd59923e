"""A HubSpot for `make bench-sync`: what Keepsync calls to bring contacts and meetings, with a fixed latency.

One thread, so that it takes next to nothing of the processors that are measured. It can be down (503), and tells at
/bench what it holds and what it was asked. `World.answer` is the whole API; a test holds it to HubSpot's specification.
"""

import argparse
import asyncio
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import count
from typing import Any

CONTACTS, MEETINGS = "contacts", "meetings"
EMAIL, KEY = "email", "keepsync_id"
UNIQUE = {CONTACTS: (EMAIL, KEY), MEETINGS: (KEY,)}
MEETING_TO_CONTACT = 200
# HubSpot's smallest plans allow 100 calls in ten seconds.
WINDOW_S = 10

type Answer = tuple[int, Any]
type Body = Mapping[str, Any]


@dataclass
class World:
    """The records by kind and id, and every call with the moment it came."""

    is_down: bool = False
    records: dict[str, dict[str, dict[str, str]]] = field(default_factory=lambda: {CONTACTS: {}, MEETINGS: {}})
    known: dict[tuple[str, str, str], str] = field(default_factory=dict)
    attending: set[tuple[str, str]] = field(default_factory=set)
    properties: dict[str, dict[str, Body]] = field(default_factory=lambda: defaultdict(dict))
    calls: list[tuple[float, str]] = field(default_factory=list)
    ids: count = field(default_factory=lambda: count(1001))

    def answer(self, method: str, path: str, body: Body) -> Answer:
        """Status and JSON value."""
        for known_method, pattern, view in ROUTES:
            if method == known_method and (found := pattern.fullmatch(path)):
                self.calls.append((time.monotonic(), f"{method} {view.__name__}"))
                return refuse(503, "Service unavailable") if self.is_down else view(self, body, *found.groups())
        return refuse(404, "There is no such path here")

    def show(self) -> dict[str, Any]:
        """How many records there are, how many calls there were by what they were for, and most in ten seconds."""
        moments = [moment for moment, _ in self.calls]
        most = max((sum(start <= each < start + WINDOW_S for each in moments) for start in moments), default=0)
        return {
            "contacts": len(self.records[CONTACTS]),
            "meetings": len(self.records[MEETINGS]),
            "attending": len(self.attending),
            "calls": Counter(name for _, name in self.calls),
            "most_calls": most,
        }

    # --- Records

    def find(self, kind: str, name: str, value: str) -> str | None:
        """The id of the record with this id, or this unique value."""
        if not name:
            return value if value in self.records[kind] else None
        return self.known.get((kind, name, value.casefold()))

    def write(self, kind: str, record_id: str, properties: Mapping[str, str]) -> dict[str, Any]:
        record = self.records[kind].setdefault(record_id, {"hs_object_id": record_id})
        record.update(properties)
        self.known.update({(kind, name, record[name].casefold()): record_id for name in UNIQUE[kind] if name in record})
        return self.show_record(kind, record_id)

    def show_record(self, kind: str, record_id: str) -> dict[str, Any]:
        """A SimplePublicObject."""
        set_ones = {name: value for name, value in self.records[kind][record_id].items() if value}
        now = show_now()
        return {"id": record_id, "properties": set_ones, "createdAt": now, "updatedAt": now, "archived": False}


def show_now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- The API ----------------------------------------------------------------------------------------------------------


def refuse(status: int, message: str, category: str = "SERVICE_UNAVAILABLE") -> Answer:
    return status, {"status": "error", "category": category, "message": message, "correlationId": "bench"}


def list_properties(world: World, body: Body, kind: str) -> Answer:
    usual = "email" if kind == CONTACTS else "hs_meeting_title"
    group = "contactinformation" if kind == CONTACTS else "meeting"
    standard = {"name": usual, "label": usual, "type": "string", "fieldType": "text", "groupName": group}
    return 200, {"results": [show_property(each) for each in (standard, *world.properties[kind].values())]}


def create_property(world: World, body: Body, kind: str) -> Answer:
    world.properties[kind][body["name"]] = body
    return 201, show_property(body)


def show_property(definition: Body) -> dict[str, Any]:
    return {"description": "", "options": [], **definition}


def upsert(world: World, body: Body, kind: str) -> Answer:
    results = []
    for item in body["inputs"]:
        name, value = item["idProperty"], item["id"]
        found = world.find(kind, name, value)
        written = world.write(kind, found or str(next(world.ids)), {name: value, **item["properties"]})
        results.append({**written, "new": found is None})
    return show_batch(200, results, [])


def update(world: World, body: Body, kind: str) -> Answer:
    results, missing = [], []
    for item in body["inputs"]:
        found = world.find(kind, item.get("idProperty", ""), item["id"])
        if found is None:
            missing.append(explain("OBJECT_NOT_FOUND", item["id"]))
        else:
            results.append(world.write(kind, found, item["properties"]))
    return show_batch(200, results, missing)


def create(world: World, body: Body, kind: str) -> Answer:
    results, refused = [], []
    for item in body["inputs"]:
        taken = [world.find(kind, name, item["properties"].get(name, "")) for name in UNIQUE[kind]]
        if any(taken):
            refused.append(explain("CONFLICT", str(taken)))
            continue
        results.append(world.write(kind, str(next(world.ids)), item["properties"]))
        world.attending.update((results[-1]["id"], each["to"]["id"]) for each in item["associations"])
    return show_batch(201, results, refused)


def read(world: World, body: Body, kind: str) -> Answer:
    found = [world.find(kind, body.get("idProperty", ""), item["id"]) for item in body["inputs"]]
    return show_batch(200, [world.show_record(kind, each) for each in found if each], [])


def associate(world: World, body: Body, meeting_id: str, contact_id: str) -> Answer:
    world.attending.add((meeting_id, contact_id))
    spec = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": MEETING_TO_CONTACT}
    return show_batch(200, [{"from": {"id": meeting_id}, "to": {"id": contact_id}, "associationSpec": spec}], [])


def list_contacts(world: World, body: Body) -> Answer:
    return 200, {"results": [world.show_record(CONTACTS, each) for each in list(world.records[CONTACTS])[:1]]}


def explain(category: str, named: str) -> dict[str, Any]:
    message = "The record is refused"
    return {
        "status": "error",
        "category": category,
        "message": message,
        "context": {"ids": [named]},
        "errors": [],
        "links": {},
    }


def show_batch(status: int, results: list[Any], errors: list[Any]) -> Answer:
    """207 where something in it failed."""
    body = {"status": "COMPLETE", "results": results, "startedAt": show_now(), "completedAt": show_now()}
    return (207, {**body, "numErrors": len(errors), "errors": errors}) if errors else (status, body)


KINDS = f"({CONTACTS}|{MEETINGS})"
OBJECTS, PROPERTIES = "/crm/objects/2026-03", "/crm/properties/2026-03"
ROUTES: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
    ("GET", re.compile(f"{PROPERTIES}/{KINDS}"), list_properties),
    ("POST", re.compile(f"{PROPERTIES}/{KINDS}"), create_property),
    ("GET", re.compile(f"{OBJECTS}/{CONTACTS}"), list_contacts),
    ("POST", re.compile(f"{OBJECTS}/{KINDS}/batch/upsert"), upsert),
    ("POST", re.compile(f"{OBJECTS}/{KINDS}/batch/update"), update),
    ("POST", re.compile(f"{OBJECTS}/{KINDS}/batch/create"), create),
    ("POST", re.compile(f"{OBJECTS}/{KINDS}/batch/read"), read),
    ("PUT", re.compile(f"{OBJECTS}/{MEETINGS}/([^/]+)/associations/default/{CONTACTS}/([^/]+)"), associate),
]


# --- The server -------------------------------------------------------------------------------------------------------


class Server:
    def __init__(self, latency_s: float) -> None:
        self.latency_s = latency_s
        self.world = World()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The requests of one connection, one after the other."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                status, value = await self.answer(head.decode(), await reader.readexactly(read_length(head)))
                body = json.dumps(value).encode()
                writer.write(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode())
                writer.write(b"Content-Type: application/json\r\n")
                writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def answer(self, head: str, body: bytes) -> Answer:
        method, target, *_ = head.split(" ", 2)
        value = json.loads(body or b"{}")
        if target == "/bench":
            return self.control(method, value)
        await asyncio.sleep(self.latency_s)
        return self.world.answer(method, target.partition("?")[0], value)

    def control(self, method: str, value: Any) -> Answer:
        """GET shows the world, PUT sets whether it is down, DELETE forgets its records and calls."""
        match method:
            case "GET":
                return 200, self.world.show()
            case "PUT":
                self.world.is_down = value["is_down"]
            case "DELETE":
                self.world = World(properties=self.world.properties, ids=self.world.ids)
        return 200, {}


def read_length(head: bytes) -> int:
    found = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
    return int(found[1]) if found else 0


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=50)
    options = parser.parse_args()
    server = await asyncio.start_server(Server(options.latency_ms / 1000).serve, "127.0.0.1", options.port, limit=2**20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
