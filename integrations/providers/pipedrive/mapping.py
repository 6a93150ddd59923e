"""Keepsync's values as bodies of Pipedrive's persons and activities.

The forms are those of https://pipedrive.readme.io/docs/pipedrive-api-v2-migration-guide: numbers are numbers, custom
fields stand by themselves, an activity's person is its primary participant, and its note is HTML.
"""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integrations.exceptions import PermanentError, SetupError
from integrations.payloads import PayloadReader
from integrations.providers.crm import CrmMeeting
from integrations.providers.pipedrive.errors import NAME
from integrations.providers.pipedrive.fields import KEEPSYNC_ID, LEAD_SCORE, LEAD_SOURCE

# Prefix of a target that is a labelled line of an activity's note, because activities have no custom fields.
NOTE_LINE = "note:"
# An organisation is a record of its own over there, and is left to people: the company is not mapped.
DEFAULT_MAPPING = {
    "contact": {
        "full_name": "name",
        "email": "emails",
        "phone": "phones",
        "owner": "owner_id",
        "lead_source": LEAD_SOURCE,
        "lead_score": LEAD_SCORE,
    },
    "meeting": {
        "title": "subject",
        "start_date": "due_date",
        "start_time": "due_time",
        "duration": "duration",
        "description": "note",
        "join_url": "location",
        "status": "done",
        "owner": "owner_id",
        "external_id": f"{NOTE_LINE}Calendar event",
        "calendar_event_uid": f"{NOTE_LINE}Calendar event uid",
        "payment_session_id": f"{NOTE_LINE}Payment session",
    },
}

# What a person and an activity can be given beside custom fields: the bodies of POST /persons and /activities.
PERSON_FIELDS = frozenset(
    [
        "name",
        "owner_id",
        "org_id",
        "emails",
        "phones",
        "visible_to",
        "label_ids",
        "postal_address",
        "notes",
        "im",
        "birthday",
        "job_title",
        "marketing_status",
    ]
)
ACTIVITY_FIELDS = frozenset(
    [
        "subject",
        "type",
        "owner_id",
        "deal_id",
        "lead_id",
        "org_id",
        "project_id",
        "due_date",
        "due_time",
        "duration",
        "busy",
        "done",
        "location",
        "public_description",
        "priority",
        "note",
    ]
)
WAYS = frozenset({"emails", "phones"})
NUMBERS = frozenset({"owner_id", "org_id", "deal_id", "project_id", "visible_to", "priority"})
ADDRESSES = frozenset({"location", "postal_address"})

ACTIVITY_TYPE = "meeting"
CANCELLED = "Cancelled: "
OVER = frozenset({"cancelled", "completed", "no_show"})
UNKNOWN_NAME = "(unknown)"
TAG = re.compile("<[^>]*>")
CLOSING_TAGS = re.compile(r"(\s*</[^>]*>)+")


def read_id(value: str) -> int:
    """Pipedrive's ids are numbers."""
    if not value.isascii() or not value.isdecimal():
        raise PermanentError(f"the record's id at {NAME} is not a number: correct its link.")
    return int(value)


def convert_standard(target: str, value: Any) -> Any:
    """A value as the standard field takes it."""
    if target in NUMBERS:
        return convert_number(target, value)
    if target in ADDRESSES and isinstance(value, str):
        return {"value": value}
    return value


