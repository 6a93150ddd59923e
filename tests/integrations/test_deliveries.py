"""Claiming, attempts, retries, dead letters, replay, discard and the sweeper."""

import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from bookings.models import Meeting
from contacts.models import Contact
from integrations import deliveries, jobs
from integrations.connections import set_status
from integrations.deliveries import discard, find_forgotten, process, replay
from integrations.events import dispatch as dispatch_events
from integrations.exceptions import LeaseLostError, PermanentError, RateLimitedError, StateError, TransientError
from integrations.failures import fingerprint
from integrations.models import Attempt, Connection, Delivery
from integrations.retries import SCHEDULE_S
from tests.factories import make_delivery, make_payload, read_sample

Status = Delivery.Status
Outcome = Attempt.Outcome


@pytest.fixture
def delivery(calendar_live: Connection) -> Delivery:
    return make_delivery(calendar_live, make_payload())


@pytest.fixture
def fail(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | None], None]:
    """Make dispatching raise an error after the handlers have run; None lets it succeed again."""
    raised: list[Exception | None] = [None]

    def dispatch(*args: Any) -> Any:
        outcome = dispatch_events(*args)
        if raised[0]:
            raise raised[0]
        return outcome

    monkeypatch.setattr(deliveries, "dispatch", dispatch)
    return lambda error: raised.__setitem__(0, error)


def make_due(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now())


def test_a_processed_delivery_has_one_succeeded_attempt(delivery: Delivery) -> None:
    assert process(delivery.pk) is None
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts, delivery.lease_token) == (Status.PROCESSED, 1, None)
    assert delivery.processed_at is not None
    assert [(a.number, a.outcome) for a in delivery.tries.all()] == [(1, Outcome.SUCCEEDED)]


def test_a_processed_delivery_is_not_worked_on_again(delivery: Delivery) -> None:
    process(delivery.pk)
    process(delivery.pk)
    assert delivery.tries.count() == 1


def test_an_unknown_type_is_ignored_and_a_ping_processed(calendar_live: Connection) -> None:
    for sample, status in (("unknown_type", Status.IGNORED), ("ping", Status.PROCESSED)):
        row = make_delivery(calendar_live, read_sample(sample))
        process(row.pk)
        row.refresh_from_db()
        assert row.status == status


def test_a_failure_rolls_everything_back_but_its_attempt(delivery: Delivery, fail: Any) -> None:
    fail(TransientError("The CRM is away."))
    delay = process(delivery.pk)
    delivery.refresh_from_db()
    assert (Contact.objects.count(), Meeting.objects.count()) == (0, 0)
    assert (delivery.status, delivery.cause, delivery.error) == (Status.RETRYING, "transient", "The CRM is away.")
    assert delay is not None
    assert 0 < delay <= 2 * SCHEDULE_S[0]
    attempt = delivery.tries.get()
    assert (attempt.outcome, attempt.cause, attempt.error) == (Outcome.FAILED, "transient", "The CRM is away.")


def test_a_failed_try_is_kept_when_a_later_one_succeeds(delivery: Delivery, fail: Any) -> None:
    fail(TransientError("The CRM is away."))
    process(delivery.pk)
    fail(None)
    make_due(delivery)
    process(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error) == (Status.PROCESSED, "")
    assert [(a.number, a.outcome) for a in delivery.tries.order_by("number")] == [
        (1, Outcome.FAILED),
        (2, Outcome.SUCCEEDED),
    ]


def test_a_retry_is_not_worked_on_before_its_time(delivery: Delivery, fail: Any) -> None:
    fail(TransientError("The CRM is away."))
    process(delivery.pk)
    process(delivery.pk)
    assert delivery.tries.count() == 1


def test_after_the_last_try_it_is_a_dead_letter(delivery: Delivery, fail: Any) -> None:
    fail(TransientError("The CRM is away."))
    for _ in range(len(SCHEDULE_S) + 1):
        make_due(delivery)
        last = process(delivery.pk)
    delivery.refresh_from_db()
    assert last is None
    assert (delivery.status, delivery.attempts) == (Status.DEAD, len(SCHEDULE_S) + 1)
    assert delivery.fingerprint


def test_a_permanent_error_is_dead_at_once(delivery: Delivery, fail: Any) -> None:
    fail(PermanentError("The account is closed."))
    assert process(delivery.pk) is None
    delivery.refresh_from_db()
    assert (delivery.status, delivery.cause, delivery.attempts) == (Status.DEAD, "permanent", 1)


