"""Encrypting everything anew with the first key of FIELD_ENCRYPTION_KEYS, while the system runs.

Every table with encrypted columns is walked in the order of its keys, a batch at a time:

1. The batch is read without a lock: of each column the stored bytes, unless the first key has made them already.
2. Its values are decrypted and encrypted outside any transaction.
3. One statement writes those back whose bytes are still the ones read, and passes rows over that somebody has locked.
   It never waits for a row, so that it can't be part of a deadlock, and it overwrites nothing that was changed.

What was passed over is seen again in the next pass. Nothing is remembered between runs: rows that are done say so in
their first bytes, and are passed quickly.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from time import sleep
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection as database

from integrations.exceptions import StateError
from integrations.privacy.encryption import (
    EncryptedField,
    UnreadableValueError,
    decrypt,
    encrypt,
    make_header,
    read_key_id,
)

# The advisory lock of the one process that rotates.
LOCK = (12, 0)
# How often a table is walked in vain, because others hold its rows, and the pause before the next time.
FRUITLESS_PASSES = 5
PAUSE_S = 1.0
# What stands for a key id that cannot be read.
DAMAGED = "(damaged)"


@dataclass(frozen=True)
class Table:
    """A table with encrypted columns."""

    name: str
    key: str
    key_type: str
    columns: tuple[str, ...]

    @cached_property
    def quoted(self) -> tuple[str, str, list[str]]:
        quote = database.ops.quote_name
        return quote(self.name), quote(self.key), [quote(column) for column in self.columns]


@dataclass(slots=True)
class Pass:
    """What one walk over all tables came to, in rows. `left` were locked, or changed while they were worked on."""

    seen: int = 0
    reencrypted: int = 0
    left: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`old_keys`: key id → rows that hold a value of it, of every key but the first. `unreadable`: table → rows."""

    rows: int
    reencrypted: int
    left: int
    unreadable: Counter[str]
    old_keys: dict[str, int]

    @property
    def can_remove(self) -> list[str]:
        """The configured keys that encrypt nothing any more."""
        return [
            key_id for key_id, rows in self.old_keys.items() if not rows and key_id in settings.FIELD_ENCRYPTION_KEYS
        ]

    @property
    def is_complete(self) -> bool:
        return not (self.left or self.unreadable or any(self.old_keys.values()))


type Report = Callable[[int, int], None]


def list_tables() -> list[Table]:
    """All models' tables with encrypted fields, those of the history as well."""
    tables = []
    for model in apps.get_models(include_auto_created=True):
        fields = model._meta.local_concrete_fields
        columns = tuple(str(each.column) for each in fields if isinstance(each, EncryptedField))
        if columns:
            key = model._meta.pk
            tables.append(Table(model._meta.db_table, str(key.column), str(key.db_type(database)), columns))
    return tables


def rotate(*, batch: int, report: Report = lambda done, total: None) -> Outcome:
    """Encrypt all rows with the first key. `report` is called with the rows seen and their number, in the first pass.

    Raises StateError where another process does it already.
    """
    with hold_lock():
        tables = list_tables()
        rows = sum(count_rows(table) for table in tables)
        done = walk(tables, batch, lambda seen: report(seen, rows))
        reencrypted, fruitless = done.reencrypted, 0
        while done.left and fruitless < FRUITLESS_PASSES:
            sleep(PAUSE_S if fruitless else 0)
            done = walk(tables, batch)
            reencrypted += done.reencrypted
            fruitless += not done.reencrypted
        return Outcome(rows, reencrypted, done.left, done.unreadable, count_old_keys(tables))


def look(tables: Sequence[Table]) -> Outcome:
    """What there is to do, without doing it. What is damaged shows only when it is read."""
    old_keys = count_old_keys(tables)
    unreadable = Counter({table.name: count_lost(table) for table in tables})
    left = sum(rows for key_id, rows in old_keys.items() if key_id in settings.FIELD_ENCRYPTION_KEYS)
    return Outcome(sum(count_rows(table) for table in tables), 0, left, +unreadable, old_keys)


@contextmanager
def hold_lock() -> Iterator[None]:
    """Until the block ends or the process dies. Raises StateError where another process has it."""
    [[is_ours]] = fetch("SELECT pg_try_advisory_lock(%s, %s)", LOCK)
    if not is_ours:
        raise StateError("The encryption keys are being rotated by another process: let it end.")
    try:
        yield
    finally:
        unlock()


def unlock() -> None:
    """A lost database connection has given the lock back by itself."""
    try:
        fetch("SELECT pg_advisory_unlock(%s, %s)", LOCK)
    except DatabaseError:
        database.close()


# --- Walking ----------------------------------------------------------------------------------------------------------


def walk(tables: Sequence[Table], batch: int, report: Callable[[int], None] = lambda seen: None) -> Pass:
    done = Pass()
    for table in tables:
        for rows in read_batches(table, batch):
            reencrypt_rows(table, rows, done)
            report(done.seen)
    return done


type Row = tuple[Any, ...]


