"""Fills an installation's database with made-up contacts: `python -m tests.benchmarks.fill --contacts N`.

They are people.py's, with really encrypted values and blind indexes of their identifiers. Left out is what nothing
measures: history, and the indexes for searching names. A mailbox or phone may be held by several, as shared ones are.
"""

import argparse
import multiprocessing
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import django

django.setup()

from django.db import connection as database  # noqa: E402
from django.db import transaction  # noqa: E402
from django.utils import timezone  # noqa: E402
from uuid_utils.compat import uuid7  # noqa: E402

from contacts.claims import Kind, index_value  # noqa: E402
from contacts.normalisation import normalise_email, normalise_phone  # noqa: E402
from integrations.privacy.encryption import encrypt  # noqa: E402
from tests.benchmarks.people import MIXES, Maker  # noqa: E402

BATCH = 5000
PROCESSES = 2
CONTACTS = (
    "id", "full_name", "company", "notes", "country", "timezone", "region", "lead_source", "lead_score", "lead_status",
    "name_words", "provenance", "created_at", "updated_at",
)  # fmt: skip
IDENTIFIERS = (
    "contact_id", "kind", "value", "index", "is_shared", "is_current", "introduced_by", "matched_by",
    "matched_because", "created_at",
)  # fmt: skip

type Row = tuple[str, ...]


def fill(contacts: int, *, mix: str, seed: int) -> None:
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        for _ in pool.imap_unordered(store, list_batches(contacts, mix=mix, seed=seed)):
            pass
    with database.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def list_batches(contacts: int, *, mix: str, seed: int) -> Iterator[list[Row]]:
    rows = Maker(MIXES[mix], contacts, seed).list_rows()
    while batch := list(islice(rows, BATCH)):
        yield batch


@transaction.atomic
def store(rows: Sequence[Row]) -> None:
    people = [(uuid7(), row) for row in rows]
    copy("contacts_contact", CONTACTS, (make_contact(key, row) for key, row in people))
    copy("contacts_identifier", IDENTIFIERS, (each for key, row in people for each in make_identifiers(key, row)))


def make_contact(key: Any, row: Row) -> Sequence[Any]:
    name, company, _, _, country, _ = row
    now, nothing = timezone.now(), encrypt(b"")
    texts = encrypt(name.encode()), encrypt(company.encode()), nothing
    return key, *texts, country, "", "", "", 0, "new", [], "{}", now, now


def make_identifiers(key: Any, row: Row) -> Iterator[Sequence[Any]]:
    _, _, email, phone, country, _ = row
    for kind, typed, normal in (
        (Kind.EMAIL, email, normalise_email(email)),
        (Kind.PHONE, phone, normalise_phone(phone, country)),
    ):
        if typed:
            index = index_value(kind, normal) if normal else None
            value, because = encrypt((normal or typed).encode()), encrypt(b"")
            yield key, kind.value, value, index, True, True, "", "", because, timezone.now()


def copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    names = ", ".join(f'"{column}"' for column in columns)
    with database.cursor() as cursor, cursor.cursor.copy(f"COPY {table} ({names}) FROM STDIN") as into:
        for row in rows:
            into.write_row(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, required=True)
    parser.add_argument("--mix", choices=list(MIXES), default="world")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    fill(options.contacts, mix=options.mix, seed=options.seed)


if __name__ == "__main__":
    main()
