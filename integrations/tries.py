"""One try at effects: claiming those that are due, carrying them out, and writing down what came of it."""

import logging
import os
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from integrations import effects, http
from integrations.calls import Loan, lend, lend_anew
from integrations.effects import Done, Result, Skipped, Task, Together
from integrations.exceptions import (
    LeaseLostError,
    LostAnswerError,
    OutageError,
    RateLimitedError,
    ReauthoriseError,
    TokenOutageError,
)
from integrations.failures import explain, fingerprint
from integrations.holds import DUE
from integrations.models import Attempt, Connection, Effect
from integrations.models.deliveries import ERROR_LENGTH
from integrations.models.provenance import caused_by
from integrations.providers.base import Account, Provider
from integrations.providers.crm import Crm
from integrations.races import run_race
from integrations.retries import Cause, next_delay

logger = logging.getLogger(__name__)

Status = Effect.Status
IN_ORDER = (Status.PENDING, Status.RUNNING, Status.RETRYING)
# What says nothing about the effect, but about the connection.
NOT_NOW = (OutageError, RateLimitedError, ReauthoriseError)
# What uses no try up, also where it holds nothing else back.
FREE = (RateLimitedError, ReauthoriseError, TokenOutageError)
# Before a rate limit that names no time is tried again.
PAUSE_S = 1.0
# Claims whose token took longer to come are claimed for a full try again.
KEEP_AFTER_S = 1.0
# One for each of the claims that were carried out together, in their order.
type Outcomes = Sequence[Result | Exception]
UNKNOWN = "It was being sent when the answer was lost: look whether it arrived, then say so or send it again."


@dataclass(frozen=True, slots=True)
class Claim:
    """An effect that is ours to carry out, and the open attempt at it."""

    effect: Effect
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Report:
    """What carrying out one or several effects together came to. `failures` are still to be recorded."""

    calls: int
    rest_s: float
    failures: Sequence[tuple[Claim, Exception]]
    # Whether the other side answered, whatever it thinks of these effects.
    is_up: bool


# --- Claiming ---------------------------------------------------------------------------------------------------------


def claim_next(connection: Connection, provider: Provider, *, is_probe: bool) -> list[Claim]:
    """The next effect that is due, with those of its kind that go out in one batch with it; each with an attempt."""
    due = find_due(connection, is_probe=is_probe)
    first = due.values_list("pk", "kind").first()
    if first is None:
        return []
    key, kind = first
    size = 1 if is_probe else batch_size(provider, kind)
    ids = [key] if size == 1 else list(due.filter(kind=kind).values_list("pk", flat=True)[:size])
    now, token = timezone.now(), uuid.uuid4()
    with transaction.atomic():
        Effect.objects.filter(pk__in=ids, status__in=(*DUE, Status.WAITING)).update(
            status=Status.RUNNING,
            attempts=F("attempts") + 1,
            tried_revision=F("revision"),
            lease_token=token,
            lease_expires_at=now + timedelta(seconds=settings.DELIVERY_LEASE_S),
        )
        claimed = list(Effect.objects.filter(pk__in=ids, lease_token=token).order_by("id"))
        worker = f"{socket.gethostname()}:{os.getpid()}"
        attempts = Attempt.objects.bulk_create(
            Attempt(effect=effect, number=effect.attempts, worker=worker, started_at=now) for effect in claimed
        )
    return [Claim(effect, attempt) for effect, attempt in zip(claimed, attempts, strict=True)]


def find_due(connection: Connection, *, is_probe: bool) -> QuerySet[Effect]:
    """Effects that may go out now, the oldest first. For a probe it is also one that waits."""
    found = find_first(connection).order_by("id")
    if is_probe:
        return found.filter(status__in=(*DUE, Status.WAITING)).exclude(cause=Cause.UNKNOWN_OUTCOME)
    return found.filter(status__in=DUE, due_at__lte=timezone.now())