def read_batches(table: Table, size: int) -> Iterator[list[Row]]:
    """Rows of the key and the columns' bytes, in the order of the keys; NULL for a value that is done."""
    name, key, columns = table.quoted
    values = ", ".join(f"CASE WHEN {is_old(column)} THEN {column} END" for column in columns)
    prefix, limit = first_prefix(len(columns)), f"ORDER BY {key} LIMIT {int(size)}"
    rows = fetch(f"SELECT {key}, {values} FROM {name} {limit}", prefix)  # noqa: S608
    while rows:
        yield rows
        rows = fetch(f"SELECT {key}, {values} FROM {name} WHERE {key} > %s {limit}", [*prefix, rows[-1][0]])  # noqa: S608


def reencrypt_rows(table: Table, rows: Sequence[Row], done: Pass) -> None:
    changed = []
    for key, *stored in rows:
        old, new, is_readable = reencrypt_values(stored)
        if not is_readable:
            done.unreadable[table.name] += 1
        if any(old):
            changed.append([key, *old, *new])
    written = write_rows(table, changed) if changed else 0
    done.seen += len(rows)
    done.reencrypted += written
    done.left += len(changed) - written


type Values = list[bytes | None]


def reencrypt_values(stored: Sequence[Any]) -> tuple[Values, Values, bool]:
    """The bytes of the values to be replaced, those to replace them with, and whether all could be read."""
    old: Values = []
    new: Values = []
    is_readable = True
    for value in stored:
        try:
            new.append(None if value is None else encrypt(decrypt(bytes(value))))
        except UnreadableValueError:
            is_readable = False
            new.append(None)
        old.append(None if new[-1] is None else bytes(value))
    return old, new, is_readable


def write_rows(table: Table, rows: Sequence[Sequence[Any]]) -> int:
    """Write new bytes where the old ones still stand and nobody holds the row. Returns how many rows were written."""
    name, key, columns = table.quoted
    each = list(enumerate(columns))
    given = ["key", *(f"old_{number}" for number, _ in each), *(f"new_{number}" for number, _ in each)]
    arrays = [f"%s::{table.key_type}[]", *["%s::bytea[]"] * (len(given) - 1)]
    changes = [f"{column} = coalesce(given.new_{number}, stored.{column})" for number, column in each]
    are_same = [f"(given.old_{number} IS NULL OR given.old_{number} = stored.{column})" for number, column in each]
    statement = f"""
        WITH given AS (SELECT * FROM unnest({", ".join(arrays)}) AS given ({", ".join(given)})),
        free AS (
            SELECT {key} AS key FROM {name} WHERE {key} IN (SELECT key FROM given) FOR NO KEY UPDATE SKIP LOCKED
        )
        UPDATE {name} AS stored
        SET {", ".join(changes)}
        FROM given JOIN free USING (key)
        WHERE stored.{key} = given.key AND {" AND ".join(are_same)}
    """  # noqa: S608
    with database.cursor() as cursor:
        cursor.execute(statement, [list(column) for column in zip(*rows, strict=True)])
        return int(cursor.rowcount)


# --- Counting ---------------------------------------------------------------------------------------------------------


def count_rows(table: Table) -> int:
    name, _, _ = table.quoted
    [[rows]] = fetch(f"SELECT count(*) FROM {name}")  # noqa: S608
    return int(rows)


def count_old_keys(tables: Sequence[Table]) -> dict[str, int]:
    """Key id → rows that hold a value of it: of all configured keys but the first, and of those that are missing."""
    configured = list(settings.FIELD_ENCRYPTION_KEYS)[1:]
    found: Counter[str] = Counter(dict.fromkeys(configured, 0))
    for table in tables:
        found.update(count_keys(table))
    return dict(found)


def count_keys(table: Table) -> dict[str, int]:
    """Key id → rows of the table that hold a value of it, of all keys but the first."""
    name, key, columns = table.quoted
    values = ", ".join(f"({column})" for column in columns)
    rows = fetch(
        f"""
        SELECT CASE WHEN octet_length(stored.bytes) > 2 THEN substring(stored.bytes, 3, get_byte(stored.bytes, 1)) END,
               count(DISTINCT {key})
        FROM {name} CROSS JOIN LATERAL (VALUES {values}) AS stored (bytes)
        WHERE {is_old("stored.bytes")}
        GROUP BY 1
        """,  # noqa: S608
        first_prefix(1),
    )
    found: Counter[str] = Counter()
    for header, count in rows:
        found[read_key_id(bytes(header or b"")) or DAMAGED] += count
    return found


def count_lost(table: Table) -> int:
    """Rows of the table with a value whose key is missing."""
    missing = [rows for key_id, rows in count_keys(table).items() if key_id not in settings.FIELD_ENCRYPTION_KEYS]
    return sum(missing)


def is_old(column: str) -> str:
    """SQL that is true for a value of another key than the first; it takes the values of `first_prefix`."""
    return f"substring({column}, 1, %s) <> %s"


def first_prefix(columns: int) -> list[Any]:
    header = make_header(next(iter(settings.FIELD_ENCRYPTION_KEYS)))
    return [len(header), header] * columns


def fetch(query: str, values: Sequence[Any] = ()) -> list[Row]:
    with database.cursor() as cursor:
        cursor.execute(query, values)
        rows: list[Row] = cursor.fetchall()
        return rows
