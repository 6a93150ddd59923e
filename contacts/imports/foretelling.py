"""Dry runs: what bringing a page would come to, in the light of the pages before it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from contacts.foresight import Foretold, Memory, Seen, foresee, list_page_indexes
from contacts.imports.outcomes import Outcome
from contacts.imports.rows import Row
from contacts.models import ImportRun, ImportSeen

SEEN = frozenset(field.name for field in fields(Seen))


def foretell(rows: Sequence[Row], run: ImportRun) -> list[Outcome]:
    """What bringing a page would come to. Nothing is changed but what the run remembers of those whom it has seen."""
    people = [(row.told.person, row.told.source) for row in rows if row.told]
    memory = recall(run, list_page_indexes(people))
    before = {index: replace(seen) for index, seen in memory.items()}
    told = iter(foresee(people, memory))
    outcomes = [foretell_one(row, next(told)) if row.told else Outcome(row) for row in rows]
    remember(run, {index: seen for index, seen in memory.items() if before.get(index) != seen})
    return outcomes


def foretell_one(row: Row, told: Foretold) -> Outcome:
    return Outcome(row, told.by, told.contact_id, told.for_review > 0, told.is_erased)


def recall(run: ImportRun, indexes: Collection[bytes]) -> Memory:
    rows = ImportSeen.objects.filter(run=run, index__in=indexes)
    return {bytes(row.index): read_seen(row.seen) for row in rows}


def remember(run: ImportRun, memory: Memory) -> None:
    ImportSeen.objects.bulk_create(
        [ImportSeen(run=run, index=index, seen=asdict(seen)) for index, seen in memory.items()],
        update_conflicts=True,
        unique_fields=["run", "index"],
        update_fields=["seen"],
    )


def read_seen(stored: Mapping[str, Any]) -> Seen:
    """A run that began before an update may have stored something else as well."""
    return Seen(**{name: stored[name] for name in SEEN if name in stored})
