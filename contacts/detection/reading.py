"""Contacts as they are compared, read without a row object for each: there may be a million."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import UUID

from django.db import connection as database

from contacts.claims import Kind
from contacts.detection.digests import Values, make_values
from contacts.duplicates.records import Cleaned, Record, clean
from integrations.privacy.encryption import UnreadableValueError, decrypt

# Of a contact with more addresses and numbers, the newest ones are compared, each with each.
MOST_EMAILS = 3
MOST_PHONES = 2
# Merged contacts are compared through the one that they went into, erased ones not at all.
CONTACTS = """
    SELECT id, full_name, company, country FROM contacts_contact
    WHERE merged_into_id IS NULL AND erased_at IS NULL AND {condition} ORDER BY id
"""
IDENTIFIERS = """
    SELECT contact_id, kind, value FROM contacts_identifier
    WHERE is_current AND kind IN ('email', 'phone') AND {condition} ORDER BY id DESC
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What is compared of a contact. The newest address and number stand first."""

    id: UUID
    full_name: str
    company: str
    country: str
    emails: Sequence[str]
    phones: Sequence[str]

    def clean(self) -> list[Cleaned]:
        """Once for each address with each number; at least once."""
        emails, phones = self.emails[:MOST_EMAILS] or [""], self.phones[:MOST_PHONES] or [""]
        return [
            clean(Record(str(self.id), self.full_name, self.company, email, phone, self.country))
            for email, phone in product(emails, phones)
        ]

    @property
    def values(self) -> Values:
        """For the digests of a decision."""
        return make_values(self.full_name, self.company, self.emails, self.phones)


@dataclass(frozen=True, slots=True)
class Readings:
    """In the order of their ids. `unreadable`: those with a value that cannot be decrypted."""

    contacts: Sequence[Known]
    unreadable: Collection[UUID]


def read_some(ids: Collection[UUID]) -> Readings:
    """Those of the contacts that are compared."""
    return read("{} = ANY(%s::uuid[])", [write_array(ids)])


def read_range(after: UUID, upto: UUID) -> Readings:
    return read("{0} > %s AND {0} <= %s", [after, upto])


def read(condition: str, values: Sequence[Any]) -> Readings:
    """`condition`: SQL about the id, which stands where the braces are."""
    held: dict[UUID, dict[str, list[bytes]]] = defaultdict(lambda: {Kind.EMAIL: [], Kind.PHONE: []})
    for contact_id, kind, value in fetch(IDENTIFIERS.format(condition=condition.format("contact_id")), values):
        held[contact_id][kind].append(value)
    found, unreadable = [], []
    for row in fetch(CONTACTS.format(condition=condition.format("id")), values):
        try:
            found.append(make_known(row, held[row[0]]))
        except UnreadableValueError:
            unreadable.append(row[0])
    return Readings(found, unreadable)


def make_known(row: Sequence[Any], held: dict[str, list[bytes]]) -> Known:
    """Raises UnreadableValueError."""
    key, full_name, company, country = row
    emails, phones = (read_texts(held[kind]) for kind in (Kind.EMAIL, Kind.PHONE))
    return Known(key, read_text(full_name), read_text(company), country, emails, phones)


def read_texts(stored: Sequence[bytes]) -> list[str]:
    return list(dict.fromkeys(read_text(value) for value in stored))


def read_text(stored: bytes) -> str:
    return decrypt(bytes(stored)).decode()


def fetch(query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with database.cursor() as cursor:
        cursor.execute(query, values)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def write_array(values: Iterable[UUID | int]) -> str:
    """As PostgreSQL reads an array. Handing over thousands of values one by one takes longer than the statement."""
    return f"{{{','.join(map(str, values))}}}"


def list_ranges(size: int) -> Iterator[tuple[UUID, UUID]]:
    """Bounds of so many contacts each, above the first up to the second, which together hold all that there are."""
    after = UUID(int=0)
    while upto := find_end(after, size):
        yield after, upto
        after = upto


def find_end(after: UUID, size: int) -> UUID | None:
    """The last of the next so many ids."""
    found = fetch(
        """
        SELECT id FROM (SELECT id FROM contacts_contact WHERE id > %s ORDER BY id LIMIT %s) AS part
        ORDER BY id DESC LIMIT 1
        """,
        [after, size],
    )
    return found[0][0] if found else None
