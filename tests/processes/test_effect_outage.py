"""A provider, its credentials or the database go away while bookings come: nothing is lost, nothing done twice."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.processes.installation import Installation
from tests.processes.ledger import Entry, read_entries, wait_until_all_over
from tests.processes.outside import Outside, connect
from tests.processes.samples import Payload, make_booking
from tests.processes.server import Server
from tests.processes.waiting import wait_for

pytestmark = pytest.mark.slow

BOOKINGS = 30
THREADS = 6
CRM = "to-hubspot"


def book_many(number: int, *, online: bool = False) -> list[Payload]:
    """Bookings of as many new customers, which go to the CRM and, if they are to be online, to Zoom."""
    bookings = [make_booking() for _ in range(number)]
    for booking in bookings:
        event = booking["data"]["event"]
        event["answers"] = []
        event["event_type"]["online_meeting"] = "zoom" if online else None
    return bookings


def post_all(installation: Installation, bookings: Sequence[Payload]) -> list[str]:
    """Several at a time; returns the deliveries' ids."""
    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(lambda booking: installation.post(booking, slug=CRM), bookings))
    assert {answer.status for answer in answers} == {200}
    return [booking["id"] for booking in bookings]


def assert_each_is_there_once(outside: Outside, bookings: Sequence[Payload]) -> None:
    """One contact and one meeting at the CRM for each booking, and the meeting with its contact."""
    records = outside.read("hubspot")["records"]
    for booking in bookings:
        event = booking["data"]["event"]
        [contact] = only_with(records["contacts"], event["attendees"][0]["email"].strip().lower())
        [meeting] = only_with(records["meetings"], event["uid"])
        pairs = [(link["from_id"], link["to_id"]) for link in records["associations"]]
        assert (meeting["id"], contact["id"]) in pairs


def only_with(records: Sequence[dict[str, Any]], needle: str) -> list[dict[str, Any]]:
    return [record for record in records if needle in json.dumps(record)]


def assert_all_over(entries: Sequence[Entry], number: int) -> None:
    """A state that was planned again while it was sent may find nothing more to do, and is suppressed then."""
    assert {entry.status for entry in entries} <= {"succeeded", "suppressed"}
    for kind in ("contact.upsert", "meeting.upsert"):
        made = {entry.external_id for entry in entries if entry.kind == kind and entry.external_id}
        assert len(made) == number


def test_a_crm_that_is_down_while_bookings_come(connected: Installation, outside: Outside) -> None:
    outside.turn("hubspot", is_down=True)
    bookings = book_many(BOOKINGS)
    ids = post_all(connected, bookings)
    connected.wait_until_settled(*ids)

    def all_wait() -> bool:
        entries = read_entries(connected, *ids)
        return {(each.status, each.cause) for each in entries} == {("waiting", "transient")}

    wait_for(all_wait, what="everything waits for the CRM")
    entries = read_entries(connected, *ids)
    assert Counter(entry.kind for entry in entries) == {"contact.upsert": BOOKINGS, "meeting.upsert": BOOKINGS}
    # What was under way when the circuit opened has used one try; what came after it none.
    assert {entry.attempts - entry.free_attempts for entry in entries} <= {0, 1}
    assert sum(entry.attempts - entry.free_attempts for entry in entries) <= 2 * THREADS

    outside.turn("hubspot")
    assert_all_over(wait_until_all_over(connected, *ids), BOOKINGS)
    assert_each_is_there_once(outside, bookings)


def test_revoked_credentials_until_a_person_has_authorised_again(connected: Installation, outside: Outside) -> None:
    outside.turn("hubspot", is_revoked=True)
    bookings = book_many(3)
    ids = post_all(connected, bookings)
    connected.wait_until_settled(*ids)
    wait_for(lambda: read_status(connected) == "needs_reauthorisation", what="the connection needs a person")

    def all_wait() -> bool:
        entries = read_entries(connected, *ids)
        return {(each.status, each.cause) for each in entries} == {("waiting", "reauthorise")}

    wait_for(all_wait, what="everything waits for the authorisation")
    later = book_many(1)
    ids += post_all(connected, later)
    connected.wait_until_settled(*ids)
    wait_for(all_wait, what="what comes later waits too")
    assert {entry.attempts - entry.free_attempts for entry in read_entries(connected, *ids)} == {0}

    outside.turn("hubspot")
    connected.manage("connection", "resume", "hubspot")
    assert_all_over(wait_until_all_over(connected, *ids), 4)
    assert_each_is_there_once(outside, bookings + later)


