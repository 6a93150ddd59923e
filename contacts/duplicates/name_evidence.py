"""The evidence of two names: which words stand for which, and what their agreement is worth. Pure."""

from dataclasses import dataclass

import numpy as np

from contacts.duplicates import weights as w
from contacts.duplicates.columns import Columns, Flags, Floats, Ints
from contacts.duplicates.frequencies import Frequencies
from contacts.duplicates.words import Level, Levels, relate_words

NEAR = Level.TWO_TYPOS
# From this length on few other words are near.
LONG_WORD = 6


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of contacts, as row numbers."""

    columns: Columns
    frequencies: Frequencies
    left: Ints
    right: Ints

    def __len__(self) -> int:
        return len(self.left)

    def take(self, rows: Ints) -> "Pairs":
        return Pairs(self.columns, self.frequencies, self.left[rows], self.right[rows])


@dataclass(frozen=True, slots=True)
class Way:
    """Which words of two names stand for each other, and how likely one person's do."""

    left_given: str
    right_given: str
    left_family: str
    right_family: str
    chance: float = 1.0

    @property
    def is_crossed(self) -> bool:
        return self.left_given != self.right_given


STRAIGHT = Way("given", "given", "family", "family")
OTHER_WAYS = (
    Way("given", "family", "family", "given", w.SWAPPED),
    Way("given", "given", "family", "middle", w.FURTHER_NAME),
    Way("given", "given", "middle", "family", w.FURTHER_NAME),
    Way("given", "given", "family", "other", w.FURTHER_NAME),
    Way("given", "given", "other", "family", w.FURTHER_NAME),
    Way("given", "middle", "family", "family", w.FURTHER_NAME),
    Way("middle", "given", "family", "family", w.FURTHER_NAME),
    Way("given", "middle", "family", "given", w.SWAPPED),
    Way("middle", "given", "given", "family", w.SWAPPED),
)


@dataclass(slots=True)
class NameEvidence:
    """Bits for one person and for a household, against strangers; the levels of the words that stand for each other."""

    same: Floats
    household: Floats
    given: Levels
    family: Levels
    is_known: Flags

    def replace(self, rows: Ints, better: "NameEvidence") -> None:
        for name in ("same", "household", "given", "family"):
            getattr(self, name)[rows] = getattr(better, name)

    @property
    def is_equal(self) -> Flags:
        found: Flags = (self.given == Level.EQUAL) & (self.family == Level.EQUAL)
        return found

    @property
    def is_full(self) -> Flags:
        """Given and family name agree, neither as an initial only."""
        found: Flags = (self.given >= Level.TYPO) & (self.family >= Level.TYPO)
        return found


def weigh_names(pairs: Pairs) -> NameEvidence:
    """Of all ways to lay two names side by side, the one that says most for one person."""
    found = align(pairs, STRAIGHT)
    found.same += weigh_middle(pairs)
    is_settled = (found.given >= Level.SPELLING) & (found.family >= Level.SPELLING)
    rest = np.flatnonzero(~is_settled & found.is_known)
    for way in OTHER_WAYS:
        rows = rest[may_align(pairs.take(rest), way)]
        other = align(pairs.take(rows), way)
        # Of two ways that say as much, that which says less for a household: the same, whoever stands left.
        is_as_good = np.isclose(other.same, found.same[rows]) & (other.household < found.household[rows])
        is_better = (other.same > found.same[rows] + 1e-9) | is_as_good
        found.replace(rows[is_better], take(other, np.flatnonzero(is_better)))
    forget_scripts(found, pairs)
    return found


def forget_scripts(found: NameEvidence, pairs: Pairs) -> None:
    """A name in Han signs and one in letters that seem to differ are not compared at all."""
    han = pairs.columns["han"]
    rows = np.flatnonzero((han[pairs.left] != han[pairs.right]) & (found.given < NEAR))
    found.same[rows] = found.household[rows] = 0.0
    found.given[rows] = found.family[rows] = Level.UNKNOWN
    found.is_known[rows] = False


def take(evidence: NameEvidence, rows: Ints) -> NameEvidence:
    return NameEvidence(
        evidence.same[rows],
        evidence.household[rows],
        evidence.given[rows],
        evidence.family[rows],
        evidence.is_known[rows],
    )


def may_align(pairs: Pairs, way: Way) -> Flags:
    """Whether the words are there, and the first of them begin with one letter."""
    letters = pairs.columns.initials
    one = letters[pairs.columns[way.left_given][pairs.left]]
    other = letters[pairs.columns[way.right_given][pairs.right]]
    families = (
        letters[pairs.columns[way.left_family][pairs.left]],
        letters[pairs.columns[way.right_family][pairs.right]],
    )
    is_alike = (one == other) | ((families[0] == families[1]) & (families[0] > 0))
    found: Flags = (one > 0) & (other > 0) & is_alike
    return found


