"""The properties that HubSpot has from the start, as far as somebody who syncs contacts and meetings meets them."""

from dataclasses import dataclass

# How a person or a path may name a kind of record, and the type of an association from one kind to another.
KINDS = {
    "contacts": "contacts",
    "contact": "contacts",
    "0-1": "contacts",
    "meetings": "meetings",
    "meeting": "meetings",
    "0-47": "meetings",
}
ASSOCIATION_TYPES = {("contacts", "meetings"): 199, ("meetings", "contacts"): 200}
OBJECT_TYPE_IDS = {"contacts": "0-1", "meetings": "0-47"}
CREATED = {"contacts": "createdate", "meetings": "hs_createdate"}
MODIFIED = {"contacts": "lastmodifieddate", "meetings": "hs_lastmodifieddate"}
MERGED_IDS = "hs_merged_object_ids"
MORE_EMAILS = "hs_additional_emails"

LIFECYCLE = (
    "subscriber",
    "lead",
    "marketingqualifiedlead",
    "salesqualifiedlead",
    "opportunity",
    "customer",
    "evangelist",
    "other",
)
LEAD_STATUS = (
    "NEW",
    "OPEN",
    "IN_PROGRESS",
    "OPEN_DEAL",
    "UNQUALIFIED",
    "ATTEMPTED_TO_CONTACT",
    "CONNECTED",
    "BAD_TIMING",
)
OUTCOMES = ("SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED")


@dataclass(frozen=True)
class Property:
    """`options` are the values of an enumeration, as pairs of value and label."""

    kind: str
    name: str
    type: str = "string"
    field_type: str = "text"
    label: str = ""
    group: str = ""
    description: str = ""
    options: tuple[tuple[str, ...], ...] = ()
    is_unique: bool = False
    is_read_only: bool = False
    is_standard: bool = False


def _standard(kind: str, name: str, type_: str = "string", *, values: tuple[str, ...] = (), **rest: bool) -> Property:
    field_type = {"enumeration": "select", "datetime": "date", "number": "number", "bool": "booleancheckbox"}.get(
        type_, "text"
    )
    group = "contactinformation" if kind == "contacts" else "engagement_info"
    options = tuple((value, value.replace("_", " ").capitalize()) for value in values)
    label = name.removeprefix("hs_").replace("_", " ").capitalize()
    return Property(kind, name, type_, field_type, label, group, "", options, is_standard=True, **rest)


_CONTACT_TEXTS = (
    *("firstname", "lastname", "phone", "mobilephone", "company", "jobtitle", "website", "address", "city", "state"),
    *("zip", "country", "salutation", "message", "industry", "hs_timezone", "hs_language", "hubspot_owner_id"),
)
_CONTACTS = (
    _standard("contacts", "email", is_unique=True),
    *(_standard("contacts", name) for name in _CONTACT_TEXTS),
    _standard("contacts", "lifecyclestage", "enumeration", values=LIFECYCLE),
    _standard("contacts", "hs_lead_status", "enumeration", values=LEAD_STATUS),
    _standard("contacts", MORE_EMAILS),
    _standard("contacts", "hs_email_optout", "bool"),
    *(_standard("contacts", name, "datetime", is_read_only=True) for name in ("createdate", "lastmodifieddate")),
    *(_standard("contacts", name, is_read_only=True) for name in ("hs_object_id", MERGED_IDS)),
)
_MEETING_TEXTS = (
    *("hs_meeting_title", "hs_meeting_body", "hs_internal_meeting_notes", "hs_meeting_external_url"),
    *("hs_meeting_location", "hs_meeting_location_type", "hs_activity_type", "hs_attachment_ids", "hs_guest_emails"),
    *("hs_i_cal_uid", "hs_meeting_source_id", "hubspot_owner_id"),
)
_MEETINGS = (
    *(_standard("meetings", name) for name in _MEETING_TEXTS),
    *(
        _standard("meetings", name, "datetime")
        for name in ("hs_timestamp", "hs_meeting_start_time", "hs_meeting_end_time")
    ),
    _standard("meetings", "hs_meeting_outcome", "enumeration", values=OUTCOMES),
    *(_standard("meetings", name, "datetime", is_read_only=True) for name in ("hs_createdate", "hs_lastmodifieddate")),
    *(_standard("meetings", name, is_read_only=True) for name in ("hs_object_id", MERGED_IDS)),
)
STANDARD = {
    "contacts": {item.name: item for item in _CONTACTS},
    "meetings": {item.name: item for item in _MEETINGS},
}
# What an answer carries where the caller names no properties.
DEFAULTS = {
    "contacts": ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
    "meetings": ("hs_createdate", "hs_lastmodifieddate", "hs_object_id"),
}
