"""Cells of a CSV file: what a spreadsheet must not take for a formula, and texts as values. Pure."""

import re
import zoneinfo
from datetime import UTC, datetime
from functools import cache

from contacts.models import Contact
from integrations.countries import read_country
from integrations.payloads import UNSTORABLE

# What a spreadsheet would calculate. A phone number in E.164 is a plus sign and digits: it comes to no harm.
FORMULA = re.compile(r"'*[=+\-@\t\r]")
GUARDED = re.compile(r"'+[=+\-@\t\r]")
NUMBER = re.compile(r"\+[0-9 ]+")
# Between several values of one cell.
SEPARATOR = re.compile(r"[;\n]")
YES = frozenset({"yes", "y", "true", "1"})
NO = frozenset({"no", "n", "false", "0"})
LARGEST_SCORE = 1_000_000


class CellError(Exception):
    """What is wrong with a cell, for `column` to be named before it."""

    def __init__(self, column: str, problem: str) -> None:
        super().__init__(problem)
        self.column = column


def guard(text: str) -> str:
    """With an apostrophe before what a spreadsheet would take for a formula. `unguard` takes it away."""
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def unguard(text: str) -> str:
    return text[1:] if GUARDED.match(text) else text


def clean(cell: str) -> str:
    return UNSTORABLE.sub("", unguard(cell)).strip()


def split_cell(text: str) -> list[str]:
    return [part for each in SEPARATOR.split(text) if (part := each.strip())]


def read_yes(column: str, text: str) -> bool:
    word = text.casefold()
    if word not in YES | NO:
        raise CellError(column, "is neither yes nor no.")
    return word in YES


def read_instant(column: str, text: str, *, latest: datetime) -> datetime:
    """A day or an instant; without an offset in UTC."""
    try:
        read = datetime.fromisoformat(text)
        moment = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise CellError(column, "is no day or time such as 2026-11-24 or 2026-11-24T13:00:00Z.") from None
    if moment > latest:
        raise CellError(column, "lies in the future.")
    return moment


def read_code(column: str, text: str) -> str:
    """A country's code; its English name will do."""
    code = read_country(text)
    if text and not code:
        raise CellError(column, "is no two-letter country such as FR.")
    return code


@cache
def time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def read_zone(column: str, text: str) -> str:
    if text and text not in time_zones():
        raise CellError(column, "is no IANA time zone such as Europe/Paris.")
    return text


def read_status(column: str, text: str) -> str:
    word = text.casefold()
    if word and word not in Contact.LeadStatus.values:
        raise CellError(column, f"is none of {', '.join(Contact.LeadStatus.values)}.")
    return word


def read_score(column: str, text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) or int(text) > LARGEST_SCORE:
        raise CellError(column, f"is no whole number from 0 to {LARGEST_SCORE:,}.")
    return int(text)


def read_short(column: str, text: str, *, length: int) -> str:
    if len(text) > length:
        raise CellError(column, f"is longer than {length} characters.")
    return text
