"""Writing down what came of a try: all that succeeded in one transaction, and each failure with what it leads to."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import connection as database
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations import effect_kinds
from integrations.claims import UNKNOWN, Claim
from integrations.correlation import carrying
from integrations.effect_kinds import Done, Result, Skipped, Together, label_kind
from integrations.exceptions import (
    LostAnswerError,
    OutageError,
    RateLimitedError,
    ReauthoriseError,
    TokenOutageError,
)
from integrations.failures import explain, fingerprint
from integrations.ids import made_at
from integrations.models import Attempt, Connection, Effect
from integrations.models.deliveries import ERROR_LENGTH
from integrations.models.provenance import caused_by
from integrations.operations.metrics import ATTEMPTS, EFFECTS, SYNC_LAG_SECONDS
from integrations.providers import label_provider
from integrations.races import run_race
from integrations.retries import Cause, next_delay

logger = logging.getLogger(__name__)

Status = Effect.Status
# What says nothing about the effect, but about the connection.
NOT_NOW = (OutageError, RateLimitedError, ReauthoriseError)
# What uses no try up, also where it holds nothing else back.
FREE = (RateLimitedError, ReauthoriseError, TokenOutageError)
# Before a rate limit that names no time is tried again.
PAUSE_S = 1.0

type Claimed = tuple[Claim, Done | Skipped]


def settle_all(
    connection: Connection, results: Sequence[tuple[Claim, Result | Exception]]
) -> list[tuple[Claim, Exception]]:
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
            failures += settle_all(connection, [each])
        return failures
    for claim, result in well:
        note_success(connection, claim, result)
    return failures


def note_success(connection: Connection, claim: Claim, result: Done | Skipped) -> None:
    """In the log and in the metrics: also of an effect whose state has moved on since, and is brought there next."""
    effect, status = claim.effect, status_after(claim, result)
    count_try(connection, effect, status)
    with carrying(effect.correlation_id):
        logger.info("effect carried out", extra={**describe(connection, effect), "status": status})
    # What has an id over there was there before.
    if status == Status.SUCCEEDED and effect.is_state and effect.delivery_id and not effect.external_id:
        lag_s = (timezone.now() - made_at(effect.delivery_id)).total_seconds()
        SYNC_LAG_SECONDS.labels(provider=label_provider(connection.provider)).observe(lag_s)


def describe(connection: Connection, effect: Effect) -> dict[str, object]:
    """For a line in the log."""
    return {
        "effect_id": str(effect.pk),
        "kind": effect.kind,
        "connection": connection.slug,
        "attempt": effect.attempts,
    }


def count_try(connection: Connection, effect: Effect, status: Status, cause: str = "") -> None:
    provider = label_provider(connection.provider)
    ATTEMPTS.labels(queue="effects", provider=provider, outcome=status, cause=cause).inc()
    if status in (Status.SUCCEEDED, Status.SUPPRESSED, Status.DEAD):
        EFFECTS.labels(provider=provider, kind=label_kind(effect.kind), outcome=status).inc()


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
                with caused_by(claim.effect.delivery_id), carrying(claim.effect.correlation_id):
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
    close_reason = given.close_reason,
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
        "reasons": [read_reason(each) for _, each in claimed],
    }
    with database.cursor() as cursor:
        cursor.execute(MARK, values)
    tried = Attempt.objects.filter(pk__in=[claim.attempt.pk for claim, _ in claimed])
    tried.filter(outcome=Attempt.Outcome.RUNNING).update(
        calls=first.attempt.calls, outcome=Attempt.Outcome.SUCCEEDED, finished_at=now
    )


def read_reason(result: Done | Skipped) -> str:
    """What is said about it on its page."""
    return (result.note if isinstance(result, Done) else result.reason)[:ERROR_LENGTH]


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
    if isinstance(error, LostAnswerError) and not effect_kinds.is_findable(effect.kind):
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
    count_try(connection, effect, status, cause)
    about = {**describe(connection, effect), "status": status, "cause": cause, "retry_in_s": delay_s}
    logger.warning("effect failed", extra=about)
