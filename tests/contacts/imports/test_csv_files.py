"""CSV files as people have them: encodings, delimiters, headers, and cells that are wrong."""

import csv
import io
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts.imports.cells import clean, guard, unguard
from contacts.imports.columns import EXPORTED, IDENTIFYING, PASSED_OVER, TAKEN, read_name
from contacts.imports.csv_files import CsvFile, FileError
from contacts.imports.csv_rows import LineReader
from contacts.imports.exports import write_csv
from contacts.imports.rows import Row

UPLOADED = datetime(2026, 11, 20, 12, tzinfo=UTC)
ZOE = "Zoë Okafor,zoe@example.com"


def read_rows(content: bytes | str, region: str = "FR") -> list[Row]:
    file = CsvFile.open(content.encode() if isinstance(content, str) else content)
    reader = LineReader(UUID(int=7), UPLOADED, region, {"olga": 3, "olga@example.com": 3})
    return [reader.read(line, None) for line in file.list_lines()]


def read_one(**cells: str) -> Row:
    """A row with an address, and these cells."""
    cells = {"email": "zoe@example.com", **cells}
    [row] = read_rows("".join(write_csv(cells, [cells.values()])))
    return row


def read_person(**cells: str) -> Any:
    row = read_one(**cells)
    assert row.told, row.problem
    return row.told.person


# --- Encodings and delimiters -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_file_is_read_in_each_encoding_and_with_each_delimiter(encoding: str, delimiter: str, newline: str) -> None:
    lines = ["Name", "E-mail"], ['"Okafor, Zoë; Dr."', "zoe@example.com"]
    text = newline.join(delimiter.join(line) for line in lines)
    [row] = read_rows(text.encode(encoding))
    assert row.told
    assert (row.told.person.full_name, row.told.person.email) == ("Okafor, Zoë; Dr.", "zoe@example.com")


def test_a_guessed_encoding_is_told() -> None:
    assert any("Windows-1252" in note for note in CsvFile.open(f"name,email\n{ZOE}".encode("cp1252")).list_notes())
    assert not any("Windows-1252" in note for note in CsvFile.open(f"name,email\n{ZOE}".encode()).list_notes())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no column that says who somebody is"),
        (b"\n\n", "no column that says who somebody is"),
        (b"city,colour\nParis,red", "no column that says who somebody is"),
        (b"company,country\nOkafor,FR", "at least one of id, full_name, first_name, last_name, email, phone"),
        (b"email,E-Mail\na,b", "line 1, column email: stands there twice"),
        (b"PK\x03\x04\x00\x00", "no text file"),
        (b"\xff\xfea", "is not: save it as UTF-8"),
        (b"x" * (20 * 1024 * 1024 + 1), "larger than 20 MiB"),
    ],
)
def test_what_is_no_file_of_contacts_is_refused_with_advice(content: bytes, problem: str) -> None:
    with pytest.raises(FileError, match=problem):
        CsvFile.open(content)


def test_quotes_that_are_left_open_are_told_with_their_line() -> None:
    with pytest.raises(FileError, match="line 3"):
        read_rows(f'name,email\n{ZOE}\n"Marc,marc@example.com\n')


# --- Headers and lines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "column"),
    [("E-Mail", "email"), (" FULL NAME ", "full_name"), ("First Name", "first_name"), ("Phone Number", "phone")],
)
def test_headers_are_matched_however_they_are_written(header: str, column: str) -> None:
    assert read_name(header) == column


def test_the_columns_that_are_exported_are_known() -> None:
    assert {read_name(name) for name in EXPORTED} == {*EXPORTED}
    assert set(IDENTIFYING) <= set(TAKEN)
    assert not set(TAKEN) & PASSED_OVER


def test_unknown_columns_are_named_and_ignored() -> None:
    file = CsvFile.open(b"email,Shoe size,,as_typed\nzoe@example.com,38,x,y")
    assert "Columns that are ignored: Shoe size, column 3." in file.list_notes()
    [row] = read_rows(file.text)
    assert row.told
    assert row.values == {"email": "zoe@example.com", "Shoe size": "38", "column 3": "x", "as_typed": "y"}


def test_rows_are_numbered_by_their_first_line_and_empty_ones_left_out() -> None:
    rows = read_rows('email,notes\na@x.example,"two\nlines"\n\n,\nb@x.example,\n')
    assert [row.number for row in rows] == [2, 6]


@pytest.mark.parametrize(("line", "count"), [("zoe@example.com", 1), ("zoe@example.com,Zoe,Okafor", 3)])
def test_a_line_with_other_columns_than_the_header_is_refused(line: str, count: int) -> None:
    [row] = read_rows(f"email,name\n{line}")
    assert row.told is None
    assert row.problem == f"there are {count} columns instead of 2."


# --- Cells ------------------------------------------------------------------------------------------------------------


def test_first_and_last_name_make_the_full_one() -> None:
    assert read_person(first_name="Zoë", last_name="Okafor").full_name == "Zoë Okafor"
    assert read_person(full_name="Z. Okafor", first_name="Zoë").full_name == "Z. Okafor"


def test_several_emails_and_phones_are_all_taken() -> None:
    person = read_person(
        email="a@x.example; b@x.example", other_emails="c@x.example", phone="06 12 34 56 78", other_phones="+4930901820"
    )
    assert (person.email, person.more_emails) == ("a@x.example", ("b@x.example", "c@x.example"))
    assert (person.phone, person.more_phones) == ("+33612345678", ("+4930901820",))


def test_a_number_without_a_country_code_is_dialled_in_the_row_s_country() -> None:
    assert read_person(phone="030 901820", country="Germany").phone == "+4930901820"


