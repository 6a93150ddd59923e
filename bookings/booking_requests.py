"""Requests to calendar.live: known by their key, worked on by one process at a time, kept until they are finished.

A request is leased to who works on it. A process that dies leaves it in the state that it had reached, and whoever
takes it up, by the caller's key or from the queue, goes on from there.
"""

import json
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from bookings.exceptions import KeyReusedError
from bookings.models import BookingRequest
from bookings.record_hints import look_again
from bookings.reservations import release
from integrations.exceptions import LeaseLostError
from integrations.privacy import blind_index
from integrations.races import run_race
from integrations.retention.kinds import find_cut

Kind, State = BookingRequest.Kind, BookingRequest.State
LEASE_S = 45
# How long to wait for the answer to the same request, which another process works on.
WAIT_S, PAUSE_S = 12.0, 0.05
ANSWERED_WITHIN = timedelta(seconds=1)
# What says how long the answer to a key is remembered word for word, and with it what was asked for: see retention.py.
ANSWERS = "booking_answers"


# --- Keys -------------------------------------------------------------------------------------------------------------


def find_by_key(user_id: int, key: str, body: Any) -> BookingRequest | None:
    """What was asked for under a key of this user. Raises KeyReusedError where that was something else."""
    found = with_rows().filter(key_digest=digest_key(user_id, key)).first()
    if found and bytes(found.body_digest) != digest_body(body):
        raise KeyReusedError("This Idempotency-Key was used with another body.")
    return found


def add_booking(request: BookingRequest, *, user_id: int, key: str, body: Any) -> tuple[BookingRequest, bool]:
    """A new request under a key, leased to the caller; or the one that came first, and False."""
    request.user_id, request.key_digest, request.body_digest = user_id, digest_key(user_id, key), digest_body(body)
    try:
        with transaction.atomic():
            return add(request), True
    except IntegrityError:
        found = find_by_key(user_id, key, body)
        if found is None:
            raise
        return found, False


def add_of_record(request: BookingRequest, crm_id: int, record_id: str) -> BookingRequest:
    """One that a CRM's record asks for, leased to nobody. Raises IntegrityError where the record is booked already."""
    request.crm_id, request.record_id = crm_id, record_id
    # Nobody waits for an answer; with one, what is asked for is forgotten like what others ask for.
    request.answer = {}
    request.save(force_insert=True)
    return request


def add(request: BookingRequest) -> BookingRequest:
    """Leased to the caller."""
    request.lease_token, request.lease_expires_at = uuid4(), timezone.now() + timedelta(seconds=LEASE_S)
    request.save(force_insert=True)
    return request


def digest_key(user_id: int, key: str) -> bytes:
    return blind_index.digest("idempotency_key", f"{user_id}:{key}")


def digest_body(body: Any) -> bytes:
    return blind_index.digest("booking_body", json.dumps(body, sort_keys=True))


def wait_for_answer(request: BookingRequest) -> BookingRequest:
    """The request once it is answered, or nobody works on it any more, or the time is over."""
    deadline = time.monotonic() + WAIT_S
    while True:
        latest = with_rows().get(pk=request.pk)
        if latest.answer_status or not is_worked_on(latest, timezone.now()) or time.monotonic() > deadline:
            return latest
        time.sleep(PAUSE_S)


def is_worked_on(request: BookingRequest, now: datetime) -> bool:
    """One that is finished is answered in no time, or its process died between the two."""
    if request.finished_at and request.finished_at < now - ANSWERED_WITHIN:
        return False
    return request.lease_expires_at is not None and request.lease_expires_at > now


def remember_answer(request: BookingRequest, status: int, body: Any) -> None:
    """The first answer stays, and the lease ends."""
    mine = BookingRequest.objects.filter(pk=request.pk, lease_token=request.lease_token)
    mine.filter(answer_status=None).update(answer_status=status, answer=body)
    give_back(request)


