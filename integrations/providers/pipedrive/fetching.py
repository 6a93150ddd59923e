"""Persons and activities as they are now, by their ids; and what a webhook tells of them, in the same form."""

from collections.abc import Mapping, Sequence
from typing import Any

from integrations.events import RecordKind
from integrations.exceptions import MissingError, SetupError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.cancelling import is_marked
from integrations.providers.crm import FoundContact, MeetingRecord
from integrations.providers.pipedrive import client, listing, mapping, notes
from integrations.providers.pipedrive.activities import fetch_activities

# The labels of the lines that are ours, where no fields say what an administrator has made of them.
LABELS = notes.list_labels(mapping.DEFAULT_MAPPING["meeting"].values())

# --- Meetings ---------------------------------------------------------------------------------------------------------


def fetch_meetings(account: Account, ids: Sequence[str], *, fields: Sequence[str]) -> list[MeetingRecord | None]:
    found = {each: read_meeting(item, fields) for each, item in fetch_activities(account, ids).items()}
    return [found.get(each) for each in ids]


def read_meeting(activity: PayloadReader, fields: Sequence[str]) -> MeetingRecord:
    labels = [*LABELS, *notes.list_labels(fields)]
    return MeetingRecord(
        str(activity.integer("id", minimum=1)),
        values={name: read_value(name, activity.value, labels) for name in fields},
        key=notes.read_mark(activity),
        contact_ids=read_participants(activity),
        owner_id=mapping.read_number(activity.value.get("owner_id")) or "",
        is_cancelled=is_marked(activity.value.get("subject")),
        # One that was never changed has no time of it.
        changed_at=activity.optional_instant("update_time") or activity.optional_instant("add_time"),
        is_meeting=activity.value.get("type") not in mapping.OTHER_TYPES,
    )


def read_value(target: str, activity: Mapping[str, Any], labels: Sequence[str]) -> Any:
    if target == notes.NOTE:
        return notes.read_description(activity, labels)
    return notes.read_line(activity, target) if notes.is_of_note(target) else mapping.read_activity(target, activity)


def read_participants(activity: PayloadReader) -> tuple[str, ...]:
    """The persons, the primary one first."""
    found = [PayloadReader(value, path) for path, value in activity.items("participants", is_required=False)]
    found.sort(key=lambda participant: participant.value.get("primary") is not True)
    ids = [participant.integer("person_id", minimum=1) for participant in found]
    return tuple(dict.fromkeys(map(str, ids)))


# --- Contacts ---------------------------------------------------------------------------------------------------------


def fetch_contacts(account: Account, ids: Sequence[str], *, fields: Sequence[str]) -> list[FoundContact | None]:
    asked = client.list_ids(ids)
    if not asked:
        return [None for _ in ids]
    codes = listing.find_codes(account, fields)
    params = {**listing.write_params(codes), "ids": ",".join(asked), "limit": client.LARGEST_PAGE}
    page, _ = listing.read_page(account, params, is_without_status=False)
    contacts = (listing.read_contact(person, fields, codes) for person in page.items)
    found = {contact.external_id: contact for contact in contacts if contact}
    return [found.get(each) for each in ids]


# --- Users and changes ------------------------------------------------------------------------------------------------


def find_owner_email(account: Account, owner_id: str) -> str:
    """Empty too where the connection may not see who the users are. They are in API v1 only."""
    if not client.list_ids([owner_id]):
        return ""
    try:
        return client.get(account, f"{client.V1}/users/{owner_id}").object("data").optional_text("email")
    except (MissingError, SetupError):
        return ""


def read_changed(record: RecordKind, values: Mapping[str, Any]) -> dict[str, Any]:
    """Custom fields stand by themselves, by their codes. A chosen option is left out: only its id is told."""
    if record == RecordKind.MEETING:
        return {name: read_value(name, values, LABELS) for name in values}
    person = PayloadReader(values, "")
    ways = {name: listing.read_texts(person, name) for name in mapping.WAYS & values.keys()}
    read = {name: listing.read_standard(person, name, ways) for name in values if name != "custom_fields"}
    custom = values.get("custom_fields")
    told = {code: value for code, value in custom.items() if is_told(value)} if isinstance(custom, dict) else {}
    return read | {code: mapping.flatten(value) for code, value in told.items()}


def is_told(value: Any) -> bool:
    return not isinstance(value, dict) or "value" in value or "label" in value
