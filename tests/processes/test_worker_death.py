"""kill -9 of a worker in the middle of a delivery's transaction: it is worked on again, and has happened once."""

import os
import signal

import pytest

from tests.processes.assertions import assert_one_booking
from tests.processes.installation import Installation
from tests.processes.samples import Payload, make_booking

pytestmark = pytest.mark.slow

# Written last: by then the meeting, its history, the contact and its identifiers are there, all uncommitted.
LAST_WRITTEN = "bookings_historicalattendance"


def read_worker_pid(installation: Installation, delivery_id: str) -> int:
    [(outcome, worker)] = installation.attempts(delivery_id)
    assert outcome == "running"
    return int(worker.rpartition(":")[2])


def assert_happened_once(installation: Installation, booking: Payload) -> None:
    [(first, _), (second, _)] = installation.attempts(booking["id"])
    assert (first, second) == ("abandoned", "succeeded")
    delivery = installation.delivery(booking["id"])
    assert (delivery["status"], delivery["attempts"], delivery["cause"]) == ("processed", 2, None)
    assert_one_booking(installation, booking)


def test_worker_killed_with_all_its_processes(installation: Installation) -> None:
    booking = make_booking()
    with installation.locked(LAST_WRITTEN):
        assert installation.post(booking).json() == {"status": "accepted"}
        installation.wait_until_blocked(LAST_WRITTEN)
        assert installation.delivery(booking["id"])["status"] == "processing"
        assert installation.worker
        installation.worker.kill()
    assert installation.list_all("meetings", external_id=booking["data"]["event"]["id"]) == []
    installation.start_worker()
    installation.wait_until_settled(booking["id"])
    assert_happened_once(installation, booking)


def test_one_process_of_the_worker_killed(installation: Installation) -> None:
    booking = make_booking()
    with installation.locked(LAST_WRITTEN):
        assert installation.post(booking).json() == {"status": "accepted"}
        installation.wait_until_blocked(LAST_WRITTEN)
        killed = read_worker_pid(installation, booking["id"])
        os.kill(killed, signal.SIGKILL)
    installation.wait_until_settled(booking["id"])
    assert_happened_once(installation, booking)
    assert killed not in {int(worker.rpartition(":")[2]) for _, worker in installation.attempts(booking["id"])[1:]}
    assert installation.worker
    assert installation.worker.is_running()
