"""Contacts in a CSV file, cleaned by several processes."""

import csv
import gzip
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from contacts.duplicates.columns import Builder, Columns, join_texts
from contacts.duplicates.records import Record, clean

FIELDS = ("id", "full_name", "company", "email", "phone", "country")
BATCH = 10_000
PROCESSES = 2

type Row = tuple[str, ...]


class FileError(Exception):
    """A file is not what it should be; the message names the line and the column."""


@dataclass(frozen=True, slots=True)
class Contacts:
    ids: list[str]
    columns: Columns


def read_contacts(path: Path, *, report: Callable[[int], None] = lambda count: None) -> Contacts:
    """The contacts of a file (UTF-8; .gz too). `report` is told after each batch how many there are so far.

    Raises FileError or OSError.
    """
    ids: list[str] = []
    builder = Builder()
    with open_text(path) as file:
        batches = list_batches(file, ids)
        for texts in clean_batches(batches):
            builder.add_joined(texts)
            report(len(ids))
    check_ids(ids)
    return Contacts(ids, builder.build())


def open_text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def list_batches(file: TextIO, ids: list[str]) -> Iterator[list[Row]]:
    """Rows in the order of FIELDS; their ids are added to `ids`."""
    rows = list_rows(file)
    while batch := list(islice(rows, BATCH)):
        ids.extend(row[0] for row in batch)
        yield batch


def list_rows(file: TextIO) -> Iterator[Row]:
    reader = csv.reader(file, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        places = [find_place(header, name) for name in FIELDS]
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise FileError(f"line {reader.line_num}: {len(row)} columns instead of {len(header)}")
            values = tuple(row[place] for place in places)
            if not values[0]:
                raise FileError(f"line {reader.line_num}, column id: empty")
            yield values
    except (csv.Error, UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
        # What csv refuses it has counted, what cannot be read it has not.
        line = reader.line_num + (not isinstance(error, csv.Error))
        raise FileError(f"line {line}: {error}") from error


def find_place(header: list[str], name: str) -> int:
    if header.count(name) != 1:
        problem = "is missing" if name not in header else "stands there twice"
        raise FileError(f"line 1, column {name}: {problem}")
    return header.index(name)


def check_ids(ids: list[str]) -> None:
    seen: set[str] = set()
    for number, each in enumerate(ids, 1):
        if each in seen:
            raise FileError(f"contact {number}, column id: {each!r} stands there twice")
        seen.add(each)


def clean_batches(batches: Iterator[list[Row]]) -> Iterator[list[str]]:
    """Each batch's columns, in the order of the batches. One batch is not worth a second process."""
    first = next(batches, None)
    if first is None:
        return
    second = next(batches, None)
    if second is None:
        yield clean_batch(first)
        return
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        waiting = [pool.apply_async(clean_batch, [batch]) for batch in (first, second)]
        while waiting:
            waiting += [pool.apply_async(clean_batch, [batch]) for batch in islice(batches, 1)]
            yield waiting.pop(0).get()


def clean_batch(rows: list[Row]) -> list[str]:
    contacts = [clean(Record(*row)) for row in rows]
    return join_texts(contacts)
