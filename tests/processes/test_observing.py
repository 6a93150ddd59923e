"""What the processes of one host tell together: counts that add up and never go down, and one id in all logs."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.factories import SECRET, encode, webhook_headers
from tests.integrations.operations.prometheus_lint import lint
from tests.leaks import find_in
from tests.processes.exchanges import exchange
from tests.processes.installation import Installation, fresh_database, running
from tests.processes.ledger import read_entries, wait_until_all_over
from tests.processes.samples import make_booking
from tests.processes.waiting import wait_for

pytestmark = pytest.mark.slow

SUMMED = ("keepsync_deliveries_total", "keepsync_attempts_total", "keepsync_delivery_answer_seconds_count")


def scrape(port: int) -> str:
    answer = exchange(port, "GET", "/metrics")
    assert answer.status == 200
    return answer.body.decode()


def read_sums(text: str) -> dict[str, float]:
    """Of calendar.live: the webhooks that were stored, the tries that ended well, and all answers."""
    wanted = {"provider": "calendar.live"}
    sums = dict.fromkeys(SUMMED, 0.0)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            outcome = sample.labels.get("outcome", "accepted")
            if sample.name in sums and wanted.items() <= sample.labels.items() and outcome in ("accepted", "processed"):
                sums[sample.name] += sample.value
    return sums


def rise(before: dict[str, float], by: int) -> dict[str, float]:
    return {name: value + by for name, value in before.items()}


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Installation]:
    """In which nobody counts but the test: a process tells what it has done a moment after it is done."""
    with fresh_database(os.environ["DATABASE_URL"]) as url, running(url, tmp_path) as installation:
        yield installation


@contextmanager
def second_web(installation: Installation) -> Iterator[int]:
    port = installation.start_web()
    try:
        yield port
    finally:
        installation.webs.pop(port).stop()


def test_two_web_processes_and_a_worker_count_together_and_lose_nothing_when_killed(own: Installation) -> None:
    before = read_sums(scrape(own.port))
    with second_web(own) as port:
        bookings = [make_booking() for _ in range(6)]
        for number, booking in enumerate(bookings):
            answer = own.post(booking, port=(own.port, port)[number % 2])
            assert answer.json() == {"status": "accepted"}
        own.wait_until_settled(*(booking["id"] for booking in bookings))
        wait_for(lambda: read_sums(scrape(port)) == rise(before, 6), what="the counts of all processes")
        pages = [scrape(own.port), scrape(port)]
        assert [read_sums(page) for page in pages] == [rise(before, 6)] * 2
        assert [lint(page) for page in pages] == [[], []]

        own.webs[port].kill()
        assert own.worker
        own.worker.kill()
        assert read_sums(scrape(own.port)) == rise(before, 6)
        own.start_worker()
        own.start_web(port=port)
        booking = make_booking()
        own.post(booking, port=port)
        own.wait_until_settled(booking["id"])
        wait_for(lambda: read_sums(scrape(port)) == rise(before, 7), what="the counts go on")
    # Files of processes that are gone are one file by now.
    assert (own.folder / "counts" / "counter_gone.db").exists()


def test_one_id_finds_a_booking_in_the_logs_of_all_processes(connected: Installation) -> None:
    correlation_id, booking = str(uuid4()), make_booking()
    body = encode(booking)
    headers = {**webhook_headers(body, booking["id"], SECRET), "X-Request-ID": correlation_id}
    answer = exchange(connected.port, "POST", "/webhooks/to-hubspot/", body=body, headers=headers)
    assert (answer.status, answer.headers["x-request-id"]) == (200, correlation_id)
    wait_until_all_over(connected, booking["id"])
    entries = read_entries(connected, booking["id"])
    assert {entry.status for entry in entries} == {"succeeded"}

    logs = {group.log.stem.partition("-")[0]: read_lines(group.log.read_text()) for group in connected.groups}
    messages = {name: {line["message"] for line in lines if has(line, correlation_id)} for name, lines in logs.items()}
    assert messages["web"] == {"delivery stored"}
    assert messages["worker"] >= {"delivery processed", "effect planned", "request sent", "effect carried out"}
    [(delivery_id,)] = connected.fetch(
        "SELECT id::text FROM integrations_delivery WHERE delivery_id = %s", booking["id"]
    )
    ours = {delivery_id, *(entry.id for entry in entries)}
    about = [
        line for lines in logs.values() for line in lines if {line.get("delivery_id"), line.get("effect_id")} & ours
    ]
    assert len(about) >= 2 + 2 * len(entries)
    assert all(has(line, correlation_id) for line in about)
    person = booking["data"]["event"]["attendees"][0]
    private = [person["email"], person["full_name"], person["phone"], person["company"]]
    assert find_in(json.dumps(logs).encode(), private) == set()


def read_lines(text: str) -> list[dict[str, Any]]:
    """Every line is a JSON object."""
    return [json.loads(line) for line in text.splitlines()]


def has(line: dict[str, Any], correlation_id: str) -> bool:
    return correlation_id in json.dumps(line.get("correlation_id"))
