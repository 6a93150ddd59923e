"""Lines of a CSV file as rows of an import. `LineReader` is pure; `CsvSource` looks up whom an id or an owner names."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from uuid import UUID

from django.contrib.auth.models import User

from contacts.claims import Person, Source, index_name_and_company
from contacts.consent import ConsentSource, Said
from contacts.imports import cells
from contacts.imports.cells import CellError
from contacts.imports.columns import CHANNELS
from contacts.imports.csv_files import CsvFile, FileError, Line
from contacts.imports.rows import Answer, Details, Page, Row, RowSource, Told
from contacts.models import Consent, Contact, ImportRun
from contacts.normalisation import is_role_mailbox, normalise_email, normalise_phone

LEAD_SOURCE = "import"
SOURCE_LENGTH = 64
PAGE = 100
NOBODY = (
    "nothing says who this is: give an e-mail address or a phone number of one person, or a first and last name with "
    "a company."
)

type Cells = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LineReader:
    """What a file's lines mean. `owners` are our users by user name and e-mail address, in lower case."""

    run_id: UUID
    uploaded_at: datetime
    default_region: str
    owners: Mapping[str, int]

    def read(self, line: Line, contact_id: UUID | None) -> Row:
        """`contact_id` is the id that the line names, if somebody here has it."""
        if line.problem:
            return Row(line.number, line.cells, problem=line.problem)
        known = {column: cells.clean(cell) for column, cell in line.known.items()}
        try:
            return Row(line.number, line.cells, told=self.read_told(line.number, known, contact_id))
        except CellError as error:
            return Row(line.number, line.cells, field=error.column, problem=str(error))

    def read_told(self, number: int, known: Cells, contact_id: UUID | None) -> Told:
        person = self.read_person(known, contact_id)
        if contact_id is None and not is_identified(person):
            raise CellError("", NOBODY)
        seen_at = self.uploaded_at
        if text := known.get("updated_at"):
            seen_at = cells.read_instant("updated_at", text, latest=self.uploaded_at)
        lead_source = cells.read_short("lead_source", known.get("lead_source", ""), length=SOURCE_LENGTH)
        return Told(
            person,
            Source(
                connection_id=None,
                lead_source=lead_source or LEAD_SOURCE,
                default_region=self.default_region,
                seen_at=seen_at,
                reference=f"import/{self.run_id}/{number:09d}",
                # Who names an id edits that contact; all others only say what is not known yet.
                is_modest=contact_id is None,
            ),
            self.read_details(known),
            tuple(self.list_answers(known, seen_at)),
        )

    def read_person(self, known: Cells, contact_id: UUID | None) -> Person:
        country = cells.read_code("country", known.get("country", ""))
        emails = list_emails(known)
        phones = self.list_phones(known, country)
        names = [known.get(name, "") for name in ("first_name", "last_name")]
        return Person(
            email=emails[0] if emails else "",
            more_emails=tuple(emails[1:]),
            phone=phones[0] if phones else "",
            more_phones=tuple(phones[1:]),
            full_name=known.get("full_name") or " ".join(filter(None, names)),
            company=known.get("company", ""),
            country=country,
            timezone=cells.read_zone("timezone", known.get("timezone", "")),
            lead_score=cells.read_score("lead_score", known.get("lead_score", "")),
            contact_id=contact_id,
        )

    def list_phones(self, known: Cells, country: str) -> list[str]:
        """In E.164."""
        read = []
        for column, typed in list_typed(known, "phone", "other_phones"):
            phone = normalise_phone(typed, country, self.default_region)
            if phone is None:
                hint = "" if typed.startswith("+") else ", or the country that it is dialled in is not known"
                raise CellError(column, f"is no phone number{hint}.")
            read.append(phone)
        return read

    def read_details(self, known: Cells) -> Details:
        owner = known.get("owner", "").casefold()
        if owner and owner not in self.owners:
            raise CellError("owner", "is no user here: give a user name or an e-mail address.")
        status = cells.read_status("lead_status", known.get("lead_status", ""))
        return Details(known.get("notes", ""), status, self.owners.get(owner))

    def list_answers(self, known: Cells, seen_at: datetime) -> Iterator[Answer]:
        for channel in CHANNELS:
            column = f"marketing_{channel}"
            if not (text := known.get(column)):
                continue
            at = known.get(f"{column}_at")
            given_at = cells.read_instant(f"{column}_at", at, latest=self.uploaded_at) if at else seen_at
            is_given, wording = cells.read_yes(column, text), known.get(f"{column}_wording", "")
            yield Answer(
                Said(Consent.Purpose.MARKETING, channel, is_given=is_given, given_at=given_at, wording=wording),
                is_dated=bool(at),
            )


def list_typed(known: Cells, first: str, others: str) -> list[tuple[str, str]]:
    """Column and value, in order."""
    return [(column, typed) for column in (first, others) for typed in cells.split_cell(known.get(column, ""))]


def list_emails(known: Cells) -> list[str]:
    found = list_typed(known, "email", "other_emails")
    for column, typed in found:
        if normalise_email(typed) is None:
            raise CellError(column, "is no e-mail address.")
    return [email for _, email in found]


def is_identified(person: Person) -> bool:
    """Whether the same row, imported again, would find the contact that it has made."""
    emails = [normalise_email(email) for email in (person.email, *person.more_emails) if email]
    return bool(
        person.phone
        or any(email and not is_role_mailbox(email) for email in emails)
        or index_name_and_company(person.full_name, person.company)
    )


class CsvSource(RowSource):
    """The cursor is the number of lines that were read."""

    consent_source = ConsentSource(LEAD_SOURCE)
    is_passed_on = True

    def __init__(self, run: ImportRun) -> None:
        super().__init__(run)
        if run.content is None:
            raise FileError("The file is not here any more: upload it again.")
        self.lines = CsvFile.open(run.content).list_lines()
        self.place = 0
        self.reader = LineReader(run.pk, run.created_at, run.default_region, find_owners())

    def read_page(self, cursor: str, start: int) -> Page:
        """Pages follow one another: none is read twice by one source."""
        skipped = int(cursor or 0) - self.place
        lines = list(islice(self.lines, skipped, skipped + PAGE))
        self.place += skipped + len(lines)
        ids = find_contacts(lines)
        rows = [self.reader.read(line, ids.get(line.known.get("id", "").strip())) for line in lines]
        return Page(rows, cursor=str(self.place) if len(lines) == PAGE else "")


def find_contacts(lines: Iterable[Line]) -> dict[str, UUID]:
    """Of the ids that lines name, those that contacts here have. All others say nothing to us."""
    named: dict[str, UUID] = {}
    for line in lines:
        text = line.known.get("id", "").strip()
        try:
            named[text] = UUID(text)
        except ValueError:
            continue
    known = set(Contact.objects.filter(pk__in=named.values()).values_list("pk", flat=True)) if named else set()
    return {text: key for text, key in named.items() if key in known}


def find_owners() -> dict[str, int]:
    """Our users' ids by user name and by e-mail address, in lower case. A name goes before an address."""
    users = list(User.objects.filter(is_active=True).values_list("pk", "username", "email"))
    by_email = {email.casefold(): key for key, _, email in users if email}
    return by_email | {name.casefold(): key for key, name, _ in users}
