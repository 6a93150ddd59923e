"""The rows of tokens. What a grant gave is written here, whole, before anybody uses it; nothing here calls a provider.

`generation` says which access token is meant. A refresh claims the row's lease for the generation that it has seen,
and its outcome is written only while both are still its own.
"""

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from integrations.exceptions import StateError
from integrations.models import Connection, Token
from integrations.providers.oauth import Grant, Identity
from integrations.retries import RETRY_AFTER_MAX_S

# Longer than the longest wait for a token endpoint's answer: a lease that has run out belongs to a process that died.
LEASE_S = 60
# A token that lives no longer than this is as good as expired: a call takes its time.
SPARE = timedelta(seconds=30)
# When to refresh without being asked: so long before the end, or a third of the lifetime; and when nothing was used.
AHEAD = timedelta(minutes=15)
IDLE = timedelta(days=1)
# Pauses after outages of the token endpoint, at first and at most.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 300.0

# `Token.error` beside the codes of RFC 6749 5.2.
OUTAGE, RATE_LIMITED, LOST_ANSWER = "outage", "rate_limited", "lost_answer"
SETUP, UNEXPECTED = "setup", "unexpected_answer"
# The old refresh token was refused after the answer that held the new one was lost.
REFUSED_AFTER_LOSS = "invalid_grant_after_lost_answer"
CLIENT_ERRORS = ("invalid_client", "unauthorized_client")
CLEARED: dict[str, Any] = {
    "failures": 0,
    "error": "",
    "failed_at": None,
    "retry_at": None,
    "lease_owner": None,
    "lease_expires_at": None,
}


# --- Reading ----------------------------------------------------------------------------------------------------------


def read_token(connection_id: int) -> Token | None:
    """As it is now, with its connection: another process may have written them a moment ago."""
    return Token.objects.select_related("connection").filter(pk=connection_id).first()


def is_stale(token: Token) -> bool:
    """Whether it should be refreshed before it is used."""
    return not token.access_token or (token.expires_at is not None and token.expires_at <= timezone.now() + SPARE)


def is_usable(token: Token) -> bool:
    return bool(token.access_token) and (token.expires_at is None or token.expires_at > timezone.now())


def is_refused(token: Token) -> bool:
    """Whether the last refresh was refused: it is not tried again before a person has done something."""
    return bool(token.error) and token.retry_at is None


def list_due() -> list[int]:
    """The connections whose tokens are to be refreshed ahead of time, as far as their rows' times tell."""
    now = timezone.now()
    calm = Token.objects.filter(Q(error="") | Q(retry_at__lte=now), Q(lease_owner=None) | Q(lease_expires_at__lte=now))
    used = calm.filter(connection__status__in=[Connection.Status.ACTIVE, Connection.Status.PAUSED])
    times = used.order_by("pk").values_list("pk", "obtained_at", "expires_at")
    return [key for key, obtained_at, expires_at in times if is_due(now, obtained_at, expires_at)]


def is_due(now: datetime, obtained_at: datetime, expires_at: datetime | None) -> bool:
    return now >= due_at(obtained_at, expires_at)


def due_at(obtained_at: datetime, expires_at: datetime | None) -> datetime:
    """15 minutes or a third of the lifetime before the end, whichever is less; and daily: unused ones may die."""
    idle_at = obtained_at + IDLE
    return idle_at if expires_at is None else min(idle_at, expires_at - min(AHEAD, (expires_at - obtained_at) / 3))


# --- New grants -------------------------------------------------------------------------------------------------------


def store_grant(
    connection: Connection, grant: Grant, *, identity: Identity | None = None, expected_generation: int | None = None
) -> None:
    """What a new authorisation gave takes the place of all that was known before; errors and leases are over.

    Raises StateError where `expected_generation` is given and the token is another one by now.
    """
    with transaction.atomic():
        lock_connection(connection)
        # The old row is not read: its key may be lost.
        known = Token.objects.select_for_update().filter(pk=connection.pk)
        generation = known.values_list("generation", flat=True).first() or 0
        if expected_generation is not None and generation != expected_generation:
            raise StateError(f"{connection} has been authorised meanwhile: look at it before you do it again.")
        fields = {
            **fields_of(grant),
            **CLEARED,
            "generation": generation + 1,
            "refresh_token": grant.refresh_token,
            "scope": grant.scope or "",
            "api_url": grant.api_url,
            "account_id": identity.account_id if identity else "",
            "account_name": identity.name if identity else "",
        }
        row = Token(connection=connection, **fields)
        Token.objects.bulk_create([row], update_conflicts=True, unique_fields=["connection"], update_fields=[*fields])


def empty_token(connection: Connection) -> None:
    """After a revocation: whose account it was is still known, and a refresh that is under way comes to nothing."""
    gone = {"access_token": "", "refresh_token": "", "scope": "", "expires_at": None}
    with transaction.atomic():
        lock_connection(connection)
        Token.objects.filter(pk=connection.pk).update(**gone, **CLEARED, generation=F("generation") + 1)


def forget_token(connection: Connection) -> None:
    with transaction.atomic():
        lock_connection(connection)
        Token.objects.filter(pk=connection.pk).delete()