# --- Work -------------------------------------------------------------------------------------------------------------


def with_rows() -> QuerySet[BookingRequest]:
    found = BookingRequest.objects.select_related("connection", "calendar", "meeting__calendar")
    return found.defer("connection__credentials")


def claim(request_id: UUID) -> BookingRequest | None:
    """Lease what is unfinished and nobody works on."""
    now, token = timezone.now(), uuid4()
    is_free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
    free = BookingRequest.objects.filter(is_free, pk=request_id, finished_at=None)
    if not free.update(lease_token=token, lease_expires_at=now + timedelta(seconds=LEASE_S)):
        return None
    return BookingRequest.objects.select_related("connection", "calendar", "meeting__calendar").get(pk=request_id)


def give_back(request: BookingRequest) -> None:
    mine = BookingRequest.objects.filter(pk=request.pk, lease_token=request.lease_token)
    mine.update(lease_token=None, lease_expires_at=None)


def move(request: BookingRequest, **fields: Any) -> None:
    """Write down how far it has come. Raises LeaseLostError where another process works on it, or it is finished."""
    mine = BookingRequest.objects.filter(pk=request.pk, lease_token=request.lease_token, finished_at=None)
    if not mine.update(**fields):
        raise LeaseLostError("The request was settled, or taken over, meanwhile.")
    for name, value in fields.items():
        setattr(request, name, value)


def settle(request: BookingRequest, write: Callable[[BookingRequest], None]) -> BookingRequest:
    """Let `write` end, or postpone, the request in one transaction, unless that has happened already."""

    def write_once() -> None:
        locked = BookingRequest.objects.select_for_update(no_key=True).get(pk=request.pk)
        request.state, request.meeting_id, request.failure = locked.state, locked.meeting_id, locked.failure
        request.finished_at, request.is_postponed = locked.finished_at, locked.is_postponed
        if locked.finished_at is None:
            if locked.lease_token != request.lease_token:
                raise LeaseLostError("Another process has taken the request over.")
            # Before what is brought to the CRM because of it: what somebody has changed there since is seen first.
            look_again(request)
            write(request)

    run_race(write_once)
    return request


def finish(request: BookingRequest, state: BookingRequest.State, failure: str = "") -> None:
    """In `settle`: it is over, and what it had reserved and nobody has taken over is free."""
    request.state, request.failure, request.finished_at = state, failure, timezone.now()
    request.save(update_fields=["state", "failure", "finished_at", "meeting"])
    release(request)


# --- What is left behind ----------------------------------------------------------------------------------------------


def list_left(now: datetime) -> QuerySet[BookingRequest]:
    """Unfinished requests whose process died, or gave up on an error that nobody foresaw."""
    is_left = Q(lease_expires_at__lte=now) | Q(lease_expires_at=None, is_postponed=False)
    return BookingRequest.objects.filter(is_left, finished_at=None)


def list_overdue(now: datetime) -> QuerySet[BookingRequest]:
    """Postponed bookings whose time has come before calendar.live was asked for them."""
    waiting = BookingRequest.objects.filter(finished_at=None, kind=Kind.CREATE, is_postponed=True, asked_at=None)
    return waiting.filter(meeting__start__lte=now)


def find_answered(before: datetime) -> QuerySet[BookingRequest]:
    return BookingRequest.objects.filter(finished_at__lte=before, answer__isnull=False)


def forget(requests: QuerySet[BookingRequest]) -> None:
    """What was asked for and answered names people: some time after the end the key alone is kept.

    Of a CRM's record that could not be booked nothing is kept: it may be tried anew.
    """
    requests.filter(crm__isnull=False, meeting=None).delete()
    requests.update(body={}, base={}, answer=None, answer_status=None)


def forget_answers(now: datetime) -> None:
    """Of all that are over for so long."""
    if before := find_cut(ANSWERS, now):
        forget(find_answered(before))
