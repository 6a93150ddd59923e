"""Drains: carrying out a connection's effects, one drain of a connection at a time over all processes.

1. The connection's advisory lock is taken; whoever has it already goes on, and the job comes again a little later.
2. What a process that died had claimed is made due again, or waits for a person where nobody else can find it out.
3. For a slice of time: the next effects that are due are claimed, with an attempt each, and carried out by threads.
   Effects of one subject go in order. The HTTP happens outside any transaction; what came back is written in one
   transaction with the mark "succeeded".
4. A connection that limits the rate, is down, or refuses its credentials holds its effects; that burns none of their
   tries. After an outage one effect goes first, and the others follow when it has succeeded.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections
from django.db import connection as database
from django.db.models import Exists, F, Min, OuterRef, Q
from django.utils import timezone

from integrations import effects
from integrations.claims import Claim, batch_size, claim_next, find_due, find_first, recover
from integrations.connections import ask_for_authorisation
from integrations.correlation import carrying
from integrations.exceptions import OutageError, RateLimitedError, ReauthoriseError, TokenOutageError
from integrations.holds import DUE, STAYS_WAITING, release, set_aside, set_strays_aside
from integrations.models import Connection, Drain, Effect
from integrations.outcomes import PAUSE_S, record_failure
from integrations.providers import get_provider
from integrations.providers.base import Provider
from integrations.retries import RETRY_AFTER_MAX_S, Cause
from integrations.tries import Report, carry_out

logger = logging.getLogger(__name__)

Status = Effect.Status
# Advisory locks of drains: their class, beside the connection's id.
LOCK_CLASS = 11
# How long one job works before it makes room for others, and how long one try may take; both fit into a job's time.
SLICE_S = 2.0
TRY_S = max(1.5, settings.JOB_TIMEOUT_S - SLICE_S - 2)
BUSY_S = 0.5
# How long effects gather for a batch, where the last one was not full.
GATHER_S = 0.2
# Outages in a row that open the circuit, and how long it stays open at first and at most.
OUTAGES = 5
FIRST_HOLD_S, LONGEST_HOLD_S = 5.0, 15.0


# --- The lock ---------------------------------------------------------------------------------------------------------


@contextmanager
def lock(connection_id: int) -> Iterator[bool]:
    """Whether this process is the one that drains the connection, until the block ends or the process dies."""
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_CLASS, connection_id])
        [is_ours] = cursor.fetchone()
    try:
        yield is_ours
    finally:
        if is_ours:
            unlock(connection_id)


def unlock(connection_id: int) -> None:
    """A lost database connection has given the lock back by itself."""
    try:
        with database.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_CLASS, connection_id])
    except DatabaseError:
        database.close()


# --- One slice --------------------------------------------------------------------------------------------------------


def drain(connection_id: int) -> float | None:
    """Work on the connection's effects for a slice of time. Returns the seconds until there is more to do, if any."""
    Drain.objects.filter(pk=connection_id, queued_for__lte=timezone.now()).update(queued_for=None)
    with lock(connection_id) as is_ours:
        if not is_ours:
            return BUSY_S
        connection = Connection.objects.get(pk=connection_id)
        state, _ = Drain.objects.get_or_create(connection=connection)
        if connection.status != Connection.Status.ACTIVE:
            set_strays_aside(connection)
            return None
        recover(connection)
        return Slice(connection, state).run()


