"""What the CRMs' lists of contacts have in common: a record that cannot be read is named, and never holds up a page."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from integrations.exceptions import PayloadError
from integrations.payloads import IDENTIFIER_LENGTH, PayloadReader, clean_value
from integrations.providers.crm import FoundConsent, FoundContact, UnreadContact

# None for a record that is no contact any more, such as a deleted one.
type ReadContact = Callable[[PayloadReader], FoundContact | None]


def read_contacts(
    records: Iterable[PayloadReader], read: ReadContact, *, id_field: str
) -> tuple[list[FoundContact], list[UnreadContact]]:
    contacts: list[FoundContact] = []
    unread: list[UnreadContact] = []
    for record in records:
        try:
            found = read(record)
        except PayloadError as error:
            unread.append(UnreadContact(find_id(record, id_field), error.field, str(error)))
        else:
            contacts += [found] if found else []
    return contacts, unread


def find_id(record: PayloadReader, name: str) -> str:
    """The record's id as far as it has one; else empty."""
    match record.value.get(name):
        case str(found) if len(found) <= IDENTIFIER_LENGTH:
            return str(clean_value(found))
        case int(found) if not isinstance(found, bool):
            return str(found)
    return ""


def check_cursor(found: str, cursor: str, path: str) -> None:
    """Raises PayloadError where the next page's cursor leads to the page that it came with, or is too long."""
    if found and found == cursor:
        raise PayloadError(path, "leads to the same page again.")
    if len(found) > IDENTIFIER_LENGTH:
        raise PayloadError(path, f"is longer than {IDENTIFIER_LENGTH} characters.")


def list_texts(*values: Any) -> tuple[str, ...]:
    """Those that are texts with something in them, trimmed, each once."""
    texts = [clean_value(value).strip() for value in values if isinstance(value, str)]
    return tuple(dict.fromkeys(filter(None, texts)))


def say_no(channel: str, wording: str, *, changed_at: datetime) -> FoundConsent:
    """A refusal whose time the CRM does not tell: it is as young as the contact's last change."""
    return FoundConsent(channel, is_given=False, said_at=changed_at, wording=wording)


def say_yes(channel: str, wording: str, *, created_at: datetime) -> FoundConsent:
    """A consent whose time the CRM does not tell: it is as old as the contact."""
    return FoundConsent(channel, is_given=True, said_at=created_at, wording=wording)
