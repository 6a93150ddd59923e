"""Duplicates among many contacts: blocks, evidence, probabilities, groups. Pure; memory grows with the contacts."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from contacts.duplicates.blocking import find_candidates
from contacts.duplicates.clustering import Links, divide, find_chain_probabilities, find_components, list_inner_pairs
from contacts.duplicates.columns import Columns, Flags, Floats, Ints
from contacts.duplicates.frequencies import Frequencies
from contacts.duplicates.name_evidence import Pairs
from contacts.duplicates.scoring import CERTAIN, CHUNK, REVIEW, Bits, Evidence, Prior, Verdict, learn_prior, weigh

# Candidates that seem less probable than this, before the file has shown how many pairs there are, are let go.
KEPT = 0.001


@dataclass(slots=True)
class Matches:
    """Pairs by row numbers, left < right, with their evidence; the group of each row; how many pairs were compared.

    A pair that only other pairs join has the probability of the way over them, if that is greater than its own.
    `prior`: how many pairs there seem to be.
    """

    left: Ints
    right: Ints
    probability: Floats
    evidence: Evidence
    groups: Ints
    compared: int
    prior: Prior

    def __len__(self) -> int:
        return len(self.left)

    @property
    def is_certain(self) -> Flags:
        found: Flags = is_certain(self.probability, self.evidence) & (self.groups[self.left] == self.groups[self.right])
        return found

    def list_verdicts(self) -> list[Verdict]:
        return [
            Verdict.CERTAIN if certain else judge(probability)
            for certain, probability in zip(self.is_certain.tolist(), self.probability.tolist(), strict=True)
        ]


def is_certain(probability: Floats, evidence: Evidence) -> Flags:
    found: Flags = (probability >= CERTAIN) & evidence.is_firm
    return found


def judge(probability: float) -> Verdict:
    return Verdict.REVIEW if probability >= REVIEW else Verdict.DISTINCT


def find_matches(columns: Columns, owners: Ints | None = None, least: int = 1) -> Matches:
    """All pairs that are worth a word, in rising order of their rows, and who is one person.

    `owners`: where one contact may have several rows, one for each of its addresses, the first of them for each row.
    They stand together and are not compared with one another; of two contacts the best pair of rows counts.
    `least`: how many contacts they are taken to be at least. How frequent a name is among ten says nothing.
    """
    total = max(len(columns), least)
    frequencies = Frequencies.count(columns, least)
    candidates = find_candidates(columns)
    if owners is not None:
        candidates = leave_out_own(candidates, owners)
    kept, evidence = weigh_candidates(columns, frequencies, candidates, Prior.expect(total))
    if owners is not None:
        kept, evidence = choose_best(kept, evidence, owners)
    prior = learn_prior(evidence, total)
    probability, _ = prior.find_probabilities(evidence)
    evidence = prior.adapt(evidence)
    left, right = np.divmod(kept, max(len(columns), 1))
    links, groups = find_people(Pairs(columns, frequencies, left, right), evidence, probability)
    found = Matches(left, right, probability, evidence, groups, len(candidates), prior)
    return add_chains(found, columns, frequencies, find_chain_probabilities(links, groups))


def weigh_candidates(
    columns: Columns, frequencies: Frequencies, candidates: Ints, expected: Prior
) -> tuple[Ints, Evidence]:
    """Those that are kept, and their evidence."""
    kept, found = [], []
    for start in range(0, max(len(candidates), 1), CHUNK):
        part = candidates[start : start + CHUNK]
        evidence = weigh(Pairs(columns, frequencies, *np.divmod(part, max(len(columns), 1))))
        rows = np.flatnonzero(expected.find_probabilities(evidence)[0] >= KEPT)
        kept.append(part[rows])
        found.append(evidence.take(rows))
    return np.concatenate(kept), Evidence.join(found)


def leave_out_own(candidates: Ints, owners: Ints) -> Ints:
    """Without the pairs of rows that are one contact's."""
    left, right = np.divmod(candidates, max(len(owners), 1))
    kept: Ints = candidates[owners[left] != owners[right]]
    return kept