@dataclass
class Slice:
    connection: Connection
    state: Drain
    running: set[Future[Report]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.provider: Provider = get_provider(self.connection.provider)
        self.ends_at = time.monotonic() + SLICE_S
        self.gathers_until = 0.0

    def run(self) -> float | None:
        """Seconds until there is more to do; None where nothing is left."""
        try:
            while self.may_go_on():
                claims = claim_next(self.connection, self.provider, is_probe=self.is_probing())
                if claims:
                    self.start(claims)
                    self.let_gather(claims)
                elif self.running:
                    self.collect()
                else:
                    break
        finally:
            while self.running:
                self.collect()
            self.save()
        return self.seconds_until_next()

    def may_go_on(self) -> bool:
        """Wait for room: a free thread, and calls left in the rate budget. False where the slice is over."""
        limit = 1 if self.is_probing() else max(1, settings.DRAIN_THREADS)
        while len(self.running) >= limit:
            self.collect()
        if self.is_held() or time.monotonic() >= self.ends_at:
            return False
        if self.is_probing():
            return True
        self.release()
        lacking_s = max(0.0, self.seconds_until_budget(), self.gathers_until - time.monotonic())
        if lacking_s > self.ends_at - time.monotonic():
            return False
        time.sleep(lacking_s)
        return True

    def let_gather(self, claims: Sequence[Claim]) -> None:
        """After a batch that was not full: give the next one a moment to fill."""
        size = batch_size(self.provider, claims[0].effect.kind)
        if settings.DRAIN_THREADS and 1 < size > len(claims):
            self.gathers_until = time.monotonic() + GATHER_S

    def start(self, claims: Sequence[Claim]) -> None:
        effects.planned_here()
        if settings.DRAIN_THREADS:
            self.running.add(pool().submit(copy_context().run, self.carry_out_apart, claims))
            return
        done: Future[Report] = Future()
        done.set_result(self.carry_out(claims))
        self.running.add(done)

    def carry_out_apart(self, claims: Sequence[Claim]) -> Report:
        """On a thread of the pool, whose database connection may have been lost since it was last used."""
        close_old_connections()
        return self.carry_out(claims)

    def carry_out(self, claims: Sequence[Claim]) -> Report:
        return carry_out(self.connection, claims, limit_s=TRY_S)

    def collect(self) -> None:
        """Take in what has ended, and hold the connection where it asks for that."""
        ended, self.running = wait(self.running, return_when=FIRST_COMPLETED)
        for future in ended:
            report = future.result()
            self.spend(report.calls)
            if report.rest_s:
                self.hold(Cause.RATE_LIMITED, report.rest_s)
            for claim, error in report.failures:
                with carrying(claim.effect.correlation_id):
                    self.take_failure(claim, error)
            if report.is_up:
                self.take_success()

    # --- Whether the connection rests ---------------------------------------------------------------------------------

    def is_held(self) -> bool:
        return self.state.held_until is not None and self.state.held_until > timezone.now()

    def is_probing(self) -> bool:
        """After an outage, until the first success."""
        return self.state.hold_cause == Cause.TRANSIENT

    def take_success(self) -> None:
        self.state.failures = 0
        if self.is_probing():
            self.state.held_until, self.state.hold_cause = None, ""
            release(self.connection)

    def release(self) -> None:
        """A rest that is over lets all go on at once."""
        if self.state.hold_cause:
            self.state.held_until, self.state.hold_cause = None, ""
            release(self.connection)

    def take_failure(self, claim: Claim, error: Exception) -> None:
        """Hold the connection where the failure is the connection's, then record it with the effect."""
        match error:
            case ReauthoriseError():
                ask_for_authorisation(self.connection)
                self.hold(Cause.REAUTHORISE, SLICE_S)
            case RateLimitedError() if error.holds_connection:
                self.state.failures += not self.is_held()
                pause_s = min(PAUSE_S * 2 ** min(self.state.failures - 1, 5), LONGEST_HOLD_S)
                wanted_s = pause_s if error.retry_after_s is None else error.retry_after_s
                self.hold(Cause.RATE_LIMITED, min(wanted_s, RETRY_AFTER_MAX_S))
            case TokenOutageError():
                self.hold(Cause.TRANSIENT, max(error.retry_after_s, FIRST_HOLD_S))
            case OutageError() if not self.is_held():
                self.state.failures += 1
                if self.is_probing() or self.state.failures >= OUTAGES:
                    doublings = min(max(self.state.failures - OUTAGES, 0), 10)
                    self.hold(Cause.TRANSIENT, min(FIRST_HOLD_S * 2**doublings, LONGEST_HOLD_S))
        record_failure(self.connection, claim, error, is_held=self.is_held())

    def hold(self, cause: Cause, seconds: float) -> None:
        """Let nothing go out for so long; of two holds the longer one counts."""
        until = timezone.now() + timedelta(seconds=seconds)
        if self.state.held_until is None or until > self.state.held_until:
            self.state.held_until, self.state.hold_cause = until, cause
            self.save()
            set_aside(self.connection, cause)
            logger.warning(
                "connection held", extra={"connection": self.connection.slug, "cause": cause, "retry_in_s": seconds}
            )

    # --- Its rate budget ----------------------------------------------------------------------------------------------

    def seconds_until_budget(self) -> float:
        """Until one call more is allowed. The budget fills up with time, to the provider's burst."""
        rate, now = self.provider.rate, timezone.now()
        left, since = self.state.calls_left, self.state.counted_at
        if left is None or since is None:
            left, since = float(rate.burst), now
        self.state.calls_left = min(rate.burst, left + max(0.0, (now - since).total_seconds()) * rate.per_s)
        self.state.counted_at = now
        return max(0.0, (1 - self.state.calls_left) / rate.per_s)

    def spend(self, calls: int) -> None:
        if self.state.calls_left is not None:
            self.state.calls_left -= calls

    # --- The end ------------------------------------------------------------------------------------------------------

    def save(self) -> None:
        self.state.save(update_fields=["calls_left", "counted_at", "held_until", "hold_cause", "failures"])

    def seconds_until_next(self) -> float | None:
        if self.connection.status != Connection.Status.ACTIVE:
            return None
        now = timezone.now()
        if self.state.hold_cause and self.state.held_until and (self.is_held() or not self.is_probing()):
            return max(0.0, (self.state.held_until - now).total_seconds())
        if self.is_probing():
            return 0 if find_due(self.connection, is_probe=True).exists() else None
        running = Effect.objects.filter(connection=self.connection, status=Status.RUNNING)
        waiting_for = [
            find_first(self.connection).filter(status__in=DUE).aggregate(at=Min("due_at"))["at"],
            running.aggregate(at=Min("lease_expires_at"))["at"],
        ]
        next_at = min((at for at in waiting_for if at), default=None)
        return None if next_at is None else max(0.0, (next_at - now).total_seconds(), self.seconds_until_budget())


@cache
def pool() -> ThreadPoolExecutor:
    """This process's threads, each with a database connection of its own that stays open."""
    return ThreadPoolExecutor(settings.DRAIN_THREADS, thread_name_prefix="drain")


# --- Waking -----------------------------------------------------------------------------------------------------------

# A drain that was to run so long ago has lost its job.
LOST_AFTER = timedelta(seconds=10)


def is_requested(connection_id: int, delay_s: float) -> bool:
    """Whether a drain is queued for then or earlier: it will find what is committed by now."""
    now = timezone.now()
    found = Drain.objects.filter(pk=connection_id, queued_for__gte=now - LOST_AFTER)
    is_soon = Q(queued_for__lte=now + timedelta(seconds=delay_s)) | Q(queued_for__lte=F("held_until"))
    return found.filter(is_soon).exists()


def request_drain(connection_id: int, delay_s: float) -> datetime | None:
    """Note that a drain is to run. Returns when, for the caller to queue it; None where one is queued for then."""
    now = timezone.now()
    Drain.objects.bulk_create([Drain(connection_id=connection_id)], ignore_conflicts=True)
    state = Drain.objects.filter(pk=connection_id).values_list("held_until", flat=True).first()
    wanted = max(now + timedelta(seconds=delay_s), state or now)
    is_late = Q(queued_for=None) | Q(queued_for__gt=wanted) | Q(queued_for__lt=now - LOST_AFTER)
    return wanted if Drain.objects.filter(is_late, pk=connection_id).update(queued_for=wanted) else None


def find_idle(now: datetime) -> list[int]:
    """Connections with effects that nobody would work on otherwise. What waits for a rest that is over is released."""
    active = Connection.objects.filter(status=Connection.Status.ACTIVE).exclude(drain__held_until__gt=now)
    waiting = Effect.objects.filter(connection=OuterRef("pk"), status=Status.WAITING).exclude(STAYS_WAITING)
    for connection in active.filter(Exists(waiting)):
        release(connection)
    is_due = Q(effect__status__in=DUE, effect__due_at__lte=now)
    is_lost = Q(effect__status=Status.RUNNING, effect__lease_expires_at__lte=now)
    return list(active.filter(is_due | is_lost).values_list("pk", flat=True).distinct())
