"""Deciding on pairs: who looks at one, that it is one person, that it is two, or that it is for another day.

A pair that somebody has claimed is decided by nobody else until the claim runs out. Decisions are made one at a time,
as merges are, so that what a pair is cannot change in between.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from contacts.aliases import lock_forest
from contacts.detection.clusters import regroup
from contacts.detection.digests import digest_fields
from contacts.detection.locks import lock_pairs
from contacts.exceptions import ChangedError, ClaimedError, DecidedError, ReviewError
from contacts.merging import Preview, merge, preview
from contacts.models import CandidatePair, Contact, Merge
from contacts.survivorship import Side
from integrations.exceptions import StateError
from integrations.privacy import blind_index

LEASE = timedelta(minutes=15)
GONE = "This pair is gone: the two are not alike any more, or became others. Go on with the next one."
UNCLAIMED: Mapping[str, Any] = {"claimed_by": None, "claimed_until": None}
Status = CandidatePair.Status
Verdict = CandidatePair.Verdict


# --- Claims -----------------------------------------------------------------------------------------------------------


def is_free(user: AbstractBaseUser) -> Q:
    """What nobody has claimed, or whose claim has run out, or is the user's own."""
    return Q(claimed_by=None) | Q(claimed_until=None) | Q(claimed_until__lte=timezone.now()) | Q(claimed_by=user.pk)


def claim(pair: CandidatePair, user: AbstractBaseUser) -> None:
    """For LEASE, anew where it is the user's own. Raises ReviewError where it is another's, or decided."""
    open_pairs = CandidatePair.objects.filter(is_free(user), pk=pair.pk, status=Status.OPEN)
    if not open_pairs.update(claimed_by=user.pk, claimed_until=timezone.now() + LEASE):
        check_decidable(CandidatePair.objects.select_related("claimed_by").filter(pk=pair.pk).first(), user)
    pair.refresh_from_db()


def release(pair: CandidatePair, user: AbstractBaseUser) -> None:
    """Where it is the user's own claim."""
    CandidatePair.objects.filter(pk=pair.pk, claimed_by=user.pk).update(**UNCLAIMED)


def find_claimant(pair: CandidatePair) -> AbstractBaseUser | None:
    """Who has claimed the pair by now."""
    is_live = pair.claimed_until is not None and pair.claimed_until > timezone.now()
    return pair.claimed_by if is_live else None


def check_decidable(pair: CandidatePair | None, user: AbstractBaseUser) -> CandidatePair:
    """The pair itself. Raises DecidedError or ClaimedError, which say what to do next."""
    if pair is None:
        raise DecidedError(GONE)
    if pair.status == Status.MERGED:
        raise DecidedError("These two were merged already: undo the merge, or go on with the next pair.")
    if pair.status == Status.DISTINCT:
        raise DecidedError("Somebody has said that these are two: put the pair back first, or go on with the next one.")
    claimant = find_claimant(pair)
    if claimant is not None and claimant.pk != user.pk:
        until = f"{pair.claimed_until:%H:%M} UTC"
        raise ClaimedError(f"{claimant.get_username()} looks at this pair until {until}: go on with the next one.")
    return pair


@transaction.atomic
def assign(pair_ids: Iterable[UUID], user: AbstractBaseUser | None) -> int:
    """Open pairs, to somebody or to nobody. Returns how many."""
    lock_pairs()
    rows = CandidatePair.objects.filter(pk__in=pair_ids, status=Status.OPEN)
    return rows.update(assigned_to=user.pk if user else None)


# --- Decisions --------------------------------------------------------------------------------------------------------


def lock_pair(pair: CandidatePair, user: AbstractBaseUser) -> CandidatePair:
    """Its latest state, which nobody changes before the transaction ends. Raises ReviewError as `check_decidable`."""
    lock_forest()
    lock_pairs()
    rows = CandidatePair.objects.select_for_update(of=("self",)).select_related("first", "second", "claimed_by")
    return check_decidable(rows.filter(pk=pair.pk).first(), user)


def decide(pair_ids: Iterable[UUID], user: AbstractBaseUser, **values: Any) -> None:
    decided = {"decided_by": user.pk, "decided_at": timezone.now(), "postponed_until": None}
    CandidatePair.objects.filter(pk__in=pair_ids).update(**decided, **UNCLAIMED, **values)


@transaction.atomic
def decide_distinct(pair: CandidatePair, user: AbstractBaseUser) -> None:
    """They are two, until one of them changes in what they are compared by."""
    row = lock_pair(pair, user)
    decide([row.pk], user, status=Status.DISTINCT, decided_on=digest_fields(row.first, row.second))
    regroup([row.first_id, row.second_id])


@transaction.atomic
def postpone(pair: CandidatePair, user: AbstractBaseUser, *, days: int) -> None:
    row = lock_pair(pair, user)
    until = timezone.now() + timedelta(days=days)
    CandidatePair.objects.filter(pk=row.pk).update(postponed_until=until, **UNCLAIMED)


