"""Contacts and meetings as they are now, by their ids."""

from collections.abc import Sequence

from integrations.exceptions import SetupError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.cancelling import is_marked
from integrations.providers.crm import FoundContact, MeetingRecord
from integrations.providers.salesforce import client
from integrations.providers.salesforce.listing import CONDITIONS, query_contacts, read_contact
from integrations.providers.salesforce.mapping import EVENT, KEY_FIELD, TITLE, choose_values, read_object
from integrations.providers.salesforce.saving import RECORD_ID

WHO, OWNER, STAMP = "WhoId", "OwnerId", "SystemModstamp"
# What an Event is that stands in a calendar and is no meeting: an invited colleague's copy, or a whole day.
OTHERS = ("IsChild", "IsAllDayEvent")


def fetch_meetings(account: Account, ids: Sequence[str], *, fields: Sequence[str]) -> list[MeetingRecord | None]:
    columns = list(dict.fromkeys(["Id", STAMP, KEY_FIELD, TITLE, WHO, OWNER, *OTHERS, *fields]))
    rows = client.look_up(account, EVENT, fields=columns, field="Id", values=list_ids(ids))
    found = {row.identifier("Id")[:15]: read_meeting(row, fields) for row in rows}
    return [found.get(each[:15]) for each in ids]


def read_meeting(row: PayloadReader, fields: Sequence[str]) -> MeetingRecord:
    """Of those who attend, an Event names the leading one."""
    attendee = row.optional_identifier(WHO)
    return MeetingRecord(
        row.identifier("Id"),
        values=choose_values(EVENT, row.value, fields),
        key=row.optional_text(KEY_FIELD),
        contact_ids=(attendee,) if attendee else (),
        owner_id=row.optional_identifier(OWNER),
        is_cancelled=is_marked(row.value.get(TITLE)),
        changed_at=row.instant(STAMP),
        is_meeting=not any(row.value.get(name) is True for name in OTHERS),
    )


def fetch_contacts(account: Account, ids: Sequence[str], *, fields: Sequence[str]) -> list[FoundContact | None]:
    sobject = read_object(account)
    also = "".join(f" AND {condition}" for condition in CONDITIONS[sobject])

    def ask(columns: Sequence[str]) -> list[PayloadReader]:
        return client.look_up(account, sobject, fields=columns, field="Id", values=list_ids(ids), also=also)

    rows = query_contacts(ask, sobject, fields, [])
    found = {row.identifier("Id")[:15]: read_contact(row, sobject, fields) for row in rows}
    return [found.get(each[:15]) for each in ids]


def list_ids(ids: Sequence[str]) -> list[str]:
    return [each for each in ids if RECORD_ID.fullmatch(each)]


def find_owner_email(account: Account, owner_id: str) -> str:
    """Empty too for a queue, and where the connection may not see who the users are."""
    try:
        rows = client.look_up(account, "User", fields=["Email"], field="Id", values=list_ids([owner_id]))
    except SetupError:
        return ""
    return rows[0].optional_text("Email") if rows else ""