def find_first(connection: Connection) -> QuerySet[Effect]:
    """Effects that wait for no other: the first open one of each subject.

    What builds on others (a meeting, on its contacts) lets older ones of these go first, as far as none has failed.
    """
    mine = Effect.objects.filter(connection=connection)
    earlier = mine.filter(subject=OuterRef("subject"), id__lt=OuterRef("id"), status__in=IN_ORDER)
    base = mine.filter(priority=0, status__in=(Status.PENDING, Status.RUNNING)).order_by("id")
    oldest = base.values_list("pk", flat=True).first()
    first = mine.filter(~Exists(earlier))
    return first if oldest is None else first.filter(Q(priority=0) | Q(pk__lt=oldest))


def batch_size(provider: Provider, kind: str) -> int:
    return provider.batch_size if effects.is_batched(kind) and isinstance(provider, Crm) else 1


def recover(connection: Connection) -> None:
    """Close the attempts of processes that died, and make their effects due again.

    Where nobody can find out whether it happened, the effect waits for a person.
    """
    now = timezone.now()
    with transaction.atomic():
        lost = Effect.objects.filter(connection=connection, status=Status.RUNNING, lease_expires_at__lte=now)
        kinds = dict(lost.select_for_update().values_list("pk", "kind"))
        if not kinds:
            return
        Attempt.objects.filter(effect__in=kinds, outcome=Attempt.Outcome.RUNNING).update(
            outcome=Attempt.Outcome.ABANDONED, finished_at=now
        )
        unknown = [key for key, kind in kinds.items() if not effects.is_findable(kind)]
        Effect.objects.filter(pk__in=kinds).update(status=Status.RETRYING, due_at=now, lease_token=None)
        Effect.objects.filter(pk__in=unknown).update(
            status=Status.WAITING, due_at=None, cause=Cause.UNKNOWN_OUTCOME, error=UNKNOWN
        )


# --- Carrying out -----------------------------------------------------------------------------------------------------


def carry_out(connection: Connection, claims: Sequence[Claim], *, limit_s: float) -> Report:
    """Carry effects of one kind out, and record those that succeeded. Runs on any thread; never raises.

    Those whose credentials are refused are carried out once more, with another token and as much time.
    """
    with http.limit_time(limit_s) as scope:
        loan, results = run_first(connection, claims)
    scopes = [scope]
    if loan and any(isinstance(result, ReauthoriseError) for result in results):
        with http.limit_time(limit_s) as scope:
            results = repeat_refused(connection, claims, results, loan)
        scopes.append(scope)
    calls = [call for scope in scopes for call in scope.calls]
    for claim in claims:
        claim.attempt.calls = calls
    failures = settle_all(list(zip(claims, results, strict=True)))
    is_up = bool(calls) and not all(isinstance(result, NOT_NOW) for result in results)
    return Report(len(calls), max(scope.rest_s for scope in scopes), failures, is_up)


def run_first(connection: Connection, claims: Sequence[Claim]) -> tuple[Loan | None, Outcomes]:
    """Without a loan, no token could be had, and nothing was called."""
    started = time.monotonic()
    try:
        loan = lend(connection)
        if time.monotonic() - started > KEEP_AFTER_S:
            keep(claims)
    except Exception as error:
        return None, [error] * len(claims)
    return loan, run(connection, claims, loan.account, is_repeat=False)


def repeat_refused(connection: Connection, claims: Sequence[Claim], results: Outcomes, refused: Loan) -> Outcomes:
    """The results, those that were refused replaced by what another token brings, if there is another to be had."""
    again = [claim for claim, result in zip(claims, results, strict=True) if isinstance(result, ReauthoriseError)]
    try:
        loan = lend_anew(connection, refused)
        keep(again)
    except Exception as error:
        repeated: Outcomes = [error] * len(again)
    else:
        if loan is None:
            return results
        repeated = run(connection, again, loan.account, is_repeat=True)
    newer = iter(repeated)
    return [next(newer) if isinstance(result, ReauthoriseError) else result for result in results]


