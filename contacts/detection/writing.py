"""What a comparison of all contacts writes: pairs in the order of their first contacts, then clusters."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import numpy as np
from django.db import transaction
from django.db.models import QuerySet

from contacts.detection.census import open_census
from contacts.detection.cleaning import People
from contacts.detection.clusters import find_least, regroup
from contacts.detection.comparing import Pool
from contacts.detection.locks import lock_comparing, lock_pairs
from contacts.detection.pairs import Written, write_scores
from contacts.detection.reading import fetch, write_array
from contacts.detection.weighing import Pair, Score, make_score
from contacts.duplicates.clustering import Links, find_components
from contacts.duplicates.columns import Flags, Floats, Ints
from contacts.duplicates.matches import Matches, judge
from contacts.duplicates.scoring import REVIEW, Verdict
from contacts.models import CandidatePair, DuplicateRun

Status = CandidatePair.Status
BEFORE_ALL, AFTER_ALL = UUID(int=0), UUID(int=2**128 - 1)

# How many are done, and of how many.
type Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Contacts and what was found among them.

    `links`: the places in `matches` of who is probably one person, in order. A pair counts by its own probability: who
    is joined over others is in one cluster with them. `clusters`: for each row the first one that links lead to.
    """

    people: People
    matches: Matches
    probability: Floats
    links: Ints
    clusters: Ints
    is_certain: Flags
    read_at: datetime

    @classmethod
    def make(cls, people: People, matches: Matches, read_at: datetime) -> "Comparison":
        probability, _ = matches.prior.find_probabilities(matches.evidence)
        links = np.flatnonzero(probability >= REVIEW)
        joined = Links(matches.left[links], matches.right[links], probability[links])
        clusters = find_components(joined, len(people.columns))
        return cls(people, matches, probability, links, clusters, matches.is_certain & (probability >= REVIEW), read_at)

    def find_first(self, place: int) -> UUID:
        """The first contact of a link."""
        return self.people.find_ids(self.matches.left[self.links[place : place + 1]])[0]

    def list_scores(self, links: slice) -> dict[Pair, Score]:
        places = self.links[links]
        left = self.matches.left[places]
        sides = (left, self.matches.right[places], self.clusters[left])
        ids = zip(*(self.people.find_ids(rows) for rows in sides), strict=True)
        return {
            (first, second): replace(self.make_score(place), cluster=cluster)
            for place, (first, second, cluster) in zip(places.tolist(), ids, strict=True)
        }

    def make_score(self, place: int) -> Score:
        probability = float(self.probability[place])
        verdict = Verdict.CERTAIN if self.is_certain[place] else judge(probability)
        return make_score(self.matches.evidence, place, probability, verdict)


# --- Pairs ------------------------------------------------------------------------------------------------------------


def write_pairs(current: DuplicateRun, comparison: Comparison, *, batch: int, report: Report) -> None:
    """Those after the run's cursor, which goes on with each batch."""
    total = len(comparison.links)
    start = bisect_right(range(total), current.cursor or BEFORE_ALL, key=comparison.find_first)
    while current.cursor != AFTER_ALL:
        end = find_end(comparison, start + batch)
        write_batch(
            current, comparison, slice(start, end), comparison.find_first(end - 1) if end < total else AFTER_ALL
        )
        report(end, total)
        start = end


def find_end(comparison: Comparison, end: int) -> int:
    """Where a batch ends, so that all pairs of a first contact are in one."""
    firsts = comparison.matches.left[comparison.links]
    return int(np.searchsorted(firsts, firsts[end - 1], side="right")) if end < len(firsts) else len(firsts)


@transaction.atomic
def write_batch(current: DuplicateRun, comparison: Comparison, links: slice, upto: UUID) -> None:
    """Pairs whose first contact is after the cursor, up to `upto`, with what is stored of them already."""
    lock_comparing()
    scores = comparison.list_scores(links)
    stored = CandidatePair.objects.exclude(status=Status.MERGED).filter(first__lte=upto)
    stored = stored.filter(first__gt=current.cursor) if current.cursor else stored
    known = set(stored.values_list("first_id", "second_id"))
    fresh = find_fresh(known | scores.keys(), comparison.read_at)
    scores = {pair: score for pair, score in scores.items() if not fresh & {*pair}}
    scores |= weigh_others({pair for pair in known - scores.keys() if not fresh & {*pair}})
    lock_pairs()
    written = write_scores(scores, leave_out(stored, fresh))
    current.cursor = upto
    add_counts(current, written)
    current.save()


def find_fresh(pairs: set[Pair], read_at: datetime) -> set[UUID]:
    """The contacts of these pairs that have been compared by themselves since they were read here."""
    rows = fetch(
        "SELECT contact_id FROM contacts_blockingkeys WHERE contact_id = ANY(%s::uuid[]) AND compared_at > %s",
        [write_array({each for pair in pairs for each in pair}), read_at],
    )
    return {contact_id for (contact_id,) in rows}


def weigh_others(pairs: set[Pair]) -> dict[Pair, Score]:
    """Stored pairs that seem no link, or share no key."""
    census = open_census()
    if not pairs or census is None:
        return {}
    weighed = Pool().weigh(pairs, census)
    return weighed.list_scores(np.zeros(len(weighed.pairs), np.bool_))


def leave_out(stored: QuerySet[CandidatePair], ids: set[UUID]) -> QuerySet[CandidatePair]:
    return stored.exclude(first__in=ids).exclude(second__in=ids) if ids else stored


def add_counts(current: DuplicateRun, written: Written) -> None:
    current.opened += written.opened
    current.rescored += written.rescored
    current.reopened += written.reopened
    current.closed += written.closed


# --- Clusters ---------------------------------------------------------------------------------------------------------


def write_clusters(*, batch: int, report: Report) -> None:
    """Where a cluster differs from what the pairs say, its group is looked at anew."""
    CandidatePair.objects.exclude(status=Status.OPEN).exclude(cluster=None).update(cluster=None)
    rows = CandidatePair.objects.filter(status=Status.OPEN).order_by()
    joined = list(rows.values_list("first_id", "second_id", "cluster").iterator(chunk_size=10_000))
    least = find_least((first, second) for first, second, _ in joined)
    wrong = sorted({least[first] for first, _, cluster in joined if cluster != least[first]})
    for start in range(0, len(wrong), batch):
        with transaction.atomic():
            regroup(wrong[start : start + batch])
        report(min(start + batch, len(wrong)), len(wrong))
