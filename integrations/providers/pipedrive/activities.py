"""Meetings as Pipedrive's activities. They have no custom fields: our key is a line of the note."""

from collections.abc import Mapping, Sequence

from integrations.exceptions import MissingError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.crm import CrmMeeting, Saved
from integrations.providers.pipedrive import client, mapping, notes
from integrations.providers.pipedrive.client import Params
from integrations.providers.pipedrive.persons import is_deleted, read_made_id

PATH = f"{client.V2}/activities"
# How many of the newest activities are searched for one whose making was not answered.
NEWEST_PAGES = 4


def save_activity(account: Account, meeting: CrmMeeting) -> Saved:
    """1. The linked activity, unless it was deleted. 2. One that an earlier try made. 3. A new one."""
    linked = find_linked(account, meeting.external_id)
    activity = linked or (find_made(account, meeting) if meeting.may_exist else None)
    body = mapping.build_activity(meeting, activity, is_linked=linked is not None)
    if activity is None:
        return Saved(read_made_id(client.create(account, PATH, body)), is_new=True)
    number = activity.integer("id", minimum=1)
    if body:
        client.change(account, "PATCH", f"{PATH}/{number}", body)
    return Saved(str(number))


def find_linked(account: Account, external_id: str) -> PayloadReader | None:
    """None where there is no such activity any more."""
    if not external_id:
        return None
    try:
        activity = client.get(account, f"{PATH}/{mapping.read_id(external_id)}").object("data")
    except MissingError:
        return None
    return None if is_deleted(activity) else activity


def fetch_activities(account: Account, ids: Sequence[str]) -> dict[str, PayloadReader]:
    """Up to 100 of them by their ids, in one call; those that are not there any more are left out."""
    params: Params = {"ids": ",".join(client.list_ids(ids)), "limit": client.LARGEST_PAGE}
    items = client.read_all(account, PATH, params) if params["ids"] else ()
    return {str(item.integer("id", minimum=1)): item for item in items if not is_deleted(item)}


def find_made(account: Account, meeting: CrmMeeting) -> PayloadReader | None:
    """The activity that an earlier try made: among the leading contact's newest, then among all of the newest, because
    that try may not have known this contact yet."""
    narrow = {"person_id": mapping.read_id(meeting.contact_ids[0])} if meeting.contact_ids else {}
    return (find_newest(account, meeting.key, narrow) if narrow else None) or find_newest(account, meeting.key, {})


def find_newest(account: Account, key: str, narrow: Mapping[str, int]) -> PayloadReader | None:
    params: Params = {"sort_by": "add_time", "sort_direction": "desc", "limit": client.LARGEST_PAGE, **narrow}
    newest = client.read_all(account, PATH, params, pages=NEWEST_PAGES)
    return next((item for item in newest if notes.has_mark(item, key) and not is_deleted(item)), None)