@transaction.atomic
def put_back(pair: CandidatePair, user: AbstractBaseUser) -> None:
    """Into the queue: one that was no duplicate, or was postponed."""
    lock_forest()
    lock_pairs()
    row = CandidatePair.objects.select_related("claimed_by").filter(pk=pair.pk).first()
    if row is None or row.status != Status.DISTINCT:
        row = check_decidable(row, user)
    undecided: dict[str, Any] = {"decided_by": None, "decided_at": None, "decided_on": {}, "postponed_until": None}
    CandidatePair.objects.filter(pk=row.pk).update(status=Status.OPEN, **undecided, **UNCLAIMED)
    regroup([row.first_id, row.second_id])


# --- One person -------------------------------------------------------------------------------------------------------


def choose_winner(contacts: Iterable[Contact]) -> Contact:
    """Who stays, unless a person says otherwise: the one that was made first."""
    return min(contacts, key=lambda contact: (contact.created_at, contact.pk))


def find_other(pair: CandidatePair, winner: Contact) -> Contact:
    """Raises ReviewError for a winner that is none of the two."""
    if winner.pk not in (pair.first_id, pair.second_id):
        raise ReviewError("The contact that stays is none of the two: choose one of them.")
    return pair.second if winner.pk == pair.first_id else pair.first


def sign_state(found: Preview, *contacts: Contact) -> str:
    """Stands for what a person has seen of a merge to be: another one once a contact or a warning is another."""
    seen = [each.updated_at.isoformat() for each in sorted(contacts, key=lambda contact: contact.pk)]
    return blind_index.digest("review", "/".join([*seen, *(crm.slug for crm in found.irreversible)])).hex()


@transaction.atomic
def merge_pair(
    pair: CandidatePair,
    user: AbstractBaseUser,
    *,
    winner: Contact,
    choices: Mapping[str, Side] | None = None,
    seen: str | None = None,
) -> Merge:
    """The other one goes into the winner. `choices`: field → side; those that are the default keep its reason.

    `seen` is what `sign_state` said of what the person has looked at. Raises ReviewError, and MergeError as `merge`.
    """
    row = lock_pair(pair, user)
    loser = find_other(row, winner)
    found = preview(winner, loser)
    if seen is not None and seen != sign_state(found, row.first, row.second):
        raise ChangedError("One of the two has changed meanwhile. Look again: this is how they are now.")
    own = {name: side for name, side in (choices or {}).items() if side != found.choices[name].side}
    made = merge(winner, loser, choices=own, user=user)
    decide([row.pk], user)
    return made


@transaction.atomic
def merge_cluster(
    cluster: UUID, user: AbstractBaseUser, *, members: Iterable[UUID], winner: Contact | None = None
) -> list[Merge]:
    """All of a group become one contact, or none. `members` are those whom the person has seen.

    Raises ReviewError where the group is another one by now, where somebody looks at one of its pairs, or where two of
    them are known to be two.
    """
    lock_forest()
    lock_pairs()
    rows = CandidatePair.objects.filter(cluster=cluster, status=Status.OPEN)
    pairs = list(rows.select_related("claimed_by").select_for_update(of=("self",)).order_by("pk"))
    for pair in pairs:
        check_decidable(pair, user)
    keys = {key for pair in pairs for key in (pair.first_id, pair.second_id)}
    if keys != set(members):
        raise ChangedError("The group is another one by now. Look again: this is who belongs to it.")
    if CandidatePair.objects.filter(first__in=keys, second__in=keys, status=Status.DISTINCT).exists():
        raise ReviewError("Two of this group were said to be two people: decide on its pairs one by one.")
    contacts = list(Contact.objects.filter(pk__in=keys).order_by("created_at", "pk"))
    stays = winner or choose_winner(contacts)
    made = [merge(stays, loser, user=user) for loser in contacts if loser.pk != stays.pk]
    decide([pair.pk for pair in pairs], user)
    return made


# --- Many at once -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Batch:
    """Of many pairs: those that were decided, the merges that it came to, and those that were left, with the reason."""

    done: list[CandidatePair] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)
    left: list[tuple[CandidatePair, str]] = field(default_factory=list)


def decide_each(pairs: Iterable[CandidatePair], decision: Callable[[CandidatePair], Merge | None]) -> Batch:
    """Each in a transaction of its own; one that cannot be decided holds up none of the others."""
    batch = Batch()
    for pair in pairs:
        try:
            made = decision(pair)
        except StateError as error:
            batch.left.append((pair, str(error)))
            continue
        batch.done.append(pair)
        batch.merges += [made] if made else []
    return batch


def merge_certain(pairs: Iterable[CandidatePair], user: AbstractBaseUser) -> Batch:
    """Those whose verdict is certain; the one that was made first stays."""

    def merge_one(pair: CandidatePair) -> Merge:
        if pair.verdict != Verdict.CERTAIN:
            raise ReviewError("It is not certain: look at it, and decide.")
        return merge_pair(pair, user, winner=choose_winner([pair.first, pair.second]))

    return decide_each(pairs, merge_one)
