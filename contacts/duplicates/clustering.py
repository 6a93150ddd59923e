"""From pairs to people: best links first, and no two groups together whose members contradict one another. Pure."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from contacts.duplicates.columns import Floats, Ints

# Of a larger group only the pairs that were compared are looked at.
LARGEST_GROUP = 50


@dataclass(slots=True)
class Links:
    """Pairs, as row numbers with left < right, and their probabilities of being one person."""

    left: Ints
    right: Ints
    probability: Floats

    def __len__(self) -> int:
        return len(self.left)


def find_components(links: Links, total: int) -> Ints:
    """For each row the smallest row that links lead to."""
    parent = list(range(total))

    def find(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for left, right in zip(links.left.tolist(), links.right.tolist(), strict=True):
        one, other = find(left), find(right)
        if one != other:
            parent[max(one, other)] = min(one, other)
    found = np.arange(total)
    linked = np.unique(np.concatenate([links.left, links.right]))
    found[linked] = [find(row) for row in linked.tolist()]
    return found


def list_inner_pairs(groups: Ints) -> tuple[Ints, Ints]:
    """All pairs within groups of three to LARGEST_GROUP rows, left < right."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.r_[True, groups[order][1:] != groups[order][:-1]])
    sizes = np.diff(np.r_[starts, len(order)])
    left, right = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(sizes[(sizes > 2) & (sizes <= LARGEST_GROUP)]):
        members = order[starts[sizes == size][:, None] + np.arange(size)]
        one, other = np.triu_indices(size, 1)
        left.append(members[:, one].ravel())
        right.append(members[:, other].ravel())
    return np.concatenate(left), np.concatenate(right)


@dataclass(slots=True)
class Partition:
    """Groups of rows that grow by `join`, and the bits for and against putting two of them together."""

    group_of: dict[int, int] = field(default_factory=dict)
    members: dict[int, list[int]] = field(default_factory=dict)
    bits: dict[int, dict[int, float]] = field(default_factory=lambda: defaultdict(dict))

    def weigh(self, left: int, right: int, bits: float) -> None:
        for row in (left, right):
            self.group_of.setdefault(row, row)
            self.members.setdefault(row, [row])
        self.bits[left][right] = self.bits[right][left] = bits

    def join_where_consistent(self, left: int, right: int) -> None:
        one, other = self.group_of[left], self.group_of[right]
        if one != other and self.bits[one].get(other, 0.0) > 0:
            self.join(*sorted((one, other), key=lambda group: len(self.bits[group]), reverse=True))

    def join(self, one: int, other: int) -> None:
        """The second, which should have fewer neighbours, becomes part of the first."""
        for row in self.members[other]:
            self.group_of[row] = one
        self.members[one] += self.members.pop(other)
        for third, bits in self.bits.pop(other).items():
            del self.bits[third][other]
            if third != one:
                total = self.bits[one].get(third, 0.0) + bits
                self.bits[one][third] = self.bits[third][one] = total


def divide(left: Ints, right: Ints, bits: Floats) -> dict[int, int]:
    """The group, named by its smallest row, of each row that stands in a pair.

    1. Every row is a group.
    2. Pairs with bits above 0, best first, join their groups where the bits between these sum up to more than 0.
    """
    partition = Partition()
    order = np.argsort(-bits, kind="stable")
    pairs = list(zip(left[order].tolist(), right[order].tolist(), bits[order].tolist(), strict=True))
    for one, other, weight in pairs:
        partition.weigh(one, other, weight)
    for one, other, weight in pairs:
        if weight > 0:
            partition.join_where_consistent(one, other)
    return {row: min(partition.members[group]) for row, group in partition.group_of.items()}


def find_chain_probabilities(links: Links, groups: Ints) -> Links:
    """Pairs of one group of up to LARGEST_GROUP that no link joins: as probable as the best way over its links."""
    numbers, ranks, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    is_inner = (groups[links.left] == groups[links.right]) & (sizes[ranks] <= LARGEST_GROUP)[links.left]
    ways: dict[int, dict[int, float]] = defaultdict(dict)
    for left, right, probability in zip(
        links.left[is_inner].tolist(), links.right[is_inner].tolist(), links.probability[is_inner].tolist(), strict=True
    ):
        ways[left][right] = ways[right][left] = probability
    linked = np.bincount(ranks[links.left[is_inner]], minlength=len(numbers))
    incomplete = np.flatnonzero(((linked < sizes * (sizes - 1) // 2) & (sizes <= LARGEST_GROUP))[ranks])
    found = [
        (start, end, probability)
        for start in incomplete.tolist()
        for end, probability in follow(ways, start).items()
        if start < end and end not in ways[start]
    ]
    left, right, probabilities = zip(*found, strict=True) if found else ((), (), ())
    return Links(np.array(left, np.int64), np.array(right, np.int64), np.array(probabilities, np.float64))


def follow(ways: dict[int, dict[int, float]], start: int) -> dict[int, float]:
    """Whom links lead to from a row, and the greatest product of probabilities on the way."""
    best = {start: 1.0}
    waiting = [start]
    while waiting:
        row = waiting.pop(0)
        for other, probability in ways[row].items():
            if best[row] * probability > best.get(other, 0.0):
                best[other] = best[row] * probability
                waiting.append(other)
    del best[start]
    return best
