"""How two words of names relate, for many pairs at once. Pure."""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA, Prefix
from rapidfuzz.process import cpdist

from contacts.duplicates.columns import Codes, Columns, Flags

WORKERS = 2
# From so many pairs on, threads pay.
MANY = 20_000
SHORTEST_PREFIX = 3
# A second typing error is believed in a word of this length only.
LONG_WORD = 8

type Levels = NDArray[np.int8]


class Level(IntEnum):
    """From the least that two words have in common to the most."""

    UNKNOWN = 0
    DIFFERENT = 1
    INITIAL = 2
    TWO_TYPOS = 3
    TYPO = 4
    SPELLING = 5
    EQUAL = 6


def relate_words(columns: Columns, left: Codes, right: Codes) -> Levels:
    """The level of each pair of word codes; each distinct pair is looked at once."""
    found = np.where((left == 0) | (right == 0), Level.UNKNOWN, Level.EQUAL).astype(np.int8)
    differ = np.flatnonzero((left != right) & (found > 0))
    low, high = np.minimum(left[differ], right[differ]), np.maximum(left[differ], right[differ])
    distinct, ranks = np.unique(low.astype(np.int64) << 32 | high, return_inverse=True)
    # Two initials say as little as one.
    found[(left == right) & columns.is_initial[left]] = Level.INITIAL
    levels = relate_distinct(columns, (distinct >> 32).astype(np.int32), (distinct & 0xFFFFFFFF).astype(np.int32))
    found[differ] = levels[ranks]
    return found


def relate_distinct(columns: Columns, left: Codes, right: Codes) -> Levels:
    is_initial = columns.is_initial[left] | columns.is_initial[right]
    begins_alike = columns.initials[left] == columns.initials[right]
    found = np.where(is_initial & begins_alike, Level.INITIAL, Level.DIFFERENT).astype(np.int8)
    found[~is_initial & is_other_spelling(columns, left, right)] = Level.SPELLING
    rest = np.flatnonzero(~is_initial & (found == Level.DIFFERENT))
    found[rest] = relate_letters(columns, left[rest], right[rest])
    return found


def is_other_spelling(columns: Columns, left: Codes, right: Codes) -> Flags:
    """Sounds are equal, or both are forms of one name."""
    found: Flags = columns.sounds[left] == columns.sounds[right]
    forms, others = columns.names_of[left], columns.names_of[right]
    for place in range(forms.shape[1]):
        found |= ((forms[:, place, None] == others) & (others > 0)).any(axis=1)
    return found


def relate_letters(columns: Columns, left: Codes, right: Codes) -> Levels:
    words = columns.texts["words"]
    one, other = [words[code] for code in left.tolist()], [words[code] for code in right.tolist()]
    found = np.full(len(left), Level.DIFFERENT, np.int8)
    if not len(left):
        return found
    distances = cpdist(one, other, scorer=OSA.distance, score_cutoff=2, dtype=np.int32, workers=count_workers(one))
    lengths = np.minimum(columns.lengths[left], columns.lengths[right])
    found[(distances <= 2) & (lengths >= LONG_WORD - 2)] = Level.TWO_TYPOS
    found[find_prefixes(one, other, lengths) & (lengths >= SHORTEST_PREFIX)] = Level.TWO_TYPOS
    found[(distances <= 1) & (lengths >= SHORTEST_PREFIX)] = Level.TYPO
    return found


def find_prefixes(left: Sequence[str], right: Sequence[str], lengths: Codes) -> Flags:
    """Whether the shorter text, of the length given, begins the longer one."""
    common = cpdist(left, right, scorer=Prefix.similarity, dtype=np.int32, workers=count_workers(left))
    found: Flags = common == lengths
    return found


def count_workers(values: Sequence[str]) -> int:
    return WORKERS if len(values) > MANY else 1
