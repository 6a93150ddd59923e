"""Claims: an effect that is due becomes one process's to carry out, for as long as its lease lasts."""

import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from integrations import effect_kinds
from integrations.crossings import admit
from integrations.exceptions import LeaseLostError
from integrations.holds import DUE, STAYS_WAITING
from integrations.models import Attempt, Connection, Effect
from integrations.providers.base import Provider
from integrations.providers.crm import Crm
from integrations.retries import Cause

Status = Effect.Status
IN_ORDER = (Status.PENDING, Status.RUNNING, Status.RETRYING)
# Where what is next may not go: how many after it are looked at with it, and how often, before others get their turn.
AHEAD, LOOKS = 500, 5
UNKNOWN = "It was being sent when the answer was lost: look whether it arrived, then say so or send it again."


@dataclass(frozen=True, slots=True)
class Claim:
    """An effect that is ours to carry out, and the open attempt at it."""

    effect: Effect
    attempt: Attempt


def claim_next(connection: Connection, provider: Provider, *, is_probe: bool) -> list[Claim]:
    """The next effect that is due, with those of its kind that go out in one batch with it; each with an attempt."""
    ids = choose_next(connection, provider, is_probe=is_probe)
    if not ids:
        return []
    now, token = timezone.now(), uuid.uuid4()
    with transaction.atomic():
        Effect.objects.filter(~STAYS_WAITING, pk__in=ids, status__in=(*DUE, Status.WAITING)).update(
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


def choose_next(connection: Connection, provider: Provider, *, is_probe: bool) -> list[UUID]:
    """The ids of what goes out next. What may not go there is set aside first, many at once."""
    for _ in range(LOOKS):
        due = find_due(connection, is_probe=is_probe)
        first = due.values_list("pk", "kind").first()
        if first is None:
            return []
        key, kind = first
        size = 1 if is_probe else batch_size(provider, kind)
        ids = [key] if size == 1 else list(due.filter(kind=kind).values_list("pk", flat=True)[:size])
        admitted = admit(ids) if connection.region else ids
        if admitted:
            return admitted
        admit(list(due.values_list("pk", flat=True)[:AHEAD]))
    return []


def find_due(connection: Connection, *, is_probe: bool) -> QuerySet[Effect]:
    """Effects that may go out now, the oldest first. For a probe it is also one that waits."""
    found = find_first(connection).order_by("id")
    if is_probe:
        return found.filter(status__in=(*DUE, Status.WAITING)).exclude(STAYS_WAITING)
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
    return provider.batch_size if effect_kinds.is_batched(kind) and isinstance(provider, Crm) else 1


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
        unknown = [key for key, kind in kinds.items() if not effect_kinds.is_findable(kind)]
        Effect.objects.filter(pk__in=kinds).update(status=Status.RETRYING, due_at=now, lease_token=None)
        Effect.objects.filter(pk__in=unknown).update(
            status=Status.WAITING, due_at=None, cause=Cause.UNKNOWN_OUTCOME, error=UNKNOWN
        )


def keep(claims: Sequence[Claim]) -> None:
    """A wait for a token may outlast the claims' leases. Raises LeaseLostError where another process has taken them."""
    token, ids = claims[0].effect.lease_token, [claim.effect.pk for claim in claims]
    lease_expires_at = timezone.now() + timedelta(seconds=settings.DELIVERY_LEASE_S)
    if Effect.objects.filter(pk__in=ids, lease_token=token).update(lease_expires_at=lease_expires_at) < len(ids):
        raise LeaseLostError("Another process has taken over what waited for a token here.")