def keep(claims: Sequence[Claim]) -> None:
    """A wait for a token may outlast the claims' leases. Raises LeaseLostError where another process has taken them."""
    token, ids = claims[0].effect.lease_token, [claim.effect.pk for claim in claims]
    lease_expires_at = timezone.now() + timedelta(seconds=settings.DELIVERY_LEASE_S)
    if Effect.objects.filter(pk__in=ids, lease_token=token).update(lease_expires_at=lease_expires_at) < len(ids):
        raise LeaseLostError("Another process has taken over what waited for a token here.")


def run(connection: Connection, claims: Sequence[Claim], account: Account, *, is_repeat: bool) -> Outcomes:
    """One result for each claim, in order; an error of the whole call is the result of each."""
    try:
        kind = effects.find_kind(claims[0].effect.kind)
        tasks = [make_task(connection, account, claim.effect, is_repeat=is_repeat) for claim in claims]
        results = kind.run(tasks)
        if len(results) != len(claims):
            raise ValueError(f"{kind.name} gave {len(results)} results for {len(claims)} effects")
        return results
    except Exception as error:
        return [error] * len(claims)


def make_task(connection: Connection, account: Account, effect: Effect, *, is_repeat: bool) -> Task:
    """`is_repeat`: also where no earlier try is known, part of it may have been done."""
    return Task(
        effect_id=effect.pk,
        key=effect.idempotency_key,
        subject=effect.subject,
        parameters=effect.parameters,
        connection=connection,
        account=account,
        is_repeat=is_repeat or effect.attempts > 1,
        delivery_id=effect.delivery_id,
    )


type Claimed = tuple[Claim, Done | Skipped]


def settle_all(results: Sequence[tuple[Claim, Result | Exception]]) -> list[tuple[Claim, Exception]]:
    """Write down what came back: all that is well in one transaction or, where that fails, one by one.

    Returns the failures. One at fault never holds back the others of its batch.
    """
    well = [(claim, result) for claim, result in results if not isinstance(result, Exception)]
    failures = [(claim, result) for claim, result in results if isinstance(result, Exception)]
    try:
        settle(well)
    except Exception as error:
        if len(well) == 1:
            return [*failures, (well[0][0], error)]
        logger.warning("batch settled one by one", exc_info=True)
        for each in well:
            failures += settle_all([each])
    return failures


def settle(claimed: Sequence[Claimed]) -> None:
    """Write down what came back, and that the effects are done, in one transaction."""
    if claimed:
        run_race(partial(write_down, claimed))


def write_down(claimed: Sequence[Claimed]) -> None:
    """What the effects of a batch write together is written once for all of them."""
    shared: dict[Callable[..., None], list[Any]] = {}
    for claim, result in claimed:
        match result:
            case Done(record=Together() as together):
                shared.setdefault(together.write, []).append(together.item)
            case Done():
                with caused_by(claim.effect.delivery_id):
                    result.record()
    for write, items in shared.items():
        write(items)
    mark(claimed)


# A state that has changed since it was read is due again. Nothing is written without the lease.
MARK = """
UPDATE integrations_effect AS effect
SET status = CASE WHEN has_moved THEN 'pending' ELSE given.status END,
    finished_at = CASE WHEN has_moved THEN NULL ELSE %(now)s END,
    due_at = CASE WHEN has_moved THEN %(now)s END,
    free_attempts = CASE WHEN has_moved THEN effect.attempts ELSE effect.free_attempts END,
    external_id = COALESCE(given.external_id, effect.external_id),
    close_reason = COALESCE(given.close_reason, effect.close_reason),
    cause = '', error = '', fingerprint = '', lease_token = NULL, lease_expires_at = NULL
FROM unnest(%(ids)s::uuid[], %(statuses)s::text[], %(external_ids)s::text[], %(reasons)s::text[])
     AS given (id, status, external_id, close_reason)
WHERE effect.id = given.id AND effect.lease_token = %(token)s
""".replace("has_moved", "effect.is_state AND effect.revision > effect.tried_revision")


