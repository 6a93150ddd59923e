"""What scores do to candidate pairs: opened, scored anew, opened again, or gone.

- Who is probably one person has an open pair. One that upserts made stays open, whatever its score.
- An open pair that only its score made, and that nobody has taken up, goes when the score does.
- "Not a duplicate" holds until a field that is known of both has changed, and the score still says one person.
- A merged pair stays merged.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.db.models import QuerySet
from django.utils import timezone
from uuid_utils.compat import uuid7

from contacts.detection.digests import Values, digest_values, list_changed
from contacts.detection.reading import read_some, write_array
from contacts.detection.weighing import Pair, Score
from contacts.models import CandidatePair

Status, Reason = CandidatePair.Status, CandidatePair.Reason
WRITTEN = ("status", "probability", "verdict", "evidence", "compared_at", "decided_by", "decided_at", "decided_on")


@dataclass(slots=True)
class Written:
    """How many pairs were opened, scored anew, opened again after a decision, and closed."""

    opened: int = 0
    rescored: int = 0
    reopened: int = 0
    closed: int = 0

    def add(self, other: "Written") -> None:
        for name in ("opened", "rescored", "reopened", "closed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


def find_pairs_of(ids: Collection[UUID]) -> QuerySet[CandidatePair]:
    """Those whose scores count, of these contacts as the first or the second."""
    rows = CandidatePair.objects.exclude(status=Status.MERGED)
    return rows.filter(first__in=ids) | rows.filter(second__in=ids)


def write_scores(scores: Mapping[Pair, Score], existing: QuerySet[CandidatePair]) -> Written:
    """`existing`: the pairs that were there, with or without a score. In a transaction that has `lock_pairs`.

    One without a score has a contact that is not compared: it is left as it is, as compared in vain.
    """
    written, now = Written(), timezone.now()
    rows = list(existing.order_by("pk").select_for_update())
    values = read_values_of(row for row in rows if row.status == Status.DISTINCT)
    changed, gone = [], []
    for row in rows:
        score = scores.get((row.first_id, row.second_id))
        if score and is_dispensable(row, score, now):
            gone.append(row.pk)
        elif rescore(row, score, values, now):
            changed.append(row)
            written.reopened += row.status == Status.OPEN and bool(row.decided_on)
            row.decided_on = {} if row.status == Status.OPEN else row.decided_on
    CandidatePair.objects.bulk_update(changed, WRITTEN, batch_size=500)
    CandidatePair.objects.filter(pk__in=gone).delete()
    written.rescored, written.closed = len(changed) - written.reopened, len(gone)
    known = {(row.first_id, row.second_id) for row in rows}
    written.opened = open_pairs({pair: score for pair, score in scores.items() if pair not in known}, now)
    return written


def open_pairs(scores: Mapping[Pair, Score], now: datetime) -> int:
    """Returns how many are new. One that somebody makes at this moment is left to him, and compared later.

    Who was merged or erased since he was read gets none.
    """
    links = {pair: score for pair, score in scores.items() if score.is_link}
    if not links:
        return 0
    with database.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO contacts_candidatepair (
                id, first_id, second_id, probability, verdict, evidence, cluster,
                reason, status, compared_at, created_at, decided_on
            )
            SELECT given.*, '{Reason.SIMILAR.value}', '{Status.OPEN.value}', %s, %s, '{{}}'
            FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::float[], %s::text[], %s::jsonb[], %s::uuid[])
                AS given (id, first_id, second_id, probability, verdict, evidence, cluster)
            JOIN contacts_contact AS one ON one.id = first_id AND one.merged_into_id IS NULL AND one.erased_at IS NULL
            JOIN contacts_contact AS two ON two.id = second_id AND two.merged_into_id IS NULL AND two.erased_at IS NULL
            ON CONFLICT (first_id, second_id) DO NOTHING
            """,  # noqa: S608
            [now, now, *list_columns(links)],
        )
        return int(cursor.rowcount)


def list_columns(scores: Mapping[Pair, Score]) -> list[Any]:
    values = list(scores.values())
    return [
        write_array(uuid7() for _ in scores),
        write_array(first for first, _ in scores),
        write_array(second for _, second in scores),
        [score.probability for score in values],
        [score.verdict.value for score in values],
        [json.dumps(score.evidence) for score in values],
        [score.cluster for score in values],
    ]


def is_dispensable(row: CandidatePair, score: Score, now: datetime) -> bool:
    return row.status == Status.OPEN and row.reason == Reason.SIMILAR and not score.is_link and is_untouched(row, now)


def is_untouched(row: CandidatePair, now: datetime) -> bool:
    """Whether nobody has it assigned, claimed or put off."""
    is_claimed = row.claimed_until is not None and row.claimed_until > now
    return row.assigned_to_id is None and row.postponed_until is None and not is_claimed


def rescore(row: CandidatePair, score: Score | None, values: Mapping[UUID, Values], now: datetime) -> bool:
    """Whether there is something to write."""
    if score is None:
        is_first, row.compared_at = row.compared_at is None, row.compared_at or now
        return is_first
    before = (row.probability, row.verdict, row.evidence, row.status, row.decided_on)
    row.probability, row.verdict, row.evidence = score.probability, score.verdict.value, score.evidence
    if row.status == Status.DISTINCT and row.first_id in values and row.second_id in values:
        reconsider(row, score, values)
    is_changed = before != (row.probability, row.verdict, row.evidence, row.status, row.decided_on)
    is_changed |= row.compared_at is None
    row.compared_at = now
    return is_changed


def reconsider(row: CandidatePair, score: Score, values: Mapping[UUID, Values]) -> None:
    """A decision that was made without digests, or taken over in a merge, rests on what there is now."""
    digests = digest_values(values[row.first_id], values[row.second_id])
    if not row.decided_on:
        row.decided_on = digests
    elif score.is_link and list_changed(row.decided_on, digests):
        row.status, row.decided_by, row.decided_at = Status.OPEN, None, None


def read_values_of(rows: Iterable[CandidatePair]) -> dict[UUID, Values]:
    ids = {each for row in rows for each in (row.first_id, row.second_id)}
    return {each.id: each.values for each in read_some(ids).contacts} if ids else {}
