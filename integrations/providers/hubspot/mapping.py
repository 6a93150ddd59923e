"""What Keepsync's values are at HubSpot: property names, their texts, and the properties that Keepsync brings along."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.payloads import clean_value
from integrations.providers.crm import CrmContact, CrmMeeting
from integrations.providers.values import read_instant, read_rich_text, write_instant

CONTACTS, MEETINGS = "contacts", "meetings"
# Our id of the record, unique over there: what an upsert finds a record by, and what keeps it from being made twice.
KEY = "keepsync_id"
EMAIL = "email"
OWNER = "hubspot_owner_id"
BODY = "hs_meeting_body"
OUTCOME = "hs_meeting_outcome"
START, END = "hs_meeting_start_time", "hs_meeting_end_time"
# Where the meeting stands in a record's timeline; HubSpot requires it.
TIMESTAMP = "hs_timestamp"
INSTANTS = frozenset({START, END, TIMESTAMP})

CONTACT_MAPPING: Mapping[str, str] = {
    "email": EMAIL,
    "first_name": "firstname",
    "last_name": "lastname",
    "phone": "phone",
    "company": "company",
    "country": "country",
    "lead_source": "keepsync_lead_source",
    "lead_score": "keepsync_lead_score",
    "owner": OWNER,
}
MEETING_MAPPING: Mapping[str, str] = {
    "title": "hs_meeting_title",
    "description": BODY,
    "start": START,
    "end": END,
    "join_url": "hs_meeting_external_url",
    "status": OUTCOME,
    "owner": OWNER,
    "external_id": "calendar_event_id",
    "calendar_event_uid": "calendar_event_uid",
    "payment_session_id": "payment_session_id",
}
OUTCOMES: Mapping[str, str] = {
    "tentative": "SCHEDULED",
    "held": "SCHEDULED",
    "confirmed": "SCHEDULED",
    "cancelled": "CANCELED",
    "completed": "COMPLETED",
    "no_show": "NO_SHOW",
}
# Of their outcomes those that stand for one status of ours.
STATUSES = {theirs: ours for ours, theirs in OUTCOMES.items() if Counter(OUTCOMES.values())[theirs] == 1}

# Per object type: a property that every account has, whose group the new ones join; and those that Keepsync makes.
NEIGHBOURS: Mapping[str, tuple[str, str]] = {
    CONTACTS: (EMAIL, "contactinformation"),
    MEETINGS: ("hs_meeting_title", "meeting"),
}
OWN_PROPERTIES: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    CONTACTS: {
        KEY: {"label": "Keepsync id", "type": "string", "fieldType": "text", "hasUniqueValue": True},
        "keepsync_lead_source": {"label": "Lead source (Keepsync)", "type": "string", "fieldType": "text"},
        "keepsync_lead_score": {"label": "Lead score (Keepsync)", "type": "number", "fieldType": "number"},
    },
    MEETINGS: {
        KEY: {"label": "Keepsync id", "type": "string", "fieldType": "text", "hasUniqueValue": True},
        "calendar_event_id": {"label": "Calendar event id", "type": "string", "fieldType": "text"},
        "calendar_event_uid": {"label": "Calendar event uid", "type": "string", "fieldType": "text"},
        "payment_session_id": {"label": "Payment session id", "type": "string", "fieldType": "text"},
    },
}


def write_contact(contact: CrmContact, *, is_update: bool = False) -> dict[str, str]:
    """All properties, or those of an update."""
    values = contact.list_changed() if is_update else contact.values
    return {KEY: contact.key, **{name: write_value(value) for name, value in values.items()}}


def write_meeting(meeting: CrmMeeting, *, is_update: bool = False) -> dict[str, str]:
    """The same for a meeting, with its place in the timeline wherever its start goes."""
    values = meeting.list_changed() if is_update else meeting.values
    properties = {KEY: meeting.key, **{name: write_value(value) for name, value in values.items()}}
    if OUTCOME in properties:
        properties[OUTCOME] = OUTCOMES.get(properties[OUTCOME], properties[OUTCOME])
    if properties.get(START):
        properties[TIMESTAMP] = properties[START]
    return properties


def write_value(value: Any) -> str:
    """HubSpot takes texts only; an empty one clears the property. Several choices are joined by semicolons."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str() | int() | float():
            return str(value)
        case list() | tuple():
            return ";".join(map(write_value, value))
    return json.dumps(value)


def read_value(name: str, value: Any) -> Any:
    """A property's text as Keepsync would write it; None for an empty one."""
    match clean_value(value):
        case "":
            return None
        case str(text) if name in INSTANTS:
            return read_time(text)
        case str(text) if name == OUTCOME:
            return STATUSES.get(text, text)
        case str(text) if name == BODY:
            return read_rich_text(text)
        case cleaned:
            return cleaned


def read_time(text: str) -> Any:
    """Webhooks may tell milliseconds since 1970, the API ISO 8601. What is no time stays as it is."""
    try:
        return write_instant(datetime.fromtimestamp(int(text) / 1000, UTC))
    except (ValueError, OverflowError, OSError):
        return read_instant(text)
