"""Reading meetings back, to compare them with what they should be."""

from collections.abc import Mapping, Sequence

from integrations.providers.base import Account
from integrations.providers.comparing import find_differing
from integrations.providers.crm import CrmMeeting, FoundMeeting
from integrations.providers.hubspot import client
from integrations.providers.hubspot.mapping import BODY, KEY, MEETINGS, OUTCOME, OUTCOMES, TIMESTAMP, write_meeting
from integrations.providers.values import read_rich_text


def read_meetings(account: Account, meetings: Sequence[CrmMeeting]) -> list[FoundMeeting | None]:
    """HubSpot refuses a batch that names a record twice."""
    ids = dict.fromkeys(each.external_id for each in meetings)
    names = dict.fromkeys([KEY, OUTCOME, *(name for each in meetings for name in each.values)])
    found = client.read_records(account, MEETINGS, ids, names) if ids else {}
    return [compare(each, found.get(each.external_id)) for each in meetings]


def compare(meeting: CrmMeeting, found: client.Found | None) -> FoundMeeting | None:
    if found is None:
        return None
    wanted: Mapping[str, str] = write_meeting(meeting)
    compared = [name for name in wanted if name not in (KEY, TIMESTAMP)]
    differing, digest = find_differing((name, wanted[name], read_text(found, name)) for name in compared)
    return FoundMeeting(
        found.id,
        key=found.properties.get(KEY, ""),
        differing=differing,
        digest=digest,
        is_cancelled=found.properties.get(OUTCOME) == OUTCOMES["cancelled"],
    )


def read_text(found: client.Found, name: str) -> str:
    """A rep's editor writes rich text."""
    text = found.properties.get(name, "")
    return read_rich_text(text) if name == BODY else text
