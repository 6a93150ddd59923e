"""What `make bench-reconcile` compares: so many events at a calendar.live and so many records at a HubSpot, by number.

Nothing is random, so that the server and who fills the database agree without a word. One event in a hundred differs.
"""

import argparse
import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from tests.benchmarks.crm import read_length

PEOPLE = 1000
# Of a hundred events, the one with this number differs; of ten of those, which way each does.
ODD = 37
MISSING_HERE, OLDER_HERE, OTHER_HERE, MISSING_THERE = "missing here", "older here", "other here", "missing at the CRM"
WAYS = [*[MISSING_HERE] * 4, *[OLDER_HERE] * 3, OTHER_HERE, *[MISSING_THERE] * 2]
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
EVENT, HUBSPOT = "evt", 10_000_000


def way_of(number: int) -> str:
    """How the event differs; empty where it does not."""
    return WAYS[number // 100 % len(WAYS)] if number % 100 == ODD else ""


def meeting_id(number: int) -> UUID:
    return UUID(int=(1 << 100) + number)


def say(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def make_event(number: int, version: int | None = None) -> dict[str, Any]:
    """As calendar.live shows it; `version` 1 is what is known here of one that is older here."""
    version = version or (2 if way_of(number) == OLDER_HERE else 1)
    start, person = BEGIN + timedelta(days=60, minutes=30 * number), number % PEOPLE
    stamp = say(BEGIN + timedelta(seconds=10 * number + version))
    return {
        "id": f"{EVENT}_{number}",
        "uid": f"{number}@calendar.live",
        "version": version,
        "status": "confirmed",
        "title": f"Call {number}, version {version}",
        "description": "What was agreed before, and what is to be talked about now. " * 5,
        "calendar": {"id": "cal_1", "name": "Sales", "timezone": "Europe/Paris", "owner_email": "lea@acme.example"},
        "start": say(start),
        "end": say(start + timedelta(minutes=30)),
        "timezone": "Europe/Paris",
        "recurrence": None,
        "event_type": None,
        "attendees": [
            {
                "id": f"att_{person}",
                "email": f"p{person}@acme.example",
                "full_name": f"Person {person}",
                "response": "accepted",
            }
        ],
        "answers": [{"key": "topic", "question": "What is it about?", "value": "Prices, terms and a trial."}],
        "join_url": f"https://meet.example/{number}",
        "payment": None,
        "source": "booking_page",
        "client_reference": None,
        "created_at": stamp,
        "updated_at": stamp,
    }


def make_record(number: int) -> dict[str, Any] | None:
    """As HubSpot shows it, made of what is known here; None for one that it lacks."""
    if way_of(number) == MISSING_THERE:
        return None
    event = make_event(number, version=1)
    properties = {
        "keepsync_id": str(meeting_id(number)),
        "hs_meeting_title": event["title"],
        "hs_meeting_body": event["description"].strip(),
        "hs_meeting_start_time": event["start"],
        "hs_meeting_end_time": event["end"],
        "hs_meeting_external_url": event["join_url"],
        "hs_meeting_outcome": "SCHEDULED",
        "calendar_event_id": event["id"],
        "calendar_event_uid": event["uid"],
    }
    if way_of(number) == OTHER_HERE:
        properties["hs_meeting_title"] = OTHER_HERE
    stamps = {"createdAt": event["updated_at"], "updatedAt": event["updated_at"]}
    return {"id": str(HUBSPOT + number), "properties": properties, "archived": False, **stamps}


# --- The server -------------------------------------------------------------------------------------------------------


def answer(count: int, target: str, body: Mapping[str, Any]) -> tuple[int, Any]:
    url = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    if url.path == "/v1/events":
        start, size = int(query.get("page_token", "0")), int(query.get("page_size", "100"))
        end = min(count, start + size)
        items = [make_event(number) for number in range(start, end)]
        return 200, {"items": items, "next_page_token": str(end) if end < count else None}
    if url.path == "/v1/webhook_deliveries":
        return 200, {"items": [], "next_page_token": None}
    if url.path.endswith("/meetings/batch/read"):
        records = [make_record(int(each["id"]) - HUBSPOT) for each in body["inputs"]]
        return 200, {"status": "COMPLETE", "results": [each for each in records if each]}
    return 404, {"code": "not_found", "message": "There is no such path here."}


async def serve(count: int, latency_s: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The requests of one connection, one after the other."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            body = await reader.readexactly(read_length(head))
            await asyncio.sleep(latency_s)
            status, value = answer(count, head.split(b" ", 2)[1].decode(), json.loads(body or b"{}"))
            text = json.dumps(value).encode()
            writer.write(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode())
            writer.write(b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--latency-ms", type=float, default=20)
    options = parser.parse_args()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await serve(options.events, options.latency_ms / 1000, reader, writer)

    server = await asyncio.start_server(serve_one, "127.0.0.1", options.port, limit=2**20)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