def align(pairs: Pairs, way: Way) -> NameEvidence:
    # Where words cross, either stands for a given name and for a family name: the same holds for both.
    differs = w.FAMILY_DIFFERS if way.is_crossed else w.GIVEN_DIFFERS
    given, given_bits = weigh_words(pairs, way.left_given, way.right_given, differs=differs)
    family, family_bits = weigh_words(pairs, way.left_family, way.right_family, differs=w.FAMILY_DIFFERS)
    # An alignment counts only where the words that it moves are there.
    is_known = (given > 0) | (family > 0)
    is_both = (given >= Level.TYPO) & (family >= Level.TYPO)
    same = given_bits + family_bits + np.log2(way.chance) - np.where(is_both, np.log2(w.TOGETHER), 0.0)
    if way.chance < 1:
        least = NEAR if "middle" in (way.left_given, way.right_given) else Level.INITIAL
        same = np.where((given >= least) & ((family >= Level.INITIAL) | (family == 0)), same, -np.inf)
    household = weigh_for_household(given, family, given_bits, family_bits, is_crossed=way.is_crossed)
    return NameEvidence(same, household, given, family, is_known)


def weigh_for_household(
    given: Levels, family: Levels, given_bits: Floats, family_bits: Floats, *, is_crossed: bool
) -> Floats:
    """A household has the family name in common, seldom the given name. Of words that cross, either may be that."""
    if is_crossed:
        is_given = (given >= NEAR) & ((given_bits > family_bits) | (family < NEAR))
        family_bits = np.where(is_given, given_bits, family_bits)
        given, family = np.where(is_given, family, given), np.where(is_given, given, family)
    household = np.where(given >= NEAR, np.log2(w.HOUSEHOLD_GIVEN), 0.0)
    household += np.select(
        [family == Level.UNKNOWN, family >= NEAR],
        [0.0, family_bits + np.log2(w.HOUSEHOLD_FAMILY)],
        np.log2(w.HOUSEHOLD_OTHER_FAMILY),
    )
    return household


def weigh_words(pairs: Pairs, left: str, right: str, *, differs: float) -> tuple[Levels, Floats]:
    """The level of the two words of each pair, and the bits that it is worth for one person."""
    columns, frequencies = pairs.columns, pairs.frequencies
    levels = relate_words(columns, columns[left][pairs.left], columns[right][pairs.right])
    one, other = getattr(frequencies, left)[pairs.left], getattr(frequencies, right)[pairs.right]
    rarer, usual = np.minimum(one, other), np.maximum(one, other)
    is_initial = [columns.is_initial[columns[name][side]] for name, side in ((left, pairs.left), (right, pairs.right))]
    initial = np.select([is_initial[0] & is_initial[1], is_initial[0]], [usual, one], other)
    lengths = np.minimum(columns.lengths[columns[left][pairs.left]], columns.lengths[columns[right][pairs.right]])
    equal = np.log2(w.WORD_EQUAL / usual)
    near = np.where(lengths >= LONG_WORD, np.log2(w.WORD_TYPO / (w.NEAR_WORDS * (one + other))), -np.inf)
    bits = np.select(
        [levels == level for level in Level],
        [
            np.zeros(len(pairs)),
            np.full(len(pairs), np.log2(differs)),
            np.clip(np.log2(w.WORD_INITIAL / initial), 0, None),
            np.minimum(np.log2(w.WORD_TWO_TYPOS / rarer), equal),
            np.minimum(np.maximum(np.log2(w.WORD_IS_TYPO / rarer), near), equal),
            np.minimum(np.log2(w.WORD_SPELLING / rarer), equal),
            equal,
        ],
    )
    return levels, np.maximum(bits, np.log2(differs))


def weigh_middle(pairs: Pairs) -> Floats:
    """A little for middle names or initials that agree, a little against those that do not."""
    columns = pairs.columns
    levels = relate_words(columns, columns["middle"][pairs.left], columns["middle"][pairs.right])
    usual = np.maximum(pairs.frequencies.middle[pairs.left], pairs.frequencies.middle[pairs.right])
    agree = np.clip(np.log2(w.MIDDLE_EQUAL / np.maximum(usual, 0.01)), 0, None)
    return np.select(
        [levels == Level.UNKNOWN, levels == Level.DIFFERENT, levels == Level.INITIAL],
        [0.0, np.log2(w.MIDDLE_DIFFERS), 1.0],
        agree,
    )