def choose_best(kept: Ints, evidence: Evidence, owners: Ints) -> tuple[Ints, Evidence]:
    """Of the pairs of two contacts' rows the most probable one, as the pair of their first rows."""
    total = max(len(owners), 1)
    left, right = np.divmod(kept, total)
    numbers = owners[left] * total + owners[right]
    probability, _ = Prior.expect(total).find_probabilities(evidence)
    order = np.lexsort((-probability, numbers))
    numbers = numbers[order]
    is_best = np.r_[True, numbers[1:] != numbers[:-1]] if len(numbers) else np.zeros(0, np.bool_)
    return numbers[is_best], evidence.take(order[is_best])


def find_people(pairs: Pairs, evidence: Evidence, probability: Floats) -> tuple[Links, Ints]:
    """The pairs that are probable, and the group of each row."""
    is_link = probability >= REVIEW
    links = Links(pairs.left[is_link], pairs.right[is_link], probability[is_link])
    odds = np.log2(links.probability / np.maximum(1 - links.probability, 1e-9))
    bits = np.minimum(odds, (evidence.same - evidence.household)[is_link])
    return links, find_groups(pairs.columns, pairs.frequencies, links, bits)


def find_groups(columns: Columns, frequencies: Frequencies, links: Links, bits: Floats) -> Ints:
    """Whoever is linked is one person, unless the members of a group contradict one another.

    `bits`: how much likelier each link is one person than two of a household. Where a group is in doubt, this counts.
    """
    groups = find_components(links, len(columns))
    left, right = list_inner_pairs(groups)
    total = len(columns)
    is_new = ~np.isin(left * total + right, links.left * total + links.right)
    left, right = left[is_new], right[is_new]
    against = np.concatenate([bits[:0], *find_contradictions(columns, frequencies, left, right)])
    left, right, against = left[against < 0], right[against < 0], against[against < 0]
    is_doubtful = np.isin(groups[links.left], groups[left])
    found = divide(
        np.concatenate([links.left[is_doubtful], left]),
        np.concatenate([links.right[is_doubtful], right]),
        np.concatenate([bits[is_doubtful], against]),
    )
    for row, group in found.items():
        groups[row] = group
    return groups


def find_contradictions(columns: Columns, frequencies: Frequencies, left: Ints, right: Ints) -> Iterator[Bits]:
    for start in range(0, len(left), CHUNK):
        part = slice(start, start + CHUNK)
        yield weigh(Pairs(columns, frequencies, left[part], right[part])).contradiction


def add_chains(found: Matches, columns: Columns, frequencies: Frequencies, chains: Links) -> Matches:
    """With the pairs that only others join: those that were weighed get the greater probability, others are added."""
    total = max(len(columns), 1)
    numbers, added = found.left * total + found.right, chains.left * total + chains.right
    places = np.minimum(np.searchsorted(numbers, added), max(len(numbers) - 1, 0))
    is_weighed = numbers[places] == added
    known = places[is_weighed]
    found.probability[known] = np.maximum(found.probability[known], chains.probability[is_weighed])
    left, right = chains.left[~is_weighed], chains.right[~is_weighed]
    weighed = found.prior.adapt(weigh(Pairs(columns, frequencies, left, right)))
    evidence = Evidence.join([found.evidence, weighed])
    probability = np.concatenate([found.probability, chains.probability[~is_weighed]])
    order = np.argsort(np.concatenate([numbers, added[~is_weighed]]), kind="stable")
    lefts, rights = np.concatenate([found.left, left])[order], np.concatenate([found.right, right])[order]
    return Matches(lefts, rights, probability[order], evidence.take(order), found.groups, found.compared, found.prior)