def mark(claimed: Sequence[Claimed]) -> None:
    """Close effects that were claimed together, and their attempts."""
    now, first = timezone.now(), claimed[0][0]
    values: dict[str, Any] = {
        "now": now,
        "token": first.effect.lease_token,
        "ids": [claim.effect.pk for claim, _ in claimed],
        "statuses": [str(status_after(claim, result)) for claim, result in claimed],
        "external_ids": [each.external_id[:255] if isinstance(each, Done) else None for _, each in claimed],
        "reasons": [None if isinstance(each, Done) else each.reason[:ERROR_LENGTH] for _, each in claimed],
    }
    with database.cursor() as cursor:
        cursor.execute(MARK, values)
    tried = Attempt.objects.filter(pk__in=[claim.attempt.pk for claim, _ in claimed])
    tried.filter(outcome=Attempt.Outcome.RUNNING).update(
        calls=first.attempt.calls, outcome=Attempt.Outcome.SUCCEEDED, finished_at=now
    )


def status_after(claim: Claim, result: Done | Skipped) -> Status:
    """Where an earlier try has brought a state there, nothing more to do is a success."""
    return Status.SUCCEEDED if isinstance(result, Done) or claim.effect.external_id else Status.SUPPRESSED


def close_attempt(claim: Claim, **fields: object) -> None:
    still_open = Attempt.objects.filter(pk=claim.attempt.pk, outcome=Attempt.Outcome.RUNNING)
    still_open.update(calls=claim.attempt.calls, **fields)


def record_failure(connection: Connection, claim: Claim, error: Exception, *, is_held: bool) -> None:
    """Close the attempt, and say when the effect is tried again, what it waits for, or that it is a dead letter."""
    now, effect, failure = timezone.now(), claim.effect, explain(error)
    cause, message = failure.cause, failure.message[:ERROR_LENGTH]
    is_free = is_held or isinstance(error, FREE)
    delay_s = next_delay(max(1, effect.attempts - effect.free_attempts), cause, retry_after_s=failure.retry_after_s)
    status = Status.DEAD if delay_s is None else Status.RETRYING
    if isinstance(error, LostAnswerError) and not effects.is_findable(effect.kind):
        status, cause, message, delay_s = Status.WAITING, Cause.UNKNOWN_OUTCOME, UNKNOWN, None
    elif is_held and isinstance(error, NOT_NOW):
        status, delay_s = Status.WAITING, 0.0
    elif isinstance(error, RateLimitedError):
        status, delay_s = Status.RETRYING, failure.retry_after_s or PAUSE_S
    with transaction.atomic():
        close_attempt(
            claim,
            outcome=Attempt.Outcome.FAILED,
            cause=failure.cause,
            error=message,
            trace=failure.trace,
            finished_at=now,
        )
        mine = Effect.objects.filter(pk=effect.pk, lease_token=effect.lease_token)
        mine.update(
            status=status,
            cause=cause,
            error=message,
            fingerprint=fingerprint(connection.provider, cause, message),
            free_attempts=F("free_attempts") + int(is_free),
            due_at=None if delay_s is None else now + timedelta(seconds=delay_s),
            finished_at=now if status == Status.DEAD else None,
        )
        if status == Status.DEAD:
            # A state that can't be accepted may have been mended since it was read: then it is tried once more.
            mended = mine.filter(is_state=True, revision__gt=F("tried_revision"))
            mended.update(status=Status.PENDING, due_at=now, finished_at=None)
        mine.update(lease_token=None, lease_expires_at=None)
    logger.warning(
        "effect failed",
        extra={"effect_id": str(effect.pk), "kind": effect.kind, "cause": cause, "retry_in_s": delay_s},
    )
