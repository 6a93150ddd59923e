"""Groups of contacts that open pairs join: all pairs of a group have the least id of its contacts as their cluster."""

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db import connection as database
from django.db.models import Q

from contacts.detection.locks import lock_pairs
from contacts.detection.reading import write_array
from contacts.models import CandidatePair

# Where following pairs ends, in contacts: a group that is larger is divided at some place.
MOST_CONTACTS = 20_000

type Joined = tuple[UUID, UUID, UUID, UUID | None]


def regroup(ids: Collection[UUID]) -> None:
    """After pairs of these contacts were opened or closed: bring the clusters of all pairs around them up to date.

    In the transaction of the change, which must have taken `lock_pairs` before it wrote to any pair.
    """
    lock_pairs()
    theirs = CandidatePair.objects.filter(Q(first__in=ids) | Q(second__in=ids)).order_by()
    others = [each for pair in theirs.values_list("first_id", "second_id") for each in pair]
    theirs.exclude(status=CandidatePair.Status.OPEN).exclude(cluster=None).update(cluster=None)
    set_clusters(follow_pairs({*ids, *others}))


def follow_pairs(ids: Collection[UUID]) -> list[Joined]:
    """The open pairs that lead from these contacts to others, over any number of steps: id, first, second, cluster."""
    found: dict[UUID, Joined] = {}
    seen: set[UUID] = set()
    border = set(ids)
    while border and len(seen) < MOST_CONTACTS:
        seen |= border
        rows = CandidatePair.objects.filter(
            Q(first__in=border) | Q(second__in=border), status=CandidatePair.Status.OPEN
        ).order_by()
        for row in rows.values_list("id", "first_id", "second_id", "cluster"):
            found[row[0]] = row
        border = {each for row in found.values() for each in row[1:3]} - seen
    return list(found.values())


def set_clusters(joined: Iterable[Joined]) -> None:
    """Write the cluster of each of these open pairs, where it is another one."""
    rows = list(joined)
    least = find_least((first, second) for _, first, second, _ in rows)
    changed = sorted((key, least[first]) for key, first, _, cluster in rows if cluster != least[first])
    if changed:
        with database.cursor() as cursor:
            cursor.execute(
                """
                UPDATE contacts_candidatepair AS pair SET cluster = given.cluster
                FROM unnest(%s::uuid[], %s::uuid[]) AS given (id, cluster) WHERE pair.id = given.id
                """,
                [write_array(column) for column in zip(*changed, strict=True)],
            )


def find_least(pairs: Iterable[tuple[UUID, UUID]]) -> dict[UUID, UUID]:
    """For each contact that stands in a pair the least one that pairs lead to."""
    parent: dict[UUID, UUID] = {}

    def find(key: UUID) -> UUID:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for first, second in pairs:
        one, other = find(first), find(second)
        parent[max(one, other)] = min(one, other)
    return {key: find(key) for key in list(parent)}
