"""Keepsync's values as bodies of Pipedrive's persons and activities.

The forms are those of https://pipedrive.readme.io/docs/pipedrive-api-v2-migration-guide: numbers are numbers, custom
fields stand by themselves, and an activity's person is its primary participant. Its note is notes.py's matter.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from integrations.exceptions import PermanentError, SetupError
from integrations.payloads import PayloadReader, clean_value
from integrations.providers.cancelling import is_marked, take_mark, write_title
from integrations.providers.crm import CrmMeeting
from integrations.providers.pipedrive.errors import NAME
from integrations.providers.pipedrive.fields import LEAD_SCORE, LEAD_SOURCE
from integrations.providers.pipedrive.notes import NOTE_LINE, build_note, renew_note

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

# When an activity is stands in three of its fields, which mean nothing without each other.
TIMES = frozenset({"due_date", "due_time", "duration"})

ACTIVITY_TYPE = "meeting"
# Of the types that every company has, those that nobody is met at. A company's own types count as meetings.
OTHER_TYPES = frozenset({"call", "task", "deadline", "email"})
OVER = frozenset({"cancelled", "completed", "no_show"})
UNKNOWN_NAME = "(unknown)"


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


def build_activity(meeting: CrmMeeting, known: PayloadReader | None, *, is_linked: bool = False) -> dict[str, Any]:
    """The body for a new activity or, over a known one, for its change; of a linked one only what has changed.

    A cancelled meeting keeps its activity: done, marked in its subject, and no longer in the way of other meetings.
    """
    check_targets(meeting.values)
    values = meeting.list_changed(TIMES) if is_linked else meeting.values
    body = {
        target: convert_activity(target, value)
        for target, value in values.items()
        if target in ACTIVITY_FIELDS and value is not None
    }
    if known and "location" in values:
        body.setdefault("location", {"value": ""})
    body |= build_status(meeting, known, body, is_kept=is_linked and meeting.keeps_status)
    body["note"] = renew_note(meeting, known) if known and is_linked else build_note(meeting, known)
    if body["note"] is None:
        del body["note"]
    if meeting.contact_ids:
        body["participants"] = build_participants(meeting.contact_ids)
    return body if known else {"type": ACTIVITY_TYPE, **body}


def build_status(
    meeting: CrmMeeting, known: PayloadReader | None, body: Mapping[str, Any], *, is_kept: bool
) -> dict[str, Any]:
    """What says whether it is cancelled; where that `is_kept`, no more than the mark of a subject that is written."""
    held = known.optional_text("subject") if known else ""
    is_cancelled = is_marked(held) if is_kept else meeting.is_cancelled
    subject = write_title(str(body.get("subject", held)), is_cancelled=is_cancelled)
    status: dict[str, Any] = {"subject": subject} if "subject" in body or subject != held else {}
    if not is_kept:
        status["done"] = is_cancelled or body.get("done", False)
        status["busy"] = body.get("busy", not is_cancelled)
    return status


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


# --- Reading ----------------------------------------------------------------------------------------------------------


def read_number(value: Any) -> str | None:
    return None if value is None else str(value)


def read_clock(value: Any) -> str | None:
    """A time or a length without its seconds."""
    return ":".join(value.split(":")[:2]) if isinstance(value, str) and value else None


def flatten(value: Any) -> Any:
    """An option is its label, and an amount or an address its value; of several a list of those."""
    match value:
        case {"label": str(label)}:
            return clean_value(label)
        case {"value": inner}:
            return clean_value(inner)
        case list():
            return [flatten(item) for item in value]
    return clean_value(value)


def read_activity(target: str, activity: Mapping[str, Any]) -> Any:
    """An activity's value in the form in which Keepsync would write it, but for the note."""
    value = activity.get(target)
    match target:
        case "subject" if isinstance(value, str):
            return clean_value(take_mark(value)) or None
        case "due_time" | "duration":
            return read_clock(value)
        case "done" if is_marked(activity.get("subject")):
            return "cancelled"
        case _ if target in NUMBERS:
            return read_number(value)
    return flatten(value) if value != "" else None
