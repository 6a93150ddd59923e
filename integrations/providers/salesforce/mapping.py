"""Our values as Salesforce's fields, and back. Pure.

Lengths and required fields: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/
(pages Contact, Lead and Event).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.events import RecordKind
from integrations.exceptions import SetupError
from integrations.payloads import clean_value, cut
from integrations.providers.base import Account
from integrations.providers.cancelling import is_marked, take_mark, write_title
from integrations.providers.crm import CrmContact, CrmMeeting
from integrations.providers.values import read_instant

CONTACT, LEAD, EVENT = "Contact", "Lead", "Event"
KINDS = {CONTACT: RecordKind.CONTACT, LEAD: RecordKind.CONTACT, EVENT: RecordKind.MEETING}
# Our key, in a field that an administrator makes.
KEY_FIELD = "Keepsync_Id__c"
KEY_FORM = "Text(64), External ID, Unique"
# The fields of an Event that are made likewise, and their form.
EVENT_FIELDS = {"Cal_Uid__c": "Text(255)", "Cal_Event_Id__c": "Text(255)", "Cal_Payment_Session__c": "Text(255)"}

DEFAULT_MAPPING: Mapping[str, Mapping[str, str]] = {
    "contact": {
        "email": "Email",
        "first_name": "FirstName",
        "last_name": "LastName",
        "phone": "Phone",
        "lead_source": "LeadSource",
        "owner": "OwnerId",
        # Of a Lead only: a Contact belongs to an Account, and the adapter leaves it out there.
        "company": "Company",
    },
    "meeting": {
        "title": "Subject",
        "description": "Description",
        "start": "StartDateTime",
        "end": "EndDateTime",
        "join_url": "Location",
        "calendar_event_uid": "Cal_Uid__c",
        "external_id": "Cal_Event_Id__c",
        "payment_session_id": "Cal_Payment_Session__c",
    },
}
# What is longer is refused (STRING_TOO_LONG). Addresses and numbers are not cut: they would be somebody else's.
LENGTHS = {"FirstName": 40, "LastName": 80, "Company": 255, "Subject": 255, "Location": 255, "Description": 32_000}
EMAIL_LENGTH = 80
UNKNOWN = "(unknown)"
TITLE = "Subject"
INSTANTS = frozenset({"StartDateTime", "EndDateTime", "ActivityDateTime"})
# An Event's length has to fit its start and its end.
TIMES = INSTANTS | {"DurationInMinutes", "IsAllDayEvent"}
# No data of the record, but Salesforce's own.
NO_VALUES = frozenset(
    {"attributes", "Id", "IsDeleted", "IsChild", "MasterRecordId", "CreatedDate", "LastModifiedDate", "SystemModstamp"}
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A record to be saved. `required` holds what stands in a new record for required fields that are empty here, and
    `changed` names those of the values that an update of the linked record sends.
    """

    key: str
    values: Mapping[str, Any]
    external_id: str = ""
    email: str = ""
    required: Mapping[str, str] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()

    def for_new(self) -> dict[str, Any]:
        missing = {name: text for name, text in self.required.items() if not self.values.get(name)}
        return {**self.values, **missing, KEY_FIELD: self.key}

    def for_known(self) -> dict[str, Any]:
        """A required field that we know nothing for keeps what is there."""
        values = {name: value for name, value in self.values.items() if value or name not in self.required}
        return {**values, KEY_FIELD: self.key}

    def for_linked(self, title: str) -> dict[str, Any]:
        """Without what the linked record holds already; `title` is an Event's, as it is over there."""
        return {name: value for name, value in self.for_known().items() if name in self.changed or name == KEY_FIELD}

    def for_adopted(self) -> dict[str, Any]:
        """Nothing is emptied in a record that Keepsync has never seen: unknown to us does not mean deleted."""
        return {name: value for name, value in self.for_known().items() if value is not None}


