"""Candidate pairs of contacts that are merged.

A pair of which one contact became an alias is closed; where the pair was open or not a duplicate, so is the winner with
the other contact. What a merge did to which pair stands in its record:
`{"closed": {id: status before}, "made": {id of the new pair: [id of the one it stands for, its status]}}`.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db.models import Q
from uuid_utils.compat import uuid7

from contacts.models import CandidatePair, Contact, Merge

Status = CandidatePair.Status


def close_pairs(winner: Contact, loser: Contact) -> dict[str, dict[str, Any]]:
    """Returns what was done, for the merge's record."""
    closed: dict[str, str] = {}
    made: dict[str, list[str]] = {}
    pairs = CandidatePair.objects.filter(Q(first=loser) | Q(second=loser)).exclude(status=Status.MERGED)
    for pair in pairs.order_by("pk").select_for_update():
        other = pair.second_id if pair.first_id == loser.pk else pair.first_id
        if other != winner.pk and (copy := copy_pair(pair, winner.pk, other)):
            made[str(copy.pk)] = [str(pair.pk), pair.status]
        closed[str(pair.pk)] = pair.status
        CandidatePair.objects.filter(pk=pair.pk).update(status=Status.MERGED)
    return {"closed": closed, "made": made}


def copy_pair(pair: CandidatePair, one: UUID, other: UUID) -> CandidatePair | None:
    """The same finding about another contact; None where that is a pair already.

    A decision goes on to rest on what that contact has; `decided_on` is filled when the two are compared.
    """
    first, second = sorted((one, other))
    values: dict[str, Any] = {
        field.attname: getattr(pair, field.attname)
        for field in CandidatePair._meta.concrete_fields
        if field.attname not in ("id", "first_id", "second_id")
    }
    values["decided_on"] = {}
    copy, is_new = CandidatePair.objects.get_or_create(
        first_id=first, second_id=second, defaults={**values, "id": uuid7()}
    )
    return copy if is_new else None


def reopen_pairs(merge: Merge, above: Iterable[Merge]) -> None:
    """Pairs are as they were before the merge. What a person has decided since about the winner stays.

    `above`: the merges of the winner into others, through which the pairs that were made have gone on.
    """
    pairs = read_record(merge)
    drop_made(pairs["made"], above)
    for key, status in pairs["closed"].items():
        # Nobody has decided what is open again.
        undecided = {"decided_by": None, "decided_at": None} if status == Status.OPEN else {}
        CandidatePair.objects.filter(pk=key, status=Status.MERGED).update(status=status, **undecided)


def drop_made(made: dict[str, list[str]], above: Iterable[Merge]) -> None:
    """Delete the pairs that stood for others, and those that stand for them by now, unless a person has judged them."""
    dropped = drop_unjudged(made)
    for merge in above:
        later = {key: origin for key, origin in read_record(merge)["made"].items() if origin[0] in dropped}
        dropped |= drop_unjudged(later)


def drop_unjudged(made: dict[str, list[str]]) -> set[str]:
    rows = CandidatePair.objects.filter(pk__in=made)
    judged = {str(row.pk) for row in rows if row.status == Status.DISTINCT != made[str(row.pk)][1]}
    rows.exclude(pk__in=judged).delete()
    return set(made) - judged


def read_record(merge: Merge) -> dict[str, Any]:
    record: dict[str, Any] = merge.moved.get("pairs", {"closed": {}, "made": {}})
    return record
