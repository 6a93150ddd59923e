"""Contacts as lines of a CSV file, which an import reads again and finds each of them."""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import batched
from typing import Any

from django.db.models import QuerySet

from contacts.imports.cells import guard
from contacts.imports.columns import CHANNELS, EXPORTED
from contacts.models import Consent, Contact, Identifier
from integrations.privacy.encryption import UnreadableValueError

# Spreadsheets take a file for UTF-8 by this.
BYTE_ORDER_MARK = "\ufeff"
CHUNK = 500
Kind = Identifier.Kind


class Echo:
    """A file for csv.writer that hands back what it is given."""

    def write(self, text: str) -> str:
        return text


def write_csv(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """A file in pieces: UTF-8 with a byte order mark, commas, and every cell guarded against spreadsheets' formulas."""
    writer: Any = csv.writer(Echo())
    yield BYTE_ORDER_MARK + writer.writerow(map(guard, header))
    for row in rows:
        yield writer.writerow(map(guard, row))


def export_contacts(contacts: QuerySet[Contact]) -> Iterator[str]:
    """The file of these contacts. It is read by a cursor in the database, so that memory does not grow with it."""
    return write_csv(EXPORTED, list_rows(contacts))


def list_rows(contacts: QuerySet[Contact]) -> Iterator[list[str]]:
    """People who were merged into others, or erased, have no line of their own."""
    living = contacts.filter(merged_into=None, erased_at=None).select_related("owner")
    found = living.prefetch_related("identifiers").iterator(chunk_size=CHUNK)
    for batch in batched(found, CHUNK):
        consents = find_latest(batch)
        for contact in batch:
            cells = list_cells(contact, consents.get(contact.pk, {}))
            yield [cells.get(column, "") for column in EXPORTED]


def find_latest(contacts: Iterable[Contact]) -> dict[Any, dict[str, Consent]]:
    """Contact → channel → the latest word on marketing messages."""
    said = Consent.objects.filter(
        contact__in=[contact.pk for contact in contacts], purpose=Consent.Purpose.MARKETING
    ).order_by("contact_id", "channel", "-given_at", "is_given", "-id")
    latest: dict[Any, dict[str, Consent]] = {}
    for consent in said.distinct("contact_id", "channel"):
        latest.setdefault(consent.contact_id, {})[consent.channel] = consent
    return latest


def list_cells(contact: Contact, consents: dict[str, Consent]) -> dict[str, str]:
    """What cannot be read for want of a key is left empty: an import changes nothing by it."""
    emails, phones = list_normal(contact, Kind.EMAIL), list_normal(contact, Kind.PHONE)
    cells = {
        "id": str(contact.pk),
        "full_name": read(contact, "full_name"),
        "email": emails[0] if emails else "",
        "other_emails": "; ".join(emails[1:]),
        "phone": phones[0] if phones else "",
        "other_phones": "; ".join(phones[1:]),
        "company": read(contact, "company"),
        "country": contact.country,
        "timezone": contact.timezone,
        "notes": read(contact, "notes"),
        "lead_source": contact.lead_source,
        "lead_score": str(contact.lead_score),
        "lead_status": contact.lead_status,
        "owner": contact.owner.get_username() if contact.owner else "",
        "as_typed": "; ".join(list_typed(contact)),
        "created_at": format_instant(contact.created_at),
        "updated_at": format_instant(contact.updated_at),
    }
    for channel in CHANNELS:
        if consent := consents.get(channel):
            cells[f"marketing_{channel}"] = "yes" if consent.is_given else "no"
            cells[f"marketing_{channel}_at"] = format_instant(consent.given_at)
            cells[f"marketing_{channel}_wording"] = read(consent, "wording")
    return cells


def list_current(contact: Contact) -> list[Identifier]:
    return [each for each in contact.identifiers.all() if each.is_current]


def list_normal(contact: Contact, kind: Kind) -> list[str]:
    """Each once, in the order in which they came."""
    rows = [each for each in list_current(contact) if each.kind == kind and each.index is not None]
    return list(dict.fromkeys(filter(None, (read(row, "value") for row in rows))))


def list_typed(contact: Contact) -> list[str]:
    """E-mails and phones that have no normal form, and so lead to nobody."""
    rows = [each for each in list_current(contact) if each.kind != Kind.ATTENDEE_ID and each.index is None]
    return list(filter(None, (read(row, "value") for row in rows)))


def read(row: Any, field: str) -> str:
    try:
        return str(getattr(row, field))
    except UnreadableValueError:
        return ""


def format_instant(moment: datetime) -> str:
    """To the microsecond, so that it is the same one when it is read again."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