def read_status(installation: Installation) -> str:
    return str(installation.fetch("SELECT status FROM integrations_connection WHERE slug = 'hubspot'")[0][0])


# --- Two workers ------------------------------------------------------------------------------------------------------

SPANS = """
SELECT connection.slug, attempt.worker, min(attempt.started_at), max(attempt.finished_at)
FROM integrations_attempt AS attempt
JOIN integrations_effect AS effect ON effect.id = attempt.effect_id
JOIN integrations_connection AS connection ON connection.id = effect.connection_id
JOIN integrations_delivery AS delivery ON delivery.id = effect.delivery_id
WHERE delivery.delivery_id = ANY(%s)
GROUP BY attempt.id, connection.slug, attempt.worker
ORDER BY connection.slug, min(attempt.started_at)
"""


@pytest.fixture
def second_worker(connected: Installation) -> Iterator[None]:
    first = connected.worker
    connected.start_worker()
    second = connected.worker
    yield
    assert second
    second.stop()
    connected.worker = first


@pytest.mark.usefixtures("second_worker")
def test_two_workers_never_drain_one_connection_at_once(connected: Installation, outside: Outside) -> None:
    outside.turn("hubspot", latency_ms=50)
    # So slow that it takes several slices of time: each is anybody's.
    outside.turn("zoom", latency_ms=500)
    bookings = book_many(BOOKINGS, online=True)
    ids = post_all(connected, bookings)
    entries = wait_until_all_over(connected, *ids)
    assert_all_over(entries, BOOKINGS)
    assert_each_is_there_once(outside, bookings)
    made = [each.external_id for each in entries if each.kind == "zoom.meeting"]
    assert len(set(made)) == BOOKINGS
    assert {len(outside.find("zoom", "meetings", meeting_id)) for meeting_id in made} == {1}
    assert_no_overlap(connected.fetch(SPANS, ids))


def assert_no_overlap(spans: Sequence[tuple[str, str, datetime, datetime]]) -> None:
    """At one connection, a process begins after all others have ended."""
    assert len({worker for _, worker, _, _ in spans}) > 1
    for slug in {slug for slug, *_ in spans}:
        ended: dict[str, datetime] = {}
        for _, worker, start, end in (span for span in spans if span[0] == slug):
            assert all(start >= at for other, at in ended.items() if other != worker), (slug, worker, start)
            ended[worker] = max(end, ended.get(worker, end))


# --- The database -----------------------------------------------------------------------------------------------------


@pytest.fixture
def own(server: Server, outside: Outside, tmp_path: Path) -> Iterator[Installation]:
    installation = Installation(server.url, tmp_path)
    try:
        yield connect(installation, outside).start()
    finally:
        installation.stop()


def test_a_database_that_is_restarted_in_the_middle_of_a_drain(
    server: Server, own: Installation, outside: Outside
) -> None:
    """What was made meanwhile cannot be written down; it is found again afterwards."""
    bookings = book_many(8, online=True)
    with outside.holds.holding(r"POST /hubspot/crm/objects/[^/]+/contacts/batch/upsert") as hold:
        ids = post_all(own, bookings)
        hold.wait()
        server.stop("immediate")
        hold.pass_on()
    server.start()
    entries = wait_until_all_over(own, *ids)
    assert_all_over(entries, len(bookings))
    assert_each_is_there_once(outside, bookings)
    made = [each.external_id for each in entries if each.kind == "zoom.meeting"]
    assert len(set(made)) == len(bookings)
    assert {len(outside.find("zoom", "meetings", meeting_id)) for meeting_id in made} == {1}
    assert [group.is_running() for group in own.groups] == [True, True]