def lock_connection(connection: Connection) -> None:
    """Until the open transaction ends. Always before its token's row, so that two who change both never deadlock."""
    Connection.objects.select_for_update(no_key=True).values_list("pk").get(pk=connection.pk)


def make_empty_token(connection: Connection) -> Token:
    """For a connection that can have a token without a person's help. Not saved."""
    return Token(connection=connection, generation=0, obtained_at=timezone.now())


def save_empty_token(token: Token) -> None:
    """Unless there is one by now."""
    Token.objects.bulk_create([token], ignore_conflicts=True)


def fields_of(grant: Grant) -> dict[str, Any]:
    now = timezone.now()
    lifetime = None if grant.expires_in_s is None else timedelta(seconds=grant.expires_in_s)
    return {
        "access_token": grant.access_token,
        "obtained_at": now,
        "expires_at": None if lifetime is None else now + lifetime,
    }


# --- Refreshes --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to ask for a new token in the place of this one. `is_after_loss`: the last answer is not known."""

    token: Token
    owner: uuid.UUID
    is_after_loss: bool
    # By this process's clock.
    ends_at: float

    def seconds_left(self) -> float:
        return self.ends_at - time.monotonic()

    def update(self, **fields: Any) -> bool:
        """Write, while the lease and the generation are ours. Whether they were."""
        row = Token.objects.filter(pk=self.token.pk, generation=self.token.generation, lease_owner=self.owner)
        return bool(row.update(**fields))


def claim_lease(token: Token) -> Lease | None:
    """None where another process has it, the token is another one by now, or a refresh has failed since it was read.

    Never inside a transaction: the lease must be seen by all before the provider is asked, and its outcome before
    anybody uses it.
    """
    now, owner, ends_at = timezone.now(), uuid.uuid4(), time.monotonic() + LEASE_S
    free = Token.objects.filter(Q(lease_owner=None) | Q(lease_expires_at__lte=now), pk=token.pk)
    with transaction.atomic(durable=True):
        is_ours = free.filter(generation=token.generation, failures=token.failures).update(
            lease_owner=owner, lease_expires_at=now + timedelta(seconds=LEASE_S)
        )
    is_after_loss = token.lease_owner is not None or token.error in (LOST_ANSWER, REFUSED_AFTER_LOSS)
    return Lease(token, owner, is_after_loss, ends_at) if is_ours else None


def store_refreshed(lease: Lease, grant: Grant) -> bool:
    """What the answer leaves out is kept (RFC 6749 6). False where the lease was lost: what is there now counts."""
    kept = {"refresh_token": grant.refresh_token, "scope": grant.scope, "api_url": grant.api_url}
    fields = {**fields_of(grant), **{name: value for name, value in kept.items() if value}, **CLEARED}
    return lease.update(**fields, generation=F("generation") + 1)


def store_refusal(lease: Lease, code: str) -> bool:
    """Nobody tries again by himself. False where the lease was lost."""
    error = REFUSED_AFTER_LOSS if code == "invalid_grant" and lease.is_after_loss else code
    return lease.update(
        failures=F("failures") + 1,
        error=error[:64],
        failed_at=timezone.now(),
        retry_at=None,
        lease_owner=None,
        lease_expires_at=None,
    )


def store_outage(lease: Lease, error: str, *, retry_after_s: float | None = None) -> bool:
    """Say when to try again: later with each failure. False where the lease was lost."""
    now = timezone.now()
    pause_s = max(pause_after(lease.token.failures + 1), min(retry_after_s or 0, RETRY_AFTER_MAX_S))
    return lease.update(
        failures=F("failures") + 1,
        error=LOST_ANSWER if lease.is_after_loss else error,
        failed_at=now,
        retry_at=now + timedelta(seconds=pause_s),
        lease_owner=None,
        lease_expires_at=None,
    )


def pause_after(failures: int, *, uniform: Callable[[float, float], float] = random.uniform) -> float:
    """Seconds of rest after so many failures in a row (1 or more): 5 s to 5 min, up to half as much again at random."""
    doublings = min(failures - 1, 10)
    return min(LONGEST_PAUSE_S, float(FIRST_PAUSE_S * 2**doublings) * uniform(1, 1.5))


# --- Words ------------------------------------------------------------------------------------------------------------


def describe_error(error: str, *, provider: str) -> str:
    """What `Token.error` means and what to do about it. `provider` is its name as people know it."""
    if error == REFUSED_AFTER_LOSS:
        return (
            f"{provider}'s answer to a refresh was lost, and with it the new refresh token; it does not accept the old "
            "one any more (invalid_grant): authorise the connection again."
        )
    if error in CLIENT_ERRORS:
        return f"{provider} does not accept the client ({error}): correct client_id and client_secret, then resume it."
    if error in (OUTAGE, RATE_LIMITED, LOST_ANSWER):
        return f"{provider} gives out no new token at the moment ({error}): it is asked again by itself."
    if error == SETUP:
        return "The connection lacks what a refresh needs: set its client_id and client_secret, or authorise it again."
    if error == UNEXPECTED:
        return f"{provider}'s token endpoint answers nothing of use: look at the option token_url, then resume it."
    return f"{provider} does not refresh the grant ({error}): authorise the connection again."
