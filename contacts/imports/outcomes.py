"""What became of rows: counted, and kept where a person should see them."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from contacts.imports.rows import Row
from contacts.models import ImportRow, ImportRun, Matched

PROBLEM_LENGTH = 500
FIELD_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one row. Without `matched_by` it was refused, for the row's problem."""

    row: Row
    matched_by: Matched.By | None = None
    contact_id: UUID | None = None
    is_for_review: bool = False
    is_erased: bool = False


@dataclass(frozen=True, slots=True)
class Tally:
    """Counts, under the names of the run's columns. Each row read is created, matched, refused or erased."""

    read: int = 0
    created: int = 0
    matched: int = 0
    for_review: int = 0
    refused: int = 0
    erased: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in COUNTS})


COUNTS = tuple(Tally.__dataclass_fields__)


def count(outcomes: Iterable[Outcome]) -> Tally:
    tally = Tally()
    for each in outcomes:
        is_refused, is_new = each.matched_by is None, each.matched_by == Matched.By.NEW
        is_known = not (is_refused or each.is_erased)
        tally += Tally(
            read=1,
            created=is_known and is_new,
            matched=is_known and not is_new,
            for_review=is_known and each.is_for_review,
            refused=is_refused,
            erased=each.is_erased,
        )
    return tally


def list_shown(run: ImportRun, outcomes: Iterable[Outcome]) -> list[ImportRow]:
    """What a person should see of a page. Only of refused rows the values are kept: the others are in the contact."""
    return [
        ImportRow(
            run=run,
            number=each.row.number,
            external_id=each.row.external_id,
            outcome=ImportRow.Outcome.FOR_REVIEW if each.matched_by else ImportRow.Outcome.REFUSED,
            field=each.row.field[:FIELD_LENGTH],
            problem=each.row.problem[:PROBLEM_LENGTH],
            contact_id=each.contact_id,
            values={} if each.matched_by else dict(each.row.values),
        )
        for each in outcomes
        if each.matched_by is None or (each.is_for_review and not each.is_erased)
    ]


def describe(row: ImportRow) -> str:
    """What is wrong with a row, and where."""
    place = f"record {row.external_id}" if row.external_id else f"line {row.number}"
    column = f", {'field' if row.external_id else 'column'} {row.field}" if row.field else ""
    return f"{place}{column}: {row.problem}"
