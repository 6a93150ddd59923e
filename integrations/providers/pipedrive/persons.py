"""Contacts as Pipedrive's persons: found before they are made, since Pipedrive knows no upsert."""

from collections.abc import Iterator
from typing import Any

from integrations.exceptions import ConflictError, LostAnswerError, MissingError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.crm import CrmContact, Saved
from integrations.providers.pipedrive import client, fields, mapping
from integrations.providers.pipedrive.client import Params
from integrations.providers.pipedrive.errors import NAME

PATH = f"{client.V2}/persons"
# How many of the newest persons are searched for one whose making was not answered: the search lags behind.
NEWEST_PAGES = 4


def save_person(account: Account, contact: CrmContact) -> Saved:
    """1. The linked person, unless it was deleted. 2. The one with this e-mail. 3. One that an earlier try made.
    4. A new one.

    Raises ConflictError where it is unclear which one has the e-mail, and SetupError where a custom field is missing.
    """
    code = fields.find_field(account, fields.KEEPSYNC_ID).code
    converted = convert_custom(account, contact)
    linked = find_linked(account, contact.external_id)
    person = (
        linked
        or find_by_email(account, contact, code)
        or (find_made(account, contact.key, code) if contact.may_exist else None)
    )
    values = contact.list_changed() if linked else contact.values
    custom = dict(converted[target] for target in values if target in converted)
    body = mapping.build_person(values, {**custom, code: contact.key}, person)
    if person is None:
        return Saved(read_made_id(client.create(account, PATH, body)), is_new=True)
    number = person.integer("id", minimum=1)
    client.change(account, "PATCH", f"{PATH}/{number}", body)
    return Saved(str(number))


def convert_custom(account: Account, contact: CrmContact) -> dict[str, tuple[str, Any]]:
    """Code and value of the custom fields: every target that is no standard field names one."""
    converted = {}
    for target, value in contact.values.items():
        if target not in mapping.PERSON_FIELDS:
            custom_field = fields.find_field(account, target)
            converted[target] = (custom_field.code, fields.convert(value, custom_field))
    return converted


def find_linked(account: Account, external_id: str) -> PayloadReader | None:
    """None where there is no such person any more."""
    if not external_id:
        return None
    try:
        person = client.get(account, f"{PATH}/{mapping.read_id(external_id)}").object("data")
    except MissingError:
        return None
    return None if is_deleted(person) else person


def find_by_email(account: Account, contact: CrmContact, code: str) -> PayloadReader | None:
    """The person with our key, or else the one that has none yet."""
    numbers = search_email(account, contact.email) if contact.email else []
    if not numbers:
        return None
    params: Params = {"ids": ",".join(map(str, numbers)), "custom_fields": code, "limit": client.LARGEST_PAGE}
    found = [person for person in client.read_all(account, PATH, params) if not is_deleted(person)]
    ours = [person for person in found if read_key(person, code) == contact.key]
    free = [person for person in found if not read_key(person, code)]
    if len(ours or free) > 1:
        raise ConflictError(f"several persons at {NAME} have this contact's e-mail: merge them there, then replay.")
    if found and not (ours or free):
        raise ConflictError(
            f"the person at {NAME} with this contact's e-mail has another contact's {fields.KEEPSYNC_ID}: merge the "
            "contacts, or clear that field there, then replay."
        )
    return next(iter(ours or free), None)


def search_email(account: Account, email: str) -> list[int]:
    """Ids of the persons who have this address, in any case; the newest ones may be missing still."""
    params: Params = {"term": email, "fields": "email", "exact_match": "true", "limit": 100}
    answer = client.get(account, f"{PATH}/search", params).object("data")
    results = (PayloadReader(value, path).object("item") for path, value in answer.items("items"))
    return [item.integer("id", minimum=1) for item in results if email.casefold() in read_emails(item)][:100]


def read_emails(item: PayloadReader) -> Iterator[str]:
    values = item.value.get("emails")
    return (
        value.strip().casefold() for value in (values if isinstance(values, list) else []) if isinstance(value, str)
    )


def find_made(account: Account, key: str, code: str) -> PayloadReader | None:
    """The person that an earlier try made with our key, among the newest."""
    params: Params = {
        "sort_by": "add_time",
        "sort_direction": "desc",
        "custom_fields": code,
        "limit": client.LARGEST_PAGE,
    }
    newest = client.read_all(account, PATH, params, pages=NEWEST_PAGES)
    return next((person for person in newest if read_key(person, code) == key and not is_deleted(person)), None)


def read_key(person: PayloadReader, code: str) -> Any:
    """What stands in the person's field for our key; None where nothing does."""
    custom = person.value.get("custom_fields")
    return custom.get(code) if isinstance(custom, dict) else None


def is_deleted(record: PayloadReader) -> bool:
    """Deleted records can still be read for 30 days."""
    return record.value.get("is_deleted") is True


def read_made_id(record: PayloadReader) -> str:
    number = record.value.get("id")
    if not isinstance(number, int) or isinstance(number, bool):
        raise LostAnswerError(f"{NAME} answers without the id of the record that it was to make.")
    return str(number)


def merge_persons(account: Account, survivor_id: str, loser_id: str) -> str:
    """The id that is left. The address names the person that goes, and `merge_with_id` the one that stays:
    https://pipedrive.readme.io/docs/merging-two-persons

    Raises MissingError where neither can be found.
    """
    survivor, loser = mapping.read_id(survivor_id), mapping.read_id(loser_id)
    if survivor == loser:
        return survivor_id
    try:
        answer = client.change(account, "PUT", f"{client.V1}/persons/{loser}/merge", {"merge_with_id": survivor})
    except MissingError:
        if find_linked(account, survivor_id) is None:
            raise
        return survivor_id
    merged = answer.get("data") if isinstance(answer, dict) else None
    return read_made_id(PayloadReader(merged, "data")) if isinstance(merged, dict) and "id" in merged else survivor_id
