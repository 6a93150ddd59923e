"""Reading Events back, to compare them with what they should be."""

from collections.abc import Sequence

from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.cancelling import is_marked
from integrations.providers.comparing import find_differing
from integrations.providers.crm import CrmMeeting, FoundMeeting
from integrations.providers.salesforce import client
from integrations.providers.salesforce.mapping import EVENT, KEY_FIELD, TITLE, draft_meeting
from integrations.providers.salesforce.saving import RECORD_ID, read_row

# Who attends is told by a record's id, whose two forms differ.
NOT_COMPARED = frozenset({KEY_FIELD, "WhoId"})


def read_meetings(account: Account, meetings: Sequence[CrmMeeting]) -> list[FoundMeeting | None]:
    drafts = [draft_meeting(each).for_known() for each in meetings]
    fields = dict.fromkeys(["Id", KEY_FIELD, TITLE, *(name for draft in drafts for name in draft)])
    ids = [each.external_id for each in meetings if RECORD_ID.fullmatch(each.external_id)]
    rows = client.look_up(account, EVENT, fields=list(fields), field="Id", values=ids)
    by_id = {row.identifier("Id")[:15]: row for row in rows}
    return [compare(draft, by_id.get(each.external_id[:15])) for each, draft in zip(meetings, drafts, strict=True)]


def compare(draft: dict[str, object], row: PayloadReader | None) -> FoundMeeting | None:
    if row is None:
        return None
    found = read_row(row)
    compared = [name for name in draft if name not in NOT_COMPARED]
    differing, digest = find_differing((name, draft[name], row.value.get(name)) for name in compared)
    return FoundMeeting(
        found.id,
        key=found.key,
        differing=differing,
        digest=digest,
        is_cancelled=is_marked(row.value.get(TITLE)),
    )
