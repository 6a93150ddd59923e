"""What an import reads: pages of rows from a source, each row with a person or with what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contacts.claims import Person, Source
from contacts.consent import ConsentSource, Said
from contacts.models import ImportRun


@dataclass(frozen=True, slots=True)
class Answer:
    """What a row says of a consent. `is_dated` is False where it does not say since when."""

    said: Said
    is_dated: bool = True


@dataclass(frozen=True, slots=True)
class Details:
    """Of a contact, what no identity depends on. A contact that was there before keeps what it has of these."""

    notes: str = ""
    lead_status: str = ""
    owner_id: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Whom a row tells of, and where and when that was so."""

    person: Person
    source: Source
    details: Details = field(default_factory=Details)
    answers: tuple[Answer, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a file, or a record of a CRM. Without `told` it is refused: `problem` says why, `field` where.

    `number` is its line, or its place in the CRM's list; `values` are its texts as they came.
    """

    number: int
    values: Mapping[str, str]
    told: Told | None = None
    external_id: str = ""
    field: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """`cursor` leads to the next page; it is empty where this is the last. `total` is None where nobody has counted.

    `rest_s`: for how long the source asks to be left alone.
    """

    rows: Sequence[Row]
    cursor: str = ""
    total: int | None = None
    rest_s: float = 0


class RowSource:
    """Base of the sources. Override `read_page`, and set `consent_source`.

    One serves one slice of a run, so that it may keep what it has read.
    """

    consent_source: ConsentSource
    # Whether what changes here goes where the contact is already, as an edit by hand does.
    is_passed_on = False

    def __init__(self, run: ImportRun) -> None:
        self.run = run

    def read_page(self, cursor: str, start: int) -> Page:
        """The page at the cursor, before which `start` rows were read. Never inside a transaction.

        Raises a TransientError where the run waits and goes on by itself, another KeepsyncError where it fails.
        """
        raise NotImplementedError
