"""All persons of a company, page by page, in the order of their ids: no change moves one.

The marketing status is there only where the company has the marketing app. Where Pipedrive refuses to tell it, the page
is asked for once more without, and our cursor begins with a mark, so that the next ones are asked for without at once.
"""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from integrations.exceptions import PermanentError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.crm import ContactPage, FoundConsent, FoundContact
from integrations.providers.listing import check_cursor, list_texts, read_contacts, say_no, say_yes
from integrations.providers.pipedrive import client, persons
from integrations.providers.pipedrive.client import Params
from integrations.providers.pipedrive.fields import find_field
from integrations.providers.pipedrive.mapping import (
    NUMBERS,
    PERSON_FIELDS,
    UNKNOWN_NAME,
    WAYS,
    flatten,
    read_number,
    read_ways,
)

STATUS = "marketing_status"
WORDING = "Pipedrive: marketing status"
WITHOUT_STATUS = "-"
# How many custom fields a list can be asked for by name; without names it tells all of them.
MOST_CODES = 15


def list_contacts(account: Account, *, fields: Sequence[str], cursor: str, size: int) -> ContactPage:
    """Pipedrive does not count its persons: the total is known where the first page is all."""
    codes = find_codes(account, fields)
    params = {**write_params(codes), "sort_by": "id", "limit": size}
    if place := cursor.removeprefix(WITHOUT_STATUS):
        params["cursor"] = place
    page, mark = read_page(account, params, is_without_status=cursor.startswith(WITHOUT_STATUS))
    contacts, unread = read_contacts(page.items, lambda person: read_contact(person, fields, codes), id_field="id")
    following = f"{mark}{page.cursor}" if page.cursor else ""
    check_cursor(following, cursor, "additional_data.next_cursor")
    return ContactPage(contacts, following, None if cursor or following else len(page.items), unread)


def find_codes(account: Account, fields: Sequence[str]) -> dict[str, str]:
    """Those of the custom fields, by their names."""
    return {name: find_field(account, name).code for name in fields if name not in PERSON_FIELDS}


def write_params(codes: Mapping[str, str]) -> dict[str, str | int]:
    """What a list is asked for, so that `read_contact` finds the custom fields."""
    params: dict[str, str | int] = {"include_option_labels": "true"}
    if 0 < len(codes) <= MOST_CODES:
        params["custom_fields"] = ",".join(sorted(set(codes.values())))
    return params


def read_page(account: Account, params: Params, *, is_without_status: bool) -> tuple[client.Page, str]:
    """The page, and the mark of one without the marketing status."""
    if not is_without_status:
        # If it is refused for another reason, it is so again.
        with contextlib.suppress(PermanentError):
            return client.read_page(account, persons.PATH, {**params, "include_fields": STATUS}), ""
    return client.read_page(account, persons.PATH, params), WITHOUT_STATUS


def read_contact(person: PayloadReader, fields: Sequence[str], codes: Mapping[str, str]) -> FoundContact | None:
    """Raises PayloadError, naming the field. `codes` are those of the custom fields among `fields`, by their names."""
    number = person.integer("id", minimum=1)
    if persons.is_deleted(person):
        return None
    # One that was never changed has no time of it.
    changed_at = person.instant("update_time" if person.value.get("update_time") else "add_time")
    created_at = person.optional_instant("add_time")
    ways = {name: read_texts(person, name) for name in WAYS}
    custom = person.optional_object("custom_fields")
    own = {name: custom.value.get(code) for name, code in codes.items()} if custom else {}
    return FoundContact(
        str(number),
        values={
            name: flatten(own.get(name)) if name in codes else read_standard(person, name, ways) for name in fields
        },
        changed_at=changed_at,
        created_at=created_at,
        emails=ways["emails"],
        phones=ways["phones"],
        consents=read_consents(person, changed_at, created_at),
    )


def read_texts(person: PayloadReader, name: str) -> tuple[str, ...]:
    """Addresses or numbers, the primary one first."""
    ways = sorted(read_ways(person, name), key=lambda way: way.get("primary") is not True)
    return list_texts(*(way["value"] for way in ways))


def read_standard(person: PayloadReader, name: str, ways: Mapping[str, tuple[str, ...]]) -> Any:
    """A standard field's value in the form in which Keepsync would write it."""
    value = person.value.get(name)
    if name in ways:
        return next(iter(ways[name]), None)
    if name in NUMBERS:
        return read_number(value)
    if name == "name" and value in (UNKNOWN_NAME, next(iter(ways.get("emails", ())), "").partition("@")[0]):
        return None
    return flatten(value)


def read_consents(person: PayloadReader, changed_at: datetime, created_at: datetime | None) -> tuple[FoundConsent, ...]:
    """By the marketing status; no_consent is what nobody was asked, and archived who is not written to any more."""
    match person.value.get(STATUS):
        case "subscribed" if created_at:
            return (say_yes("email", f"{WORDING} subscribed", created_at=created_at),)
        case "unsubscribed":
            return (say_no("email", f"{WORDING} unsubscribed", changed_at=changed_at),)
    return ()