def convert_number(target: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise SetupError(f"{NAME}'s {target} takes numbers: correct the owner or field mapping.") from None


# --- Persons ----------------------------------------------------------------------------------------------------------


def build_person(values: Mapping[str, Any], custom: Mapping[str, Any], known: PayloadReader | None) -> dict[str, Any]:
    """The body for a new person or, over a known one, for its change. Unknown values don't clear standard fields.

    A name is required of a new person; the address's local part stands in for it.
    """
    body: dict[str, Any] = {}
    for target, value in values.items():
        if target in WAYS and (ways := merge_ways(value, known, target)):
            body[target] = ways
        elif target in PERSON_FIELDS - WAYS and value not in (None, ""):
            body[target] = convert_standard(target, value)
    if known is None and "name" not in body:
        body["name"] = next((way["value"].partition("@")[0] for way in body.get("emails", [])), "") or UNKNOWN_NAME
    if custom:
        body["custom_fields"] = {code: value for code, value in custom.items() if known or value is not None}
    return body


def merge_ways(value: Any, known: PayloadReader | None, target: str) -> list[dict[str, Any]]:
    """Addresses or numbers: ours first, the first one primary; those that the person has beside are kept.

    The whole list is replaced by what is sent, and Pipedrive's users add to it. Empty where we have none: then nothing
    is to be changed.
    """
    ours = [text for text in (value if isinstance(value, list) else [value]) if isinstance(text, str) and text]
    if not ours:
        return []
    had = {fold_way(way["value"], target): way for way in read_ways(known, target)} if known else {}
    merged: dict[str, dict[str, Any]] = {}
    for text in ours:
        key = fold_way(text, target)
        merged.setdefault(key, {**keep_label(had.get(key)), "value": text, "primary": not merged})
    for key, way in had.items():
        merged.setdefault(key, {**keep_label(way), "value": way["value"], "primary": False})
    return list(merged.values())


def read_ways(person: PayloadReader, target: str) -> list[Mapping[str, Any]]:
    """A person's addresses or numbers; what has another shape is left out."""
    found = person.value.get(target)
    ways = [way for way in found if isinstance(way, dict)] if isinstance(found, list) else []
    return [way for way in ways if isinstance(way.get("value"), str) and way["value"]]


def keep_label(way: Mapping[str, Any] | None) -> dict[str, str]:
    label = way.get("label") if way else None
    return {"label": label} if isinstance(label, str) else {}


def fold_way(text: str, target: str) -> str:
    """What makes two of them one: the address in any case, the number's digits."""
    return text.strip().casefold() if target == "emails" else re.sub("[^0-9]", "", text) or text


# --- Activities -------------------------------------------------------------------------------------------------------


def build_activity(meeting: CrmMeeting, known: PayloadReader | None) -> dict[str, Any]:
    """The body for a new activity or, over a known one, for its change.

    A cancelled meeting keeps its activity: done, marked in its subject, and no longer in the way of other meetings.
    """
    check_targets(meeting.values)
    body = {
        target: convert_activity(target, value)
        for target, value in meeting.values.items()
        if target in ACTIVITY_FIELDS and value is not None
    }
    if known and "location" in meeting.values:
        body.setdefault("location", {"value": ""})
    if meeting.is_cancelled:
        body["subject"] = CANCELLED + str(body.get("subject", "")).removeprefix(CANCELLED)
    body["done"] = meeting.is_cancelled or body.get("done", False)
    body.setdefault("busy", not meeting.is_cancelled)
    body["note"] = build_note(meeting, known)
    if meeting.contact_ids:
        body["participants"] = build_participants(meeting.contact_ids)
    return body if known else {"type": ACTIVITY_TYPE, **body}


def check_targets(targets: Iterable[str]) -> None:
    """Raises SetupError for one that an activity cannot have."""
    for target in targets:
        if target not in ACTIVITY_FIELDS and not target.startswith(NOTE_LINE):
            raise SetupError(f"{NAME}'s activities have no field {target!r}: map it to '{NOTE_LINE}{target}' instead.")


def convert_activity(target: str, value: Any) -> Any:
    """Dates and times may come as instants in UTC, lengths as minutes, and being done as the meeting's status."""
    text = str(value)
    match target:
        case "due_date":
            return text[:10]
        case "due_time":
            return text.partition("T")[2][:5] if "T" in text else text[:5]
        case "duration" if isinstance(value, int):
            return f"{value // 60:02}:{value % 60:02}"
        case "done":
            return value is True or value in OVER
    return convert_standard(target, value)


def build_participants(contact_ids: Sequence[str]) -> list[dict[str, Any]]:
    numbers = dict.fromkeys(read_id(contact_id) for contact_id in contact_ids)
    return [{"person_id": number, "primary": position == 0} for position, number in enumerate(numbers)]


def build_note(meeting: CrmMeeting, known: PayloadReader | None) -> str:
    """As HTML: the description, a line for each `note:` target, and our key; and after it what people wrote there."""
    description = str(meeting.values.get("note") or "").splitlines()
    lines = [
        f"{target.removeprefix(NOTE_LINE)}: {value}"
        for target, value in meeting.values.items()
        if target.startswith(NOTE_LINE) and value not in (None, "")
    ]
    above = [*description, "", *lines] if description else lines
    # Our key stands once, so that what follows it can be told.
    own = [line for line in "\n".join(above).splitlines() if line.strip() != mark(meeting.key)]
    note = "<br>".join(html.escape(line, quote=False) for line in [*own, mark(meeting.key)])
    return note + (read_remarks(known, meeting.key) if known else "")


def mark(key: str) -> str:
    return f"{KEEPSYNC_ID}: {key}"


def read_remarks(activity: PayloadReader, key: str) -> str:
    """What follows the line with our key in the note, as HTML; empty where nothing does."""
    note = activity.value.get("note")
    line = re.escape(html.escape(mark(key), quote=False))
    found = re.search(rf"(?:^|[>\n])\s*{line}\s*(?=<|\n|$)", note) if isinstance(note, str) else None
    rest = found.string[found.end() :] if found else ""
    closing = CLOSING_TAGS.match(rest)
    rest = rest[closing.end() :] if closing else rest
    return rest if TAG.sub("", rest).strip() else ""


def has_mark(activity: PayloadReader, key: str) -> bool:
    """Whether our key is a line of the activity's note."""
    return mark(key) in list_lines(activity)


def read_mark(activity: PayloadReader) -> str:
    """The key that the note has as a line of its own; empty where it has none."""
    marks = (line.removeprefix(mark("")) for line in list_lines(activity) if line.startswith(mark("")))
    return next((key for key in marks if key and " " not in key), "")


def list_lines(activity: PayloadReader) -> list[str]:
    note = activity.value.get("note")
    text = html.unescape(TAG.sub("\n", note)) if isinstance(note, str) else ""
    return [line.strip() for line in text.splitlines()]
