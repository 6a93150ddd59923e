"""The queue of pairs to review: what is in it, in which order, and who gets which next."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from contacts.models import CandidatePair, Contact
from contacts.review import LEASE, is_free

# As the index candidate_pair_queue has them: those that were not compared yet come last.
ORDER = (F("probability").desc(nulls_last=True), F("id").desc())
# By what the queue may be narrowed, for those who work it off.
FILTERS: Mapping[str, list[str]] = {
    "verdict": CandidatePair.Verdict.values,
    "reason": CandidatePair.Reason.values,
}
# Of a larger group only so many pairs are read.
GROUP_PAIRS = 200
Status = CandidatePair.Status


def list_due(pairs: QuerySet[CandidatePair]) -> QuerySet[CandidatePair]:
    """Those that wait for a decision today."""
    due = Q(postponed_until=None) | Q(postponed_until__lte=timezone.now())
    return pairs.filter(due, status=Status.OPEN)


def list_postponed(pairs: QuerySet[CandidatePair]) -> QuerySet[CandidatePair]:
    return pairs.filter(postponed_until__gt=timezone.now(), status=Status.OPEN)


def list_grouped(pairs: QuerySet[CandidatePair]) -> QuerySet[CandidatePair]:
    """Those of groups of more than two contacts."""
    others = CandidatePair.objects.filter(cluster=OuterRef("cluster"), status=Status.OPEN).exclude(pk=OuterRef("pk"))
    return pairs.filter(Exists(others))


def comes_after(pair: CandidatePair) -> Q:
    """What stands behind a pair in the queue."""
    if pair.probability is None:
        return Q(probability=None, id__lt=pair.pk)
    level = Q(probability=pair.probability, id__lt=pair.pk)
    return level | Q(probability__lt=pair.probability) | Q(probability=None)


@transaction.atomic
def claim_next(
    user: AbstractBaseUser, filters: Mapping[str, str] | None = None, *, after: CandidatePair | None = None
) -> CandidatePair | None:
    """The user's next pair, claimed for them: of those assigned to them, then of those assigned to nobody.

    `after`: only those that stand behind this one. Of two people who ask at once neither gets the other's.
    """
    queue = list_due(CandidatePair.objects.filter(is_free(user), **(filters or {}))).order_by(*ORDER)
    own, free = queue.filter(assigned_to=user.pk), queue.filter(assigned_to=None)
    if after is not None and after.assigned_to_id == user.pk:
        own = own.filter(comes_after(after))
    elif after is not None:
        own, free = own.none(), free.filter(comes_after(after))
    for part in (own, free):
        if pair := part.select_for_update(skip_locked=True).first():
            pair.claimed_by_id, pair.claimed_until = user.pk, timezone.now() + LEASE
            pair.save(update_fields=["claimed_by", "claimed_until"])
            return pair
    return None


# --- Groups -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Group:
    """Contacts that open pairs join, the one that was made first coming first, and these pairs, the likeliest first."""

    contacts: list[Contact]
    pairs: list[CandidatePair]
    is_cut: bool


def count_members(clusters: Collection[UUID]) -> dict[UUID, int]:
    """Cluster → how many contacts are in it."""
    members: dict[UUID, set[UUID]] = {}
    rows = CandidatePair.objects.filter(cluster__in=clusters, status=Status.OPEN)
    for cluster, first, second in rows.values_list("cluster", "first", "second"):
        if cluster:
            members.setdefault(cluster, set()).update((first, second))
    return {cluster: len(keys) for cluster, keys in members.items()}


def find_group(pair: CandidatePair) -> Group | None:
    """The group of an open pair; None where it is just these two."""
    if pair.cluster is None or pair.status != Status.OPEN:
        return None
    rows = CandidatePair.objects.filter(cluster=pair.cluster, status=Status.OPEN)
    pairs = list(rows.select_related("first", "second", "claimed_by").order_by(*ORDER)[: GROUP_PAIRS + 1])
    contacts = collect_contacts(pairs[:GROUP_PAIRS])
    return Group(contacts, pairs[:GROUP_PAIRS], len(pairs) > GROUP_PAIRS) if len(contacts) > 2 else None


def collect_contacts(pairs: Iterable[CandidatePair]) -> list[Contact]:
    found = {contact.pk: contact for pair in pairs for contact in (pair.first, pair.second)}
    return sorted(found.values(), key=lambda contact: (contact.created_at, contact.pk))
