"""The database goes away under a running installation and comes back: nothing is lost, nothing restarted."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.processes.assertions import assert_one_booking
from tests.processes.installation import Installation, running
from tests.processes.samples import make_booking
from tests.processes.server import Server

pytestmark = pytest.mark.slow

# A sender gives up after ten seconds.
ANSWER_S = 5


@pytest.fixture
def own(server: Server, tmp_path: Path) -> Iterator[Installation]:
    with running(server.url, tmp_path) as installation:
        yield installation


def post_timed(installation: Installation, payload: dict[str, Any]) -> tuple[int, str | None, bool]:
    """Status, Retry-After, and whether the answer came in time."""
    started = time.monotonic()
    answer = installation.post(payload)
    return answer.status, answer.headers.get("retry-after"), time.monotonic() - started < ANSWER_S


def test_database_stopped_and_started_again(server: Server, own: Installation) -> None:
    before, meanwhile = make_booking(), make_booking()
    assert own.get("/readyz").status == 200
    assert own.post(before).json() == {"status": "accepted"}
    own.wait_until_settled(before["id"])

    server.stop("immediate")
    with ThreadPoolExecutor(8) as threads:
        refused = list(threads.map(lambda _: post_timed(own, meanwhile), range(8)))
    assert refused == [(503, "5", True)] * 8
    assert own.get("/healthz").status == 200
    assert own.get("/readyz").status == 503
    assert own.get("/readyz").json()["problems"] == ["The database is away."]

    server.start()
    assert own.post(meanwhile).json() == {"status": "accepted"}
    assert own.post(before).json() == {"status": "duplicate"}
    own.wait_until_settled(meanwhile["id"])
    assert own.get("/readyz").status == 200
    for booking in (before, meanwhile):
        assert own.delivery(booking["id"])["attempts"] == 1
        assert_one_booking(own, booking)
    assert [group.is_running() for group in own.groups] == [True, True]
