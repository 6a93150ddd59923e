"""What Keepsync's values are at HubSpot: property names, their texts, and the properties that Keepsync brings along."""

import json
from collections.abc import Mapping
from typing import Any

from integrations.providers.crm import CrmContact, CrmMeeting

CONTACTS, MEETINGS = "contacts", "meetings"
# Our id of the record, unique over there: what an upsert finds a record by, and what keeps it from being made twice.
KEY = "keepsync_id"
EMAIL = "email"
OUTCOME = "hs_meeting_outcome"
START = "hs_meeting_start_time"
# Where the meeting stands in a record's timeline; HubSpot requires it.
TIMESTAMP = "hs_timestamp"

CONTACT_MAPPING: Mapping[str, str] = {
    "email": EMAIL,
    "first_name": "firstname",
    "last_name": "lastname",
    "phone": "phone",
    "company": "company",
    "country": "country",
    "lead_source": "keepsync_lead_source",
    "lead_score": "keepsync_lead_score",
    "owner": "hubspot_owner_id",
}
MEETING_MAPPING: Mapping[str, str] = {
    "title": "hs_meeting_title",
    "description": "hs_meeting_body",
    "start": START,
    "end": "hs_meeting_end_time",
    "join_url": "hs_meeting_external_url",
    "status": OUTCOME,
    "owner": "hubspot_owner_id",
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


def write_contact(contact: CrmContact) -> dict[str, str]:
    return {KEY: contact.key, **{name: write_value(value) for name, value in contact.values.items()}}


def write_meeting(meeting: CrmMeeting) -> dict[str, str]:
    properties = {KEY: meeting.key, **{name: write_value(value) for name, value in meeting.values.items()}}
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
