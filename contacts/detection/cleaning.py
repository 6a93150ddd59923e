"""All contacts read, cleaned, and their blocking keys brought up to date, by several processes."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

import django
import numpy as np

from contacts.detection.keys import list_keys, store_keys
from contacts.detection.reading import list_ranges, read_range
from contacts.duplicates.columns import Builder, Columns, Ints, join_texts

BATCH = 5000
ID_BYTES = 16

type Bounds = tuple[UUID, UUID]
type CarryOut = Callable[[Callable[[Bounds], Part], Sequence[Bounds]], Iterable[Part]]


@dataclass(frozen=True, slots=True)
class Part:
    """Some contacts: their ids, one after another, how many rows each has, and of each column all rows' texts."""

    ids: bytes
    sizes: Sequence[int]
    texts: Sequence[str]
    unreadable: int
    keys_written: int


@dataclass(frozen=True, slots=True)
class People:
    """All contacts in the order of their ids. `starts`: the first row of each."""

    ids: bytes
    starts: Ints
    columns: Columns
    unreadable: int
    keys_written: int

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def owners(self) -> Ints | None:
        """As `find_matches` takes them; None where nobody has several rows."""
        if len(self.starts) == len(self.columns):
            return None
        sizes = np.diff(np.r_[self.starts, len(self.columns)])
        return np.repeat(self.starts, sizes)

    def find_ids(self, rows: Ints) -> list[UUID]:
        """Whose rows they are."""
        places = np.searchsorted(self.starts, rows, side="right") - 1
        return [UUID(bytes=self.ids[place : place + ID_BYTES]) for place in (places * ID_BYTES).tolist()]


def read_all(*, workers: int, has_writes: bool, report: Callable[[int], None]) -> People:
    """`report` is told after each batch how many contacts were read. Without workers it is done in this process."""
    work = clean_and_store if has_writes else clean_only
    ids, builder = bytearray(), Builder()
    sizes = [np.zeros(0, np.int64)]
    unreadable = keys_written = 0
    with open_pool(workers) as carry_out:
        for part in carry_out(work, list(list_ranges(BATCH))):
            unreadable, keys_written = unreadable + part.unreadable, keys_written + part.keys_written
            if part.sizes:
                ids += part.ids
                sizes.append(np.array(part.sizes, np.int64))
                builder.add_joined(part.texts)
            report(len(ids) // ID_BYTES)
    all_sizes = np.concatenate(sizes)
    return People(bytes(ids), np.cumsum(all_sizes) - all_sizes, builder.build(), unreadable, keys_written)


@contextmanager
def open_pool(workers: int) -> Iterator[CarryOut]:
    """What applies a function to many bounds, in their order."""
    if not workers:
        yield map
        return
    with multiprocessing.get_context("spawn").Pool(workers, initializer=django.setup) as pool:
        yield pool.imap


def clean_and_store(bounds: Bounds) -> Part:
    return clean_range(bounds, has_writes=True)


def clean_only(bounds: Bounds) -> Part:
    return clean_range(bounds, has_writes=False)


def clean_range(bounds: Bounds, *, has_writes: bool) -> Part:
    readings = read_range(*bounds)
    rows = {known.id: known.clean() for known in readings.contacts}
    keys_written = store_keys({key: list_keys(own) for key, own in rows.items()}) if has_writes else 0
    cleaned = [row for own in rows.values() for row in own]
    return Part(
        ids=b"".join(key.bytes for key in rows),
        sizes=[len(own) for own in rows.values()],
        texts=join_texts(cleaned),
        unreadable=len(readings.unreadable),
        keys_written=keys_written,
    )
