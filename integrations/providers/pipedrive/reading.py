"""Reading activities back, to compare them with what they should be."""

from collections.abc import Iterator, Sequence
from typing import Any

from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.cancelling import is_marked
from integrations.providers.comparing import find_differing
from integrations.providers.crm import CrmMeeting, FoundMeeting
from integrations.providers.pipedrive import mapping, notes
from integrations.providers.pipedrive.activities import fetch_activities
from integrations.providers.values import read_html


def read_meetings(account: Account, meetings: Sequence[CrmMeeting]) -> list[FoundMeeting | None]:
    by_id = fetch_activities(account, [each.external_id for each in meetings])
    return [compare(each, by_id.get(each.external_id)) for each in meetings]


def compare(meeting: CrmMeeting, activity: PayloadReader | None) -> FoundMeeting | None:
    if activity is None:
        return None
    differing, digest = find_differing(list_fields(meeting, activity))
    return FoundMeeting(
        str(activity.integer("id", minimum=1)),
        key=notes.read_mark(activity),
        differing=differing,
        digest=digest,
        is_cancelled=is_marked(activity.value.get("subject")),
    )


def list_fields(meeting: CrmMeeting, activity: PayloadReader) -> Iterator[tuple[str, Any, Any]]:
    """Name, what it should be, and what it is. Of the note, the lines that are ours, without their marks."""
    body = mapping.build_activity(meeting, activity)
    for target in ("subject", "owner_id", "due_date", "due_time", "duration", "done", "location", "note"):
        ours, theirs = body.get(target), activity.value.get(target)
        match target:
            case "location":
                yield target, mapping.flatten(ours), mapping.flatten(theirs)
            case "note":
                yield target, read_words(ours), read_words(theirs)
            case "due_time" | "duration":
                # They may come back with their seconds.
                yield target, mapping.read_clock(ours), mapping.read_clock(theirs)
            case _:
                yield target, ours, theirs


def read_words(note: Any) -> str:
    """The note's words, however its HTML is written."""
    return " ".join(read_html(notes.TAG.sub(" ", note)).split()) if isinstance(note, str) else ""
