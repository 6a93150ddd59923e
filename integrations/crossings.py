"""Crossings: an effect that would carry a person's data to a connection that may not have it waits, and says why.

1. What carries people says so: a package registers, for its kinds of effects, whose regions they carry.
2. An effect is looked at when it is planned, and again before it is claimed: no try is used up. A connection without a
   region is open to all, and nothing is asked for it.
3. What waits is looked at again when it is planned anew, when somebody changes the policy, a connection's region or
   that of a contact, and in turn, a few each minute; then it goes on by itself.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.holds import DUE, go_on
from integrations.models import Effect
from integrations.models.deliveries import ERROR_LENGTH
from integrations.privacy.residency import Policy, read_policy
from integrations.retries import Cause

Status = Effect.Status
HELD = Q(status=Status.WAITING, cause=Cause.RESIDENCY)
# How long something waits until it is looked at in turn, and how many at most in one go.
LOOK_AGAIN = timedelta(minutes=15)
BATCH = 500
ADVICE = (
    "Allow it under Residency, or correct the region of the contact or of the connection: then it goes on by itself."
)


@dataclass(frozen=True, slots=True)
class Cargo:
    """The regions of those whose data an effect carries.

    `is_divisible`: it goes without those who may not go there, as long as somebody is left.
    """

    regions: Collection[str] = ()
    is_divisible: bool = False

    def list_refused(self, policy: Policy, connections_region: str) -> list[str]:
        """Those for which the effect has to wait."""
        refused = sorted({each for each in self.regions if not policy.allows(each, connections_region)})
        return [] if self.is_divisible and len(refused) < len(set(self.regions)) else refused


type Carrier = Callable[[Sequence[Effect], Policy], Sequence[Cargo]]

_carriers: dict[str, Carrier] = {}


def carries_people(*kinds: str) -> Callable[[Carrier], Carrier]:
    """Register what tells, for each of several effects of these kinds, whose data it carries. Nobody's: no regions."""

    def register(carrier: Carrier) -> Carrier:
        _carriers.update(dict.fromkeys(kinds, carrier))
        return carrier

    return register


# --- Deciding ---------------------------------------------------------------------------------------------------------


def find_refused(effects: Sequence[Effect], policy: Policy) -> dict[UUID, str]:
    """Those of the effects that may not go, each with the sentence that says why. Their connections are loaded."""
    refused: dict[UUID, str] = {}
    for carrier, loaded in group_by_carrier(effects).items():
        for effect, cargo in zip(loaded, carrier(loaded, policy), strict=True):
            if regions := cargo.list_refused(policy, effect.connection.region):
                refused[effect.pk] = explain(effect, regions, policy)
    return refused


def group_by_carrier(effects: Sequence[Effect]) -> dict[Carrier, list[Effect]]:
    loads: dict[Carrier, list[Effect]] = defaultdict(list)
    for effect in effects:
        if effect.connection.region and (carrier := _carriers.get(effect.kind)):
            loads[carrier].append(effect)
    return loads


def explain(effect: Effect, regions: Sequence[str], policy: Policy) -> str:
    whose = " and ".join(map(policy.name, regions))
    there = f"{effect.connection}, which is in {policy.name(effect.connection.region)}"
    return f"Data of contacts of {whose} may not go to {there}. {ADVICE}"[:ERROR_LENGTH]


# --- Holding back -----------------------------------------------------------------------------------------------------


def admit(ids: Sequence[UUID]) -> list[UUID]:
    """Those of the due effects that may go out; the others wait from now on."""
    policy = read_policy()
    if not policy.is_on:
        return list(ids)
    refused = find_refused(load(Effect.objects.filter(pk__in=ids)), policy)
    hold(refused)
    return [key for key in ids if key not in refused]


def look_at_planned(effect_id: UUID) -> None:
    """Hold back what was planned just now and may not go; let go on what waited and may. In the open transaction."""
    planned = Effect.objects.filter(pk=effect_id)
    look_at(load(planned.filter(Q(status__in=DUE) | HELD)), read_policy())


def look_at(effects: Sequence[Effect], policy: Policy) -> set[int]:
    """The same for several. Returns the connections for which something goes on."""
    refused = find_refused(effects, policy)
    hold(refused)
    freed = [each for each in effects if each.status == Status.WAITING and each.pk not in refused]
    go_on(Effect.objects.filter(HELD, pk__in=[each.pk for each in freed]))
    return {each.connection_id for each in freed}


def load(found: QuerySet[Effect]) -> list[Effect]:
    return list(found.select_related("connection").defer("connection__credentials"))


def hold(refused: dict[UUID, str]) -> None:
    """What runs at this moment is left."""
    by_sentence: dict[str, list[UUID]] = defaultdict(list)
    for key, sentence in refused.items():
        by_sentence[sentence].append(key)
    for sentence, keys in by_sentence.items():
        rows = Effect.objects.filter(pk__in=keys, status__in=(*DUE, Status.WAITING))
        rows.exclude(cause=Cause.UNKNOWN_OUTCOME).update(
            status=Status.WAITING, cause=Cause.RESIDENCY, error=sentence, due_at=timezone.now() + LOOK_AGAIN
        )


# --- Looking again ----------------------------------------------------------------------------------------------------


def look_again_in_turn(now: datetime) -> set[int]:
    """At those that have waited longest since they were looked at. Returns the connections to be woken."""
    due = Effect.objects.filter(HELD, due_at__lte=now).order_by("due_at", "id")
    return look_again(due)[0]


def look_again_after(effect_id: UUID | None) -> tuple[set[int], UUID | None]:
    """At the next of all that wait, by id. Returns the connections to be woken, and the last id if there are more."""
    waiting = Effect.objects.filter(HELD).order_by("id")
    return look_again(waiting if effect_id is None else waiting.filter(pk__gt=effect_id))


@transaction.atomic
def look_again(found: QuerySet[Effect]) -> tuple[set[int], UUID | None]:
    rows = load(found.select_for_update(of=("self",), skip_locked=True)[:BATCH])
    woken = look_at(rows, read_policy()) if rows else set()
    return woken, rows[-1].pk if len(rows) == BATCH else None
