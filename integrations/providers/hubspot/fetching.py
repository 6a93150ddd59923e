"""Contacts and meetings as they are now, by their ids."""

from collections.abc import Iterable, Mapping, Sequence

from integrations.exceptions import MissingError, SetupError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.crm import FoundContact, MeetingRecord
from integrations.providers.hubspot import client
from integrations.providers.hubspot.listing import list_properties, read_contact
from integrations.providers.hubspot.mapping import CONTACTS, KEY, MEETINGS, OUTCOME, OUTCOMES, OWNER, read_value


def fetch_meetings(account: Account, ids: Sequence[str], *, fields: Sequence[str]) -> list[MeetingRecord | None]:
    names = dict.fromkeys([*fields, KEY, OUTCOME, OWNER])
    records = fetch_by_id(account, MEETINGS, ids, names)
    attendees = client.list_attendees(account, records) if records else {}
    found = {each: read_meeting(record, fields, attendees) for each, record in records.items()}
    return [found.get(each) for each in ids]


def read_meeting(
    record: PayloadReader, fields: Sequence[str], attendees: Mapping[str, tuple[str, ...]]
) -> MeetingRecord:
    """HubSpot does not tell who of them leads."""
    found, changed_at = client.read_record(record), record.instant("updatedAt")
    return MeetingRecord(
        found.id,
        values={name: read_value(name, found.properties.get(name)) for name in fields},
        key=found.properties.get(KEY, ""),
        contact_ids=attendees.get(found.id, ()),
        owner_id=found.properties.get(OWNER, ""),
        is_cancelled=found.properties.get(OUTCOME) == OUTCOMES["cancelled"],
        changed_at=changed_at,
    )


def fetch_contacts(account: Account, ids: Sequence[str], *, fields: Sequence[str]) -> list[FoundContact | None]:
    """One that was merged is the contact that it went into."""
    records = fetch_by_id(account, CONTACTS, ids, [*list_properties(fields), client.MERGED_IDS])
    merged = {each: record for record in records.values() for each in list_merged(record)}
    found = {each: read_contact(record, fields) for each, record in (merged | records).items() if each in ids}
    return [found.get(each) for each in ids]


def list_merged(record: PayloadReader) -> list[str]:
    return client.read_record(record).properties.get(client.MERGED_IDS, "").split(";")


def fetch_by_id(account: Account, kind: str, ids: Sequence[str], properties: Iterable[str]) -> dict[str, PayloadReader]:
    """By the ids that they have now. HubSpot refuses a batch that names a record twice, or by what is no id."""
    asked = dict.fromkeys(each for each in ids if each.isascii() and each.isdecimal())
    records = client.fetch_records(account, kind, asked, properties) if asked else []
    return {record.identifier("id"): record for record in records if record.value.get("archived") is not True}


def find_owner_email(account: Account, owner_id: str) -> str:
    """Empty too where the connection may not see who the owners are."""
    if not owner_id:
        return ""
    try:
        return client.find_owner_email(account, owner_id)
    except (MissingError, SetupError):
        return ""
