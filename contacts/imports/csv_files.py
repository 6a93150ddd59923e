"""A CSV file as it is uploaded: its encoding, delimiter, header and lines. Pure."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from contacts.imports.columns import IDENTIFYING, PASSED_OVER, TAKEN, read_name
from integrations.exceptions import PermanentError

LARGEST_FILE = 20 * 1024 * 1024
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
# How many names of columns that are ignored are told.
NAMES_TOLD = 20


class FileError(PermanentError):
    """The file cannot be read as contacts; the message says where, and what to do."""


@dataclass(frozen=True, slots=True)
class Line:
    """`number` is that of its first line in the file. `cells` stand under the header's names, as they came."""

    number: int
    cells: dict[str, str]
    # Column of ours → cell.
    known: dict[str, str]
    problem: str = ""


@dataclass(frozen=True)
class CsvFile:
    """Raises FileError where there is no header with columns of ours."""

    text: str
    encoding: str

    @classmethod
    def open(cls, content: bytes) -> "CsvFile":
        """Raises FileError for what is too large, or no text."""
        if len(content) > LARGEST_FILE:
            raise FileError("The file is larger than 20 MiB: divide it.")
        text, encoding = decode(content)
        if "\0" in text:
            raise FileError("This is no text file: save it as CSV (UTF-8).")
        file = cls(text, encoding)
        file.check_header()
        return file

    @cached_property
    def delimiter(self) -> str:
        """The one that finds most columns of ours; of several, that which finds most columns."""
        headers = {sign: read_header(self.text, sign) for sign in DELIMITERS}
        return max(headers, key=lambda sign: (count_known(headers[sign]), len(headers[sign])))

    @cached_property
    def header(self) -> list[str]:
        """Every name once; one that is missing says where it stands."""
        names = [
            name.strip() or f"column {place}" for place, name in enumerate(read_header(self.text, self.delimiter), 1)
        ]
        seen: Counter[str] = Counter()
        unique = []
        for name in names:
            seen[name] += 1
            unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
        return unique

    @cached_property
    def columns(self) -> list[str]:
        """For each place of the header the column of ours; empty where it is ignored."""
        return [read_name(name) for name in read_header(self.text, self.delimiter)]

    def check_header(self) -> None:
        known = [name for name in self.columns if name in TAKEN]
        twice = [name for name, count in Counter(known).items() if count > 1]
        if twice:
            raise FileError(f"line 1, column {twice[0]}: stands there twice.")
        if not set(known) & set(IDENTIFYING):
            raise FileError(
                "line 1: there is no column that says who somebody is. "
                f"Name the columns in the first line; at least one of {', '.join(IDENTIFYING)}."
            )

    def list_notes(self) -> list[str]:
        """What who uploads the file should know of how it is read."""
        notes = [f"Its columns are parted by {DELIMITERS[self.delimiter]}."]
        if self.encoding == "cp1252":
            notes.append(
                "It is not UTF-8, so it was read as Windows-1252 (Latin-1): look whether accents are right, "
                "or save it as CSV UTF-8."
            )
        ignored = [name for name, ours in zip(self.header, self.columns, strict=True) if not ours]
        if ignored:
            more = f" and {len(ignored) - NAMES_TOLD} more" if len(ignored) > NAMES_TOLD else ""
            notes.append(f"Columns that are ignored: {', '.join(ignored[:NAMES_TOLD])}{more}.")
        return notes

    def list_lines(self) -> Iterator[Line]:
        """All but the header and empty lines. Raises FileError, naming the line, where quotes are left open."""
        reader = csv.reader(io.StringIO(self.text, newline=""), delimiter=self.delimiter, strict=True)
        begins_at = 1
        try:
            next(reader, None)
            begins_at = reader.line_num + 1
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield self.read_line(begins_at, cells)
                begins_at = reader.line_num + 1
        except csv.Error as error:
            raise FileError(f"line {begins_at}: {error}.") from error

    def read_line(self, number: int, cells: list[str]) -> Line:
        named = dict(zip(self.header, cells, strict=False))
        named |= {f"column {place}": cell for place, cell in enumerate(cells[len(self.header) :], len(self.header) + 1)}
        if len(cells) != len(self.header):
            problem = f"there are {len(cells)} columns instead of {len(self.header)}."
            return Line(number, named, {}, problem)
        known = {ours: cell for ours, cell in zip(self.columns, cells, strict=True) if ours and ours not in PASSED_OVER}
        return Line(number, named, known)


def decode(content: bytes) -> tuple[str, str]:
    """By its byte order mark, else as UTF-8, else as Windows-1252. Raises FileError."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            try:
                return content.decode(encoding), encoding
            except UnicodeDecodeError as error:
                raise FileError(
                    f"The file says that it is {encoding.upper()}, and is not: save it as UTF-8."
                ) from error
    try:
        return content.decode(), "utf-8"
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace"), "cp1252"


def read_header(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), [])
    except csv.Error as error:
        raise FileError(f"line 1: {error}.") from error


def count_known(header: list[str]) -> int:
    return sum(bool(read_name(name)) for name in header)
