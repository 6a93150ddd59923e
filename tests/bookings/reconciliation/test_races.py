"""A repair that meets a fresh webhook, or another repair: real threads, real transactions."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from bookings.models import Discrepancy, Meeting
from bookings.reconciliation import runs
from bookings.reconciliation.events import compare
from bookings.reconciliation.ledger import Ledger
from bookings.reconciliation.walks import Walk
from contacts.models import Contact
from integrations.deliveries import process
from integrations.events import Booking
from integrations.models import ChangeCount, Delivery
from integrations.payloads import PayloadReader
from integrations.providers.calendar_live.mapping import read_booking
from tests.bookings.reconciliation.calendar_world import make_event
from tests.factories import make_connection, make_delivery, make_payload, receive

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

THREADS = 8


def run_at_once(work: Any) -> None:
    """`work(number)` in as many threads, all starting together."""
    barrier = Barrier(THREADS)

    def run(number: int) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(timeout=10)
            work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(run, range(THREADS)))


def state(version: int) -> dict[str, Any]:
    return {**make_event("evt_1"), "version": version, "title": f"Title {version}"}


def booking(version: int) -> Booking:
    return read_booking(PayloadReader(state(version), ""))


def test_a_repair_that_meets_fresh_webhooks_never_takes_newer_data_back():
    calendar = make_connection(options={"access_token": "t"})
    receive({**make_payload("dlv_1"), "data": {"event": state(1)}})
    told = [
        make_delivery(calendar, {**make_payload(f"dlv_{version}"), "data": {"event": state(version)}})
        for version in (3, 4, 5, 6)
    ]
    walks = [Walk(run, Ledger(run)) for run in (runs.start(calendar) for _ in range(4))]

    def race(number: int) -> None:
        if number % 2:
            process(told[number // 2].pk)
        else:
            compare(walks[number // 2], [booking(2 + number // 2)], [])

    run_at_once(race)
    meeting = Meeting.objects.get()
    assert (meeting.version, meeting.title) == (6, "Title 6")
    versions = list(meeting.history.order_by("history_id").values_list("version", flat=True))
    assert versions == sorted(set(versions))
    assert set(Delivery.objects.values_list("status", flat=True)) <= {"processed", "stale"}


def test_one_missing_event_that_several_runs_find_is_applied_and_counted_once():
    calendar = make_connection(options={"access_token": "t"})
    walks = [Walk(run, Ledger(run)) for run in (runs.start(calendar) for _ in range(THREADS))]
    fresh = {**state(1), "updated_at": "2036-01-01T00:00:00Z"}
    run_at_once(lambda number: compare(walks[number], [read_booking(PayloadReader(fresh, ""))], []))
    assert (Meeting.objects.count(), Contact.objects.count(), Meeting.objects.get().history.count()) == (1, 1, 1)
    assert Discrepancy.objects.get().status == "repaired"
    assert ChangeCount.objects.get().missed == 1


def test_one_discrepancy_that_several_runs_find_waits_once():
    calendar = make_connection(options={"access_token": "t"})
    receive({**make_payload("dlv_1"), "data": {"event": state(1)}})
    Meeting.objects.update(title="Somebody's")
    walks = [Walk(run, Ledger(run)) for run in (runs.start(calendar) for _ in range(THREADS))]
    run_at_once(lambda number: compare(walks[number], [booking(1)], []))
    row = Discrepancy.objects.get()
    assert (row.status, 1 <= row.times_seen <= THREADS) == ("open", True)


def test_one_run_that_several_processes_want_is_claimed_by_one():
    calendar = make_connection(options={"access_token": "t"})
    run = runs.start(calendar)
    claimed = []
    run_at_once(lambda number: claimed.append(runs.claim(run.pk)))
    assert len([each for each in claimed if each]) == 1
