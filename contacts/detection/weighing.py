"""Pairs of contacts, weighed as `find_matches` weighs all, with the frequencies of the census."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product
from uuid import UUID

import numpy as np

from contacts.detection.census import Lookup
from contacts.duplicates.columns import Columns, Flags, Floats, Ints
from contacts.duplicates.frequencies import Frequencies
from contacts.duplicates.matches import find_people, is_certain, judge
from contacts.duplicates.name_evidence import Pairs
from contacts.duplicates.records import Cleaned
from contacts.duplicates.scoring import REVIEW, Evidence, Verdict, weigh

# Digits that are kept of a probability and of bits.
PLACES = 6
BIT_PLACES = 2

# Ids in rising order.
type Pair = tuple[UUID, UUID]


@dataclass(frozen=True, slots=True)
class Score:
    """`evidence`: field → bits, None where it is not known of both. `cluster`: of a new pair, where it is known."""

    probability: float
    verdict: Verdict
    evidence: dict[str, float | None]
    cluster: UUID | None = None

    @property
    def is_link(self) -> bool:
        return self.probability >= REVIEW


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of several contacts in the order of their ids, and which are whose."""

    columns: Columns
    frequencies: Frequencies
    rows_of: Mapping[UUID, range]


@dataclass(frozen=True, slots=True)
class Weighed:
    """Pairs with the evidence of the best of their rows."""

    table: Table
    pairs: Sequence[Pair]
    evidence: Evidence
    probability: Floats

    def list_links(self) -> list[Pair]:
        return [pair for pair, probability in zip(self.pairs, self.probability, strict=True) if probability >= REVIEW]

    def list_scores(self, certain: Flags) -> dict[Pair, Score]:
        found = {}
        for place, pair in enumerate(self.pairs):
            verdict = Verdict.CERTAIN if certain[place] else judge(float(self.probability[place]))
            found[pair] = make_score(self.evidence, place, self.probability[place], verdict)
        return found


def make_score(evidence: Evidence, place: int, probability: float, verdict: Verdict) -> Score:
    bits = {name: float(values[place]) for name, values in evidence.fields.items()}
    known = {name: None if value != value else round(value, BIT_PLACES) for name, value in bits.items()}
    return Score(round(float(probability), PLACES), verdict, known)


def lay_out(rows: Mapping[UUID, Sequence[Cleaned]], lookup: Lookup) -> Table:
    """Who shares a mailbox or a phone here counts, even if the census does not know it yet."""
    contacts = sorted(rows.items())
    cleaned = list(chain.from_iterable(own for _, own in contacts))
    columns = Columns.read(cleaned)
    lookup.load(cleaned)
    lookup.observe(columns)
    places, start = {}, 0
    for key, own in contacts:
        places[key] = range(start, start := start + len(own))
    return Table(columns, lookup.population.look_up(cleaned), places)


def weigh_pairs(table: Table, pairs: Collection[Pair], lookup: Lookup) -> Weighed:
    """Those pairs of which both contacts are in the table."""
    rows_of = table.rows_of
    kept = sorted(pair for pair in pairs if pair[0] in rows_of and pair[1] in rows_of)
    combined = [
        (place, left, right)
        for place, (first, second) in enumerate(kept)
        for left, right in product(rows_of[first], rows_of[second])
    ]
    places, left, right = np.array(combined, np.int64).reshape(-1, 3).T
    evidence = weigh(Pairs(table.columns, table.frequencies, left, right))
    probability, _ = lookup.prior.find_probabilities(evidence)
    evidence = lookup.prior.adapt(evidence)
    order = np.lexsort((-probability, places))
    best = order[np.r_[True, places[order][1:] != places[order][:-1]]] if len(order) else order
    return Weighed(table, kept, evidence.take(best), probability[best])


def find_certain(weighed: Weighed) -> Flags:
    """Which pairs are certain: not those of a group whose members contradict one another.

    All links of their groups must be among the pairs.
    """
    certain = is_certain(weighed.probability, weighed.evidence)
    if not certain.any():
        return certain
    table = weighed.table
    left, right = (find_first_rows(table.rows_of, (pair[side] for pair in weighed.pairs)) for side in (0, 1))
    pairs = Pairs(table.columns, table.frequencies, left, right)
    _, groups = find_people(pairs, weighed.evidence, weighed.probability)
    found: Flags = certain & (groups[left] == groups[right])
    return found


def find_first_rows(rows_of: Mapping[UUID, range], ids: Iterable[UUID]) -> Ints:
    return np.fromiter((rows_of[each].start for each in ids), dtype=np.int64)
