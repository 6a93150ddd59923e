"""Reading activities back, to compare them with what they should be."""

import html
from collections.abc import Iterator, Sequence
from typing import Any

from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.comparing import find_differing
from integrations.providers.crm import CrmMeeting, FoundMeeting
from integrations.providers.pipedrive import client, mapping
from integrations.providers.pipedrive.activities import PATH
from integrations.providers.pipedrive.persons import is_deleted

# Times may come back with their seconds.
CLOCKS = frozenset({"due_time", "duration"})


def read_meetings(account: Account, meetings: Sequence[CrmMeeting]) -> list[FoundMeeting | None]:
    ids = dict.fromkeys(each.external_id for each in meetings if each.external_id.isdecimal())
    items = client.read_all(account, PATH, {"ids": ",".join(ids), "limit": client.LARGEST_PAGE}) if ids else ()
    by_id = {str(item.integer("id", minimum=1)): item for item in items if not is_deleted(item)}
    return [compare(each, by_id.get(each.external_id)) for each in meetings]


def compare(meeting: CrmMeeting, activity: PayloadReader | None) -> FoundMeeting | None:
    if activity is None:
        return None
    differing, digest = find_differing(list_fields(meeting, activity))
    return FoundMeeting(
        str(activity.integer("id", minimum=1)),
        key=mapping.read_mark(activity),
        differing=differing,
        digest=digest,
        is_cancelled=str(activity.value.get("subject")).startswith(mapping.CANCELLED.strip()),
    )


def list_fields(meeting: CrmMeeting, activity: PayloadReader) -> Iterator[tuple[str, Any, Any]]:
    """Name, what it should be, and what it is. Of the note, the lines that are ours, without their marks."""
    body = mapping.build_activity(meeting, activity)
    for target in ("subject", "owner_id", "due_date", "due_time", "duration", "done", "location", "note"):
        ours, theirs = body.get(target), activity.value.get(target)
        match target:
            case "location":
                yield target, read_location(ours), read_location(theirs)
            case "note":
                yield target, read_text(ours), read_text(theirs)
            case _ if target in CLOCKS:
                yield target, ours and str(ours)[:5], str(theirs or "")[:5]
            case _:
                yield target, ours, theirs


def read_location(value: Any) -> Any:
    return value.get("value") if isinstance(value, dict) else value


def read_text(note: Any) -> str:
    """The note's words, however its HTML is written."""
    return " ".join(html.unescape(mapping.TAG.sub(" ", note)).split()) if isinstance(note, str) else ""