@pytest.mark.parametrize(
    ("column", "cell", "problem"),
    [
        ("email", "zoe at x", "is no e-mail address."),
        ("other_emails", "zoe@x.example; zoe at x", "is no e-mail address."),
        ("phone", "12", "is no phone number, or the country that it is dialled in is not known."),
        ("phone", "+33 1", "is no phone number."),
        ("country", "Atlantis", "is no two-letter country such as FR."),
        ("timezone", "Mars/Olympus", "is no IANA time zone such as Europe/Paris."),
        ("lead_status", "hot", "is none of new, contacted, qualified, unqualified, customer."),
        ("lead_score", "-1", "is no whole number from 0 to 1,000,000."),
        ("lead_source", "x" * 65, "is longer than 64 characters."),
        ("owner", "nobody", "is no user here: give a user name or an e-mail address."),
        ("marketing_email", "perhaps", "is neither yes nor no."),
        ("marketing_email_at", "yesterday", "is no day or time such as 2026-11-24 or 2026-11-24T13:00:00Z."),
        ("updated_at", "2026-11-21", "lies in the future."),
        ("updated_at", "0001-01-01T00:00:00+14:00", "is no day or time such as 2026-11-24 or 2026-11-24T13:00:00Z."),
    ],
)
def test_a_cell_that_is_wrong_refuses_its_row_and_names_line_and_column(column: str, cell: str, problem: str) -> None:
    row = read_one(**{"marketing_email": "yes", column: cell})
    assert row.told is None
    assert (row.number, row.field, row.problem) == (2, column, problem)


@pytest.mark.parametrize(
    "cells",
    [
        {"full_name": "Zoë Okafor"},
        {"full_name": "Zoë", "company": "Okafor"},
        {"email": "info@okafor.example", "full_name": "Zoë Okafor"},
        {"notes": "Prefers mornings"},
    ],
)
def test_a_row_that_would_find_nobody_again_is_refused(cells: dict[str, str]) -> None:
    assert read_one(**{"email": "", **cells}).problem.startswith("nothing says who this is")


def test_name_and_company_say_who_somebody_is() -> None:
    assert read_one(email="", full_name="Zoë Okafor", company="Okafor SARL").told


def test_a_row_says_how_old_it_is_or_is_as_old_as_its_upload() -> None:
    dated, undated = read_one(updated_at="2026-11-01T10:00:00+01:00").told, read_one().told
    assert dated
    assert undated
    assert dated.source.seen_at == datetime(2026, 11, 1, 9, tzinfo=UTC)
    assert undated.source.seen_at == UPLOADED


def test_a_later_line_of_one_file_is_the_newer_one() -> None:
    first, second = read_rows("email,name\nzoe@example.com,Zoë\nzoe@example.com,Zoë O")
    assert first.told
    assert second.told
    assert first.told.source.reference < second.told.source.reference


def test_lead_fields_notes_and_owner_are_read() -> None:
    told = read_one(lead_source="Fair", lead_score="30", lead_status="Customer", owner="OLGA", notes="Mornings").told
    assert told
    assert (told.source.lead_source, told.person.lead_score) == ("Fair", 30)
    assert (told.details.lead_status, told.details.owner_id, told.details.notes) == ("customer", 3, "Mornings")


def test_consents_are_read_with_time_and_wording() -> None:
    told = read_one(
        marketing_email="Yes", marketing_email_at="2026-10-01", marketing_email_wording="News?", marketing_sms="no"
    ).told
    assert told
    [email, sms] = told.answers
    assert (email.said.channel, email.said.is_given, email.is_dated) == ("email", True, True)
    assert (email.said.given_at, email.said.wording) == (datetime(2026, 10, 1, tzinfo=UTC), "News?")
    assert (sms.said.channel, sms.said.is_given, sms.is_dated, sms.said.given_at) == ("sms", False, False, UPLOADED)


# --- Spreadsheets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["=1+1", "+SUM(A1)", "-1", "@x", "=cmd|'/C'!A0@x.example", "'=1", "\t=1"])
def test_what_a_spreadsheet_would_calculate_gets_an_apostrophe(text: str) -> None:
    assert guard(text) == f"'{text}"
    assert unguard(guard(text)) == text


@pytest.mark.parametrize("text", ["", "Zoë", "'Zoë'", "+33612345678", "+33 6 12 34 56 78", "a=b", "06-12"])
def test_other_texts_and_phone_numbers_are_left_as_they_are(text: str) -> None:
    assert guard(text) == unguard(text) == text


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
cells = st.text("ab=+-@'\"\t\r\n;, é", max_size=8) | texts


@given(rows=st.lists(st.lists(cells, min_size=3, max_size=3), max_size=4))
@settings(max_examples=60)
def test_what_is_written_is_read_back(rows: list[list[str]]) -> None:
    written = "".join(write_csv(["email", "notes", "owner"], rows)).encode()
    file = CsvFile.open(written)
    lines = list(file.list_lines())
    kept = [row for row in rows if any(guard(cell).strip() for cell in row)]

    assert [[clean(cell) for cell in line.cells.values()] for line in lines] == [
        [cell.strip() for cell in row] for row in kept
    ]


@given(rows=st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=4))
def test_no_cell_that_is_written_begins_a_formula(rows: list[list[str]]) -> None:
    written = list(csv.reader(io.StringIO("".join(write_csv(["a", "b"], rows)), newline="")))
    for cell in (cell for row in written for cell in row):
        assert not cell.startswith(("=", "-", "@", "\t", "\r"))
        assert not cell.startswith("+") or set(cell) <= set("+0123456789 ")
