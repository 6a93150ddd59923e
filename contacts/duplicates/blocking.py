"""Which contacts are compared at all: those that share a blocking key. Pure.

A key names a kind and one or two values, KINDS says which. `list_blocking_keys` writes one contact's keys as texts, to
be stored with it; `find_candidates` makes the same blocks of a whole file by integers. A block that is too large is
never dropped: it is divided by each further value in turn; of a strong key, neighbours by name are compared, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contacts.duplicates.columns import PREFIX, Columns, Flags, Ints, sort_distinct
from contacts.duplicates.names import find_initial, find_root
from contacts.duplicates.phones import find_tail
from contacts.duplicates.records import Cleaned

# How far those are in order of their names who are compared in a block that stays too large.
NEIGHBOURS = 3
SHORTEST_LOCAL = 6


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of key: the pairs of values of which each makes a key of it. The second may be none.

    `largest`: the largest block in which everyone is compared with everyone. The less a kind says, the smaller: of
    many people with one name none is known by the name alone.
    """

    name: str
    values: tuple[tuple[str, str], ...]
    largest: int
    # Whether "anna lopez" and "lopez anna" are the same key.
    is_unordered: bool = False


KINDS = (
    Kind("email", (("mailbox", ""),), largest=40),
    Kind("local", (("local", ""),), largest=10),
    Kind("phone", (("tail", ""),), largest=40),
    Kind(
        "name",
        (("given", "family"), ("given", "other"), ("given", "middle"), ("middle", "family")),
        largest=12,
        is_unordered=True,
    ),
    Kind(
        "work",
        (
            ("given", "company"),
            ("given", "employer"),
            ("family", "company"),
            ("family", "employer"),
            ("middle", "company"),
            ("other", "company"),
        ),
        largest=12,
    ),
    # For what is typed wrongly, where names are rare.
    Kind("initial", (("family", "initial"), ("given", "family_initial")), largest=8),
)
# By what a block that is too large is divided.
FURTHER = ("given", "family", "company", "mailbox", "tail")
# The kinds whose key alone names one person, most of the time.
STRONG = ("email", "phone")


def list_blocking_keys(contact: Cleaned) -> list[str]:
    """One contact's keys as texts, each once."""
    values = list_values(contact)
    found: dict[str, None] = {}
    for kind in KINDS:
        for first, second in kind.values:
            parts = [values[first], values[second]] if second else [values[first]]
            if all(parts):
                found[":".join([kind.name, *(sorted(parts) if kind.is_unordered else parts)])] = None
    return list(found)


def list_values(contact: Cleaned) -> dict[str, str]:
    """What keys are made of. An initial is no word to look anybody up by."""
    words = {name: getattr(contact, name) for name in ("given", "middle", "other", "family")}
    return {
        **{name: find_root(word) if len(word) > 1 else "" for name, word in words.items()},
        "initial": find_initial(contact.given),
        "family_initial": find_initial(contact.family),
        "company": contact.company.replace(" ", "")[:PREFIX],
        "employer": contact.employer[:PREFIX],
        "mailbox": f"{contact.local}@{contact.domain}" if contact.local else "",
        "local": contact.local if len(contact.local) >= SHORTEST_LOCAL else "",
        "tail": str(find_tail(contact.phone) or ""),
    }


def find_candidates(columns: Columns) -> Ints:
    """The pairs to compare, each once, as first * len(columns) + second with first < second, in rising order."""
    values = encode_values(columns)
    pairs = [np.zeros(0, np.int64)]
    for kind in KINDS:
        pairs.append(sort_distinct(np.concatenate([np.zeros(0, np.int64), *find_pairs_of_kind(kind, values)])))
    return sort_distinct(np.concatenate(pairs))


def encode_values(columns: Columns) -> dict[str, Ints]:
    """What `list_values` says, for all contacts; 0 for the empty text."""
    roots = np.where(columns.is_initial, 0, columns.roots)
    lengths = np.fromiter((len(text) >= SHORTEST_LOCAL for text in columns.texts["local"]), dtype=np.bool_)
    return {
        **{name: roots[columns[name]] for name in ("given", "middle", "other", "family")},
        "initial": columns.initials[columns["given"]].astype(np.int64),
        "family_initial": columns.initials[columns["family"]].astype(np.int64),
        "company": columns.company_prefixes[columns["company"]],
        "employer": columns.company_prefixes[columns["employer"]],
        "mailbox": columns.mailboxes,
        "local": np.where(lengths[columns["local"]], columns["local"], 0).astype(np.int64),
        "tail": columns.tails[columns["phone"]],
    }


def find_pairs_of_kind(kind: Kind, values: dict[str, Ints]) -> Iterator[Ints]:
    further = [name for name in FURTHER if kind.values[0][0] != name]
    yield from pair_blocks(*list_keys(kind, values), values, kind, further)


def list_keys(kind: Kind, values: dict[str, Ints]) -> tuple[Ints, Ints]:
    """All keys of a kind, and whose they are."""
    keys, rows = [], []
    for first, second in kind.values:
        key = join(values[first], values[second], is_unordered=kind.is_unordered) if second else values[first]
        is_known = key != 0
        keys.append(key[is_known])
        rows.append(np.flatnonzero(is_known))
    return np.concatenate(keys), np.concatenate(rows)


def join(first: Ints, second: Ints, *, is_unordered: bool = False) -> Ints:
    """One key of two; 0 where either is 0."""
    if is_unordered:
        first, second = np.minimum(first, second), np.maximum(first, second)
    mixed = (first * np.int64(0x2545F4914F6CDD1D)) ^ (second * np.int64(0x1B873593CC9E2D51) >> 7) + second
    return np.where((first != 0) & (second != 0), mixed | 1, 0)


def pair_blocks(keys: Ints, rows: Ints, values: dict[str, Ints], kind: Kind, further: list[str]) -> Iterator[Ints]:
    """The pairs of rows with equal keys, block by block of one size."""
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, np.int64)
    sizes = np.diff(np.r_[starts, len(keys)])
    for size in np.unique(sizes[(sizes > 1) & (sizes <= kind.largest)]):
        members = rows[starts[sizes == size][:, None] + np.arange(size)]
        left, right = np.triu_indices(size, 1)
        yield number_pairs(members[:, left].ravel(), members[:, right].ravel(), len(values["given"]))
    is_large = np.repeat(sizes > kind.largest, sizes)
    if is_large.any():
        yield from divide(keys[is_large], rows[is_large], values, kind, further)


def divide(keys: Ints, rows: Ints, values: dict[str, Ints], kind: Kind, further: list[str]) -> Iterator[Ints]:
    """The pairs of blocks that are too large: who shares one more value; neighbours, where the key is strong."""
    for place, name in enumerate(further):
        finer = join(keys, values[name][rows])
        is_known = finer != 0
        yield from pair_blocks(finer[is_known], rows[is_known], values, kind, further[place + 1 :])
    if kind.name in STRONG:
        order = np.lexsort((values["given"][rows], values["family"][rows], keys))
        keys, rows = keys[order], rows[order]
        for distance in range(1, NEIGHBOURS + 1):
            is_same = keys[distance:] == keys[:-distance]
            yield number_pairs(rows[:-distance][is_same], rows[distance:][is_same], len(values["given"]))


def number_pairs(left: Ints, right: Ints, count: int) -> Ints:
    first, second = np.minimum(left, right), np.maximum(left, right)
    is_pair: Flags = first != second
    numbered: NDArray[np.int64] = first[is_pair] * np.int64(count) + second[is_pair]
    return numbered