def test_a_payload_that_cannot_be_read_is_dead_and_names_the_field(calendar_live: Connection) -> None:
    row = make_delivery(calendar_live, make_payload(start="tomorrow"))
    process(row.pk)
    row.refresh_from_db()
    assert (row.status, row.cause) == (Status.DEAD, "payload")
    assert row.error.startswith("data.event.start ")


def test_the_other_sides_retry_after_is_honoured(delivery: Delivery, fail: Any) -> None:
    fail(RateLimitedError("429", retry_after_s=500))
    delay = process(delivery.pk)
    delivery.refresh_from_db()
    assert delay == 500
    assert delivery.cause == "rate_limited"


def test_an_unexpected_error_is_a_bug_whose_message_is_not_stored(delivery: Delivery, fail: Any) -> None:
    fail(ValueError("zoe.okafor@example.com"))
    assert process(delivery.pk) is not None
    delivery.refresh_from_db()
    attempt = delivery.tries.get()
    assert attempt.trace
    assert (delivery.status, delivery.cause) == (Status.RETRYING, "bug")
    assert "ValueError" in delivery.error
    assert "zoe" not in str((delivery.error, attempt.error, attempt.trace))
    assert attempt.trace["type"] == "ValueError"


def test_the_database_busy_is_transient(delivery: Delivery, fail: Any) -> None:
    fail(OperationalError("canceling statement due to lock timeout"))
    process(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.cause == "transient"


@pytest.mark.parametrize("sqlstate", ["40P01", "23505"], ids=["deadlock", "row made by another"])
def test_a_lost_race_is_run_again_at_once(delivery: Delivery, monkeypatch: pytest.MonkeyPatch, sqlstate: str) -> None:
    calls: list[int] = []

    def lose_once(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise IntegrityError from psycopg.errors.lookup(sqlstate)()
        return dispatch_events(*args)

    monkeypatch.setattr(deliveries, "dispatch", lose_once)
    process(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts, len(calls)) == (Status.PROCESSED, 1, 2)


def test_a_delivery_whose_process_died_is_claimed_once_its_lease_is_over(delivery: Delivery) -> None:
    first = deliveries.claim(delivery.pk)
    assert first is not None
    assert deliveries.claim(delivery.pk) is None
    Delivery.objects.update(lease_expires_at=timezone.now())
    process(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.status == Status.PROCESSED
    assert [a.outcome for a in delivery.tries.order_by("number")] == [Outcome.ABANDONED, Outcome.SUCCEEDED]


def test_whoever_lost_the_lease_changes_nothing(delivery: Delivery) -> None:
    slow = deliveries.claim(delivery.pk)
    assert slow is not None
    Delivery.objects.update(lease_token=uuid.uuid4())
    with pytest.raises(LeaseLostError):
        deliveries.work(*slow)
    assert Meeting.objects.count() == 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_threads_that_claim_at_once_get_it_once(calendar_live: Connection) -> None:
    row = make_delivery(calendar_live, make_payload())
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        process(row.pk)
        connection.close()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert row.tries.count() == 1
    assert Meeting.objects.get().history.count() == 1


def test_a_paused_connections_delivery_waits_without_burning_a_try(delivery: Delivery) -> None:
    set_status(delivery.connection, Connection.Status.PAUSED)
    process(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == (Status.RECEIVED, 0)
    assert set_status(delivery.connection, Connection.Status.ACTIVE) == [delivery.pk]


def test_failures_of_one_kind_have_one_fingerprint() -> None:
    one = fingerprint("calendar_live", "payload", "data.event.attendees[3].email is null, 'abc'.")
    other = fingerprint("calendar_live", "payload", "data.event.attendees[12].email is null, 'xyz'.")
    assert one == other
    assert one != fingerprint("calendar_live", "bug", "data.event.attendees[3].email is null, 'abc'.")


def test_a_replay_is_the_same_row_with_a_new_attempt_and_a_new_schedule(delivery: Delivery, fail: Any) -> None:
    fail(PermanentError("The account is closed."))
    process(delivery.pk)
    assert replay(Delivery.objects.all()) == [delivery.pk]
    fail(TransientError("The CRM is away."))
    delay = process(delivery.pk)
    assert delay is not None
    assert delay <= 2 * SCHEDULE_S[0]
    fail(None)
    make_due(delivery)
    process(delivery.pk)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts) == (Status.PROCESSED, 3)


def test_replaying_what_was_processed_changes_nothing_twice(delivery: Delivery) -> None:
    process(delivery.pk)
    replay(Delivery.objects.all())
    process(delivery.pk)
    delivery.refresh_from_db()
    assert delivery.status == Status.PROCESSED
    assert Meeting.objects.get().history.count() == 1
    assert Contact.objects.get().history.count() == 1


def test_what_is_being_worked_on_or_was_rejected_is_not_replayed(calendar_live: Connection) -> None:
    for number, status in enumerate((Status.RECEIVED, Status.PROCESSING, Status.REJECTED)):
        make_delivery(calendar_live, make_payload(f"dlv_{number}"), status=status)
    assert replay(Delivery.objects.all()) == []


def test_a_dead_letter_is_discarded_with_a_reason(delivery: Delivery, fail: Any) -> None:
    with pytest.raises(StateError, match="received"):
        discard(delivery, "a test booking")
    fail(PermanentError("The account is closed."))
    process(delivery.pk)
    with pytest.raises(StateError, match="why"):
        discard(delivery, " ")
    discard(delivery, "a test booking")
    delivery.refresh_from_db()
    assert (delivery.status, delivery.discard_reason) == (Status.DISCARDED, "a test booking")
    assert delivery.error == "The account is closed."


# --- The sweeper ---


def long_ago() -> Any:
    return timezone.now() - timedelta(minutes=5)


def test_a_row_that_lost_its_job_is_found_once(calendar_live: Connection) -> None:
    lost = make_delivery(calendar_live, make_payload(), queued_at=long_ago())
    make_delivery(calendar_live, make_payload("dlv_2"))
    assert find_forgotten(timezone.now()) == [lost.pk]
    assert find_forgotten(timezone.now()) == []


def test_a_row_that_still_waits_in_a_long_queue_is_not_lost(calendar_live: Connection) -> None:
    make_delivery(calendar_live, make_payload(), queued_at=long_ago())
    OrmQ.objects.create(key="keepsync", payload="", lock=long_ago())
    assert find_forgotten(timezone.now()) == []


def test_due_retries_and_leases_of_dead_processes_are_found(calendar_live: Connection) -> None:
    now = timezone.now()
    due = make_delivery(
        calendar_live, make_payload(), status=Status.RETRYING, next_attempt_at=long_ago(), queued_at=long_ago()
    )
    make_delivery(
        calendar_live,
        make_payload("dlv_2"),
        status=Status.RETRYING,
        next_attempt_at=now + timedelta(hours=1),
        queued_at=now + timedelta(hours=1),
    )
    dead = make_delivery(calendar_live, make_payload("dlv_3"), status=Status.PROCESSING, lease_expires_at=long_ago())
    make_delivery(
        calendar_live, make_payload("dlv_4"), status=Status.PROCESSING, lease_expires_at=now + timedelta(seconds=9)
    )
    assert find_forgotten(now) == [due.pk, dead.pk]


def test_a_paused_connections_rows_are_not_swept(calendar_live: Connection) -> None:
    make_delivery(calendar_live, make_payload(), queued_at=long_ago())
    set_status(calendar_live, Connection.Status.PAUSED)
    assert find_forgotten(timezone.now()) == []


def test_the_sweep_queues_a_job_for_each_and_says_that_the_worker_lives(calendar_live: Connection) -> None:
    lost = make_delivery(calendar_live, make_payload(), queued_at=long_ago())
    jobs.sweep()
    job = SignedPackage.loads(OrmQ.objects.get().payload)
    assert job["args"] == (str(lost.pk),)


def test_the_job_queues_its_own_retry_for_its_time(delivery: Delivery, fail: Any) -> None:
    fail(RateLimitedError("429", retry_after_s=500))
    jobs.process_delivery(str(delivery.pk))
    wait = OrmQ.objects.get().lock - timezone.now()
    assert 490 < wait.total_seconds() <= 500


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_deliveries_of_one_subject_wait_for_each_other(calendar_live: Connection) -> None:
    row = make_delivery(calendar_live, make_payload())
    done = threading.Event()

    def work() -> None:
        process(row.pk)
        done.set()
        connection.close()

    with transaction.atomic():
        deliveries.lock_subject(row.connection_id, row.subject)
        thread = threading.Thread(target=work)
        thread.start()
        assert not done.wait(0.5)
    assert done.wait(10)
    thread.join()
    row.refresh_from_db()
    assert row.status == Status.PROCESSED
