"""New access tokens for old ones: one refresh at a time over all processes and threads.

1. The token is read. Where it is another one than the caller has seen, that one is adopted.
2. The row's lease is claimed by a conditional UPDATE. Who doesn't get it looks at the row until there is a new token,
   the refresh has failed, or the lease has run out because its process died.
3. Who has it asks the token endpoint, outside any transaction and once: providers that rotate refresh tokens take
   the grant away when one is used twice, and an answer that is not waited for may hold the only one that counts.
4. What came back is written only where generation and lease are still what they were (compare and swap), and committed
   before anybody uses it.
5. A refusal waits for a person. An outage rests for a while, and changes nothing else: the grant is still good.
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime

from django.db import InterfaceError, OperationalError, transaction
from django.db import connection as database
from django.utils import timezone

from integrations import http, oauth, tokens
from integrations.connections import ask_for_authorisation, lock_status
from integrations.exceptions import (
    GrantError,
    KeepsyncError,
    LostAnswerError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
    TokenOutageError,
)
from integrations.models import Connection, Token
from integrations.operations.metrics import TOKEN_REFRESHES
from integrations.privacy.encryption import UnreadableValueError
from integrations.providers import get_provider
from integrations.providers.oauth import Grant
from integrations.tokens import LEASE_S, Lease

logger = logging.getLogger(__name__)

# How long a token endpoint may take: longer than any other call, because its answer cannot be had again.
ANSWER_S = 45.0
# How long to wait for another process's refresh, so that one that died is outlived.
WAIT_S = LEASE_S + 10.0
# The longest that `refresh` can take: after the wait, the lease may be our own.
LONGEST_S = WAIT_S + ANSWER_S + 5
# Between looks at the row, at first and at most.
FIRST_LOOK_S, LONGEST_LOOK_S = 0.05, 0.5
# Between tries to write down what a token endpoint gave, while the database is away.
STORE_AGAIN_S = 0.5


# --- Who refreshes ----------------------------------------------------------------------------------------------------


def refresh(connection_id: int, *, seen_generation: int, wait_s: float = WAIT_S) -> None:
    """When this returns, there is another token than the one that was seen. Never inside a transaction.

    Raises GrantError where the provider refuses, and TokenOutageError where it is away, or another process's refresh
    does not end within `wait_s`. The time is not taken from that of the calls around it.
    """
    with http.pause_clock():
        ends_at, look_s = time.monotonic() + wait_s, FIRST_LOOK_S
        token = first = read_known(connection_id)
        is_ours = False
        while token.generation == seen_generation:
            raise_known_failure(token, first)
            if lease := tokens.claim_lease(token):
                renew(lease)
                is_ours = True
            elif time.monotonic() >= ends_at:
                raise TokenOutageError(
                    f"Another refresh of {token.connection}'s token is still running.",
                    retry_after_s=seconds_until(token.lease_expires_at),
                )
            else:
                time.sleep(look_s)
                look_s = min(look_s * 2, LONGEST_LOOK_S)
            token = read_known(connection_id)
        if not is_ours:
            count(token.connection, "adopted")


def refresh_ahead(connection_id: int) -> None:
    """Once and without waiting: nothing is done where it is not due any more, or another process does it.

    Raises as `refresh` does; an outage is written down, and nobody needs to hear of it.
    """
    token = tokens.read_token(connection_id) if connection_id in tokens.list_due() else None
    if token is None or not oauth.can_refresh(token.connection, token):
        return
    if lease := tokens.claim_lease(token):
        renew(lease)


def find_due() -> list[int]:
    """The connections whose tokens should be refreshed ahead of their end, and those that lie unused."""
    return [connection_id for connection_id in tokens.list_due() if is_refreshable(connection_id)]


def is_refreshable(connection_id: int) -> bool:
    """False also for one that cannot be read: what is wrong with it is told where it is used."""
    try:
        token = tokens.read_token(connection_id)
    except UnreadableValueError:
        return False
    return token is not None and oauth.can_refresh(token.connection, token)


def read_known(connection_id: int) -> Token:
    token = tokens.read_token(connection_id)
    if token is None:
        raise ReauthoriseError("The connection has no token any more: authorise it again.")
    return token


def raise_known_failure(token: Token, first: Token) -> None:
    """What another process has found out meanwhile, or a little earlier, is not asked for once more."""
    retry_in_s = seconds_until(token.retry_at)
    if retry_in_s > 0:
        raise TokenOutageError(explain(token, token.error), retry_after_s=retry_in_s)
    is_waiting = token.connection.status == Connection.Status.NEEDS_REAUTHORISATION
    if tokens.is_refused(token) and (is_waiting or token.failed_at != first.failed_at):
        raise GrantError(explain(token, token.error), code=token.error)


# --- The refresh itself -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Failure:
    """`error` as in `Token.error`; `outcome` as it is counted. `retry_after_s` None for a refusal."""

    error: str
    outcome: str
    retry_after_s: float | None


def renew(lease: Lease) -> None:
    """Ask once, and write down what came of it. Raises GrantError and TokenOutageError where that still counts."""
    connection = lease.token.connection
    if lease.seconds_left() < ANSWER_S:
        # This process was stopped for a while: the lease could end, and another ask, before the answer is here.
        return
    try:
        with http.limit_time(ANSWER_S, read_timeout_s=ANSWER_S):
            grant = oauth.refresh_grant(connection, lease.token)
    except KeepsyncError as error:
        fail(lease, read_failure(error))
        return
    except BaseException:
        # It may have been asked: that is all that is known.
        tokens.store_outage(lease, tokens.LOST_ANSWER, retry_after_s=LEASE_S)
        raise
    count(connection, "refreshed" if store(lease, grant) else "adopted")
    logger.info("token refreshed", extra={"connection": connection.slug})


def store(lease: Lease, grant: Grant) -> bool:
    """As `tokens.store_refreshed`. There may be no second answer: a database that is away is waited for."""
    while True:
        try:
            return tokens.store_refreshed(lease, grant)
        except (OperationalError, InterfaceError):
            if lease.seconds_left() <= 0:
                raise
            logger.warning("token not stored yet", extra={"connection": lease.token.connection.slug}, exc_info=True)
            database.close()
            time.sleep(STORE_AGAIN_S)


def read_failure(error: KeepsyncError) -> Failure:
    match error:
        case GrantError():
            return Failure(error.code, "refused", None)
        case SetupError():
            return Failure(tokens.SETUP, "refused", None)
        case ReauthoriseError() | PermanentError():
            return Failure(tokens.UNEXPECTED, "refused", None)
        case LostAnswerError():
            # The provider may be at it still: asked again at once, it would see the refresh token twice.
            return Failure(tokens.LOST_ANSWER, "lost", LEASE_S)
        case RateLimitedError():
            return Failure(tokens.RATE_LIMITED, "outage", error.retry_after_s or 0)
    return Failure(tokens.OUTAGE, "outage", 0)


def fail(lease: Lease, failure: Failure) -> None:
    """Nothing where the token is another one by now."""
    connection = lease.token.connection
    count(connection, failure.outcome)
    logger.warning("token not refreshed", extra={"connection": connection.slug, "cause": failure.error})
    if failure.retry_after_s is not None:
        is_ours = tokens.store_outage(lease, failure.error, retry_after_s=failure.retry_after_s)
    else:
        is_ours = refuse(lease, failure.error)
    if not is_ours:
        return
    token = read_known(connection.pk)
    if failure.retry_after_s is not None:
        raise TokenOutageError(explain(token, failure.error), retry_after_s=seconds_until(token.retry_at))
    raise GrantError(explain(token, token.error), code=failure.error)


def refuse(lease: Lease, error: str) -> bool:
    """Both rows change together: who comes a moment later sees that there is nothing to try."""
    with transaction.atomic():
        lock_status(lease.token.connection)
        is_ours = tokens.store_refusal(lease, error)
        if is_ours:
            ask_for_authorisation(lease.token.connection)
    return is_ours


def explain(token: Token, error: str) -> str:
    return tokens.describe_error(error, provider=get_provider(token.connection.provider).name)


def seconds_until(instant: datetime | None) -> float:
    return max(0.0, (instant - timezone.now()).total_seconds()) if instant else 0.0


def count(connection: Connection, outcome: str) -> None:
    TOKEN_REFRESHES.labels(provider=get_provider(connection.provider).name, outcome=outcome).inc()
