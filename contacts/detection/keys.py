"""Blocking keys in the database: numbers that say nothing without BLIND_INDEX_KEY. Who shares one is compared.

Beside its keys a contact has a number for each value that divides blocks which are too large, so that the database
finds who has both. This makes the blocks of contacts/duplicates/blocking.py, except that no neighbours by name are
sought in a large block of a strong key.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection as database

from contacts.detection.reading import fetch, write_array
from contacts.duplicates.blocking import FURTHER, KINDS, list_blocking_keys, list_values
from contacts.duplicates.records import Cleaned
from contacts.models import BlockingKeys
from integrations.privacy import blind_index

KIND_OF = {kind.name: kind for kind in KINDS}
# A value that alone is a key divides by this key, and needs no second number.
PREFIXES = {name: f"={name}" for name in FURTHER} | {
    kind.values[0][0]: kind.name for kind in KINDS if not kind.values[0][1]
}
# What dividing takes: a key, and each further value.
MOST_NUMBERS = 1 + len(FURTHER)
LARGEST = max(kind.largest for kind in KINDS)

type Numbers = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Whoever has all these numbers; `further` are those by which it is divided, where more than `largest` have."""

    numbers: Numbers
    largest: int
    further: Numbers


def list_keys(rows: Iterable[Cleaned]) -> list[int]:
    """What is stored with a contact: its keys and the values that divide, of all its rows, in rising order."""
    texts: set[str] = set()
    for row in rows:
        texts.update(list_blocking_keys(row), list_markers(row).values())
    return sorted(map(number_text, texts))


def list_blocks(rows: Iterable[Cleaned]) -> set[Block]:
    """Where to look for those who are like a contact."""
    found = set()
    for row in rows:
        markers = {name: number_text(text) for name, text in list_markers(row).items()}
        for text in list_blocking_keys(row):
            kind = KIND_OF[text.partition(":")[0]]
            further = tuple(markers[name] for name in FURTHER if name in markers and name != kind.values[0][0])
            found.add(Block((number_text(text),), kind.largest, further))
    return found


def list_markers(row: Cleaned) -> dict[str, str]:
    """The values of FURTHER that the row has, as texts beside those of the keys."""
    values = list_values(row)
    return {name: f"{PREFIXES[name]}:{values[name]}" for name in FURTHER if values[name]}


def number_text(text: str) -> int:
    return blind_index.number("blocking", text)


# --- Storing ----------------------------------------------------------------------------------------------------------


def store_keys(keys: Mapping[UUID, Sequence[int]]) -> int:
    """Write those that differ from what is stored. Returns how many."""
    with database.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO contacts_blockingkeys (contact_id, keys)
            SELECT given.id, given.keys::bigint[]
            FROM unnest(%s::uuid[], %s::text[]) AS given (id, keys)
            LEFT JOIN contacts_blockingkeys AS stored ON stored.contact_id = given.id
            WHERE stored.keys IS DISTINCT FROM given.keys::bigint[]
            ORDER BY given.id
            ON CONFLICT (contact_id) DO UPDATE SET keys = excluded.keys
            """,
            [write_array(keys), [write_array(numbers) for numbers in keys.values()]],
        )
        return int(cursor.rowcount)


def forget_keys(ids: Collection[UUID]) -> None:
    """Of contacts that are not compared any more."""
    BlockingKeys.objects.filter(contact__in=ids).delete()


# --- Finding ----------------------------------------------------------------------------------------------------------


def find_candidates(rows_of: Mapping[UUID, Sequence[Cleaned]]) -> set[tuple[UUID, UUID]]:
    """Whom to compare each of these contacts with, as pairs of ids in rising order. Their keys must be stored."""
    found: set[tuple[UUID, UUID]] = set()
    waiting: dict[Block, set[UUID]] = defaultdict(set)
    for key, rows in rows_of.items():
        for block in list_blocks(rows):
            waiting[block].add(key)
    while waiting:
        members = find_members({block.numbers for block in waiting})
        divided: dict[Block, set[UUID]] = defaultdict(set)
        for block, seekers in waiting.items():
            if len(members[block.numbers]) <= block.largest:
                found.update(order(one, other) for one in seekers for other in members[block.numbers] if one != other)
            else:
                for finer in divide(block):
                    divided[finer] |= seekers
        waiting = divided
    return found


def divide(block: Block) -> Iterable[Block]:
    for place, number in enumerate(block.further):
        yield Block((*block.numbers, number), block.largest, block.further[place + 1 :])


def order(one: UUID, other: UUID) -> tuple[UUID, UUID]:
    return (one, other) if one < other else (other, one)


def find_members(sought: Collection[Numbers]) -> dict[Numbers, list[UUID]]:
    """Who has all the numbers of each, one more than the largest block at most."""
    lists = [list(numbers) for numbers in sought]
    filled = [(numbers + numbers[:1] * MOST_NUMBERS)[:MOST_NUMBERS] for numbers in lists]
    names = [f"number_{place}" for place in range(MOST_NUMBERS)]
    # How many rows are found cannot be planned; it is never so many that reading all of the table would be quicker.
    fetch("SELECT set_config('enable_seqscan', 'off', true)")
    rows = fetch(
        f"""
        SELECT sought.place, ARRAY(
            SELECT contact_id FROM contacts_blockingkeys WHERE keys @> ARRAY[{", ".join(names)}] LIMIT {LARGEST + 1}
        )
        FROM unnest({", ".join(["%s::bigint[]"] * MOST_NUMBERS)}) WITH ORDINALITY AS sought ({", ".join(names)}, place)
        """,  # noqa: S608
        [write_array(column) for column in zip(*filled, strict=True)],
    )
    fetch("SELECT set_config('enable_seqscan', 'on', true)")
    return {tuple(lists[place - 1]): members for place, members in rows}