@dataclass(frozen=True, slots=True)
class EventDraft(Draft):
    """`is_cancelled` is what the title is to say; None lets it say what it does."""

    is_cancelled: bool | None = None

    def for_linked(self, title: str) -> dict[str, Any]:
        """A title that is left to the people over there is only marked."""
        values = Draft.for_linked(self, title)
        is_cancelled = is_marked(title) if self.is_cancelled is None else self.is_cancelled
        written = write_title(str(values.get(TITLE) or "") if TITLE in values else title, is_cancelled=is_cancelled)
        return values if written == title else fit_values({**values, TITLE: written})


def read_object(account: Account) -> str:
    """What a contact becomes in this org. Raises SetupError for anything but Contact and Lead."""
    sobject = account.options.get("object") or CONTACT
    if sobject not in (CONTACT, LEAD):
        raise SetupError("the connection's option object is neither Contact nor Lead: set it to one of them.")
    return sobject


def draft_contact(contact: CrmContact, sobject: str) -> Draft:
    values = fit_values(contact.values)
    required = {"LastName": cut(contact.email.partition("@")[0], LENGTHS["LastName"]) or UNKNOWN}
    if sobject == LEAD:
        required["Company"] = UNKNOWN
    else:
        values.pop("Company", None)
    changed = frozenset(contact.list_changed())
    return Draft(contact.key, values, contact.external_id, contact.email, required, changed)


def draft_meeting(meeting: CrmMeeting) -> Draft:
    """An Event has no status: a cancelled one says so in its subject, and leaves its time free."""
    values, changed = dict(meeting.values), set(meeting.list_changed(TIMES))
    if meeting.is_cancelled:
        values[TITLE] = write_title(str(values.get(TITLE) or ""), is_cancelled=True)
        values["ShowAs"] = "Free"
    values.setdefault("ShowAs", "Busy")
    if meeting.contact_ids:
        values["WhoId"] = meeting.contact_ids[0]
    changed |= {"WhoId"} if meeting.keeps_status else {"WhoId", "ShowAs"}
    return EventDraft(
        meeting.key,
        fit_values(values),
        meeting.external_id,
        changed=frozenset(changed),
        is_cancelled=None if meeting.keeps_status else meeting.is_cancelled,
    )


def fit_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Texts as long as they may be, and no owner rather than an empty one, which Salesforce refuses."""
    return {
        name: cut(value, LENGTHS[name]) if name in LENGTHS and isinstance(value, str) else value
        for name, value in values.items()
        if value or name != "OwnerId"
    }


def read_values(sobject: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """A record's values as they would be ours: without what the adapter put in, and times as ISO 8601 UTC with Z."""
    values = {
        name: clean_value(value) for name, value in row.items() if name not in NO_VALUES and not is_cut(name, value)
    }
    for name in INSTANTS & values.keys():
        values[name] = read_instant(values[name])
    if is_marked(values.get(TITLE)):
        values[TITLE] = take_mark(values[TITLE])
    if KINDS[sobject] == RecordKind.CONTACT:
        values.update(dict.fromkeys(find_placeholders(values), None))
    return values


def choose_values(sobject: str, row: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Those that were asked for. What may have been cut is left out: the whole of it is not known here."""
    # Salesforce minds no case in the names of fields, and answers with its own.
    values = {name.lower(): value for name, value in read_values(sobject, row).items()}
    cut_off = {name.lower() for name, value in row.items() if is_cut(name, value)}
    return {name: values.get(name.lower()) for name in fields if name.lower() not in cut_off}


def find_placeholders(values: Mapping[str, Any]) -> list[str]:
    """The fields that hold what stands for an unknown value (see `Draft.required`)."""
    email = values.get("Email")
    local_part = email.partition("@")[0] if isinstance(email, str) else ""
    stands_for = {"LastName": (UNKNOWN, cut(local_part, LENGTHS["LastName"])), "Company": (UNKNOWN,)}
    return [name for name, texts in stands_for.items() if values.get(name) and values[name] in texts]


def is_cut(name: str, value: Any) -> bool:
    """Whether it can be a text that was cut on its way there: the whole one is ours."""
    return isinstance(value, str) and len(value) == LENGTHS.get(name) and value.endswith("…")
