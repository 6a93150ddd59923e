"""Objects and fields of the org, as far as somebody who syncs contacts and meetings meets them.

Lengths and required fields: https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/
(pages Contact, Lead and Event). The custom fields are those that an administrator was asked to make.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "email", "bool", "number", "instant", "date", "id"]


@dataclass(frozen=True)
class Field:
    """`length` is for texts; an `is_external_id` finds records, and may be unique or not."""

    name: str
    kind: Kind = "text"
    length: int = 255
    is_external_id: bool = False
    is_unique: bool = False
    is_read_only: bool = False
    refers_to: tuple[str, ...] = ()

    @property
    def is_custom(self) -> bool:
        return self.name.endswith("__c")


def _texts(**lengths: int) -> tuple[Field, ...]:
    return tuple(Field(name, length=length) for name, length in lengths.items())


_SYSTEM = (
    *(Field(name, "id", is_read_only=True) for name in ("Id", "MasterRecordId")),
    *(Field(name, "instant", is_read_only=True) for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp")),
    Field("IsDeleted", "bool", is_read_only=True),
    Field("OwnerId", "id", refers_to=("User",)),
    *(Field(name, "id", is_read_only=True, refers_to=("User",)) for name in ("CreatedById", "LastModifiedById")),
)
_KEYS = (
    Field("Keepsync_Id__c", length=64, is_external_id=True, is_unique=True),
    Field("Legacy_Id__c", length=64, is_external_id=True),
)
_PERSON = (
    *_texts(FirstName=40, LastName=80, Title=128, Phone=40, MobilePhone=40, LeadSource=255, Description=32_000),
    Field("Name", is_read_only=True),
    Field("Salutation", length=40),
    Field("Email", "email", 80),
    Field("HasOptedOutOfEmail", "bool"),
    Field("DoNotCall", "bool"),
    *_KEYS,
)
FIELDS: dict[str, dict[str, Field]] = {
    sobject: {field.name: field for field in (*_SYSTEM, *own)}
    for sobject, own in {
        "Contact": (
            *_PERSON,
            *_texts(HomePhone=40, OtherPhone=40, MailingStreet=255, MailingCity=40, MailingCountry=80, Department=80),
            Field("AccountId", "id"),
        ),
        "Lead": (
            *_PERSON,
            *_texts(Company=255, Street=255, City=40, Country=80, Website=255, Industry=255, Status=255, Rating=255),
            Field("IsConverted", "bool", is_read_only=True),
        ),
        "Event": (
            *_texts(Subject=255, Location=255, Description=32_000, ShowAs=40, Type=40),
            *(Field(name, "instant") for name in ("StartDateTime", "EndDateTime", "ActivityDateTime")),
            Field("DurationInMinutes", "number"),
            Field("IsAllDayEvent", "bool"),
            Field("IsPrivate", "bool"),
            Field("IsChild", "bool", is_read_only=True),
            Field("WhoId", "id", refers_to=("Contact", "Lead")),
            Field("WhatId", "id"),
            *_KEYS,
            *_texts(Cal_Uid__c=255, Cal_Event_Id__c=255, Cal_Payment_Session__c=255),
        ),
        "Account": _texts(Name=255),
        "Organization": _texts(Name=80),
        "User": (*_texts(Name=121, Username=80), Field("Email", "email", 128), Field("IsActive", "bool")),
    }.items()
}
DEFAULTS: dict[str, dict[str, object]] = {
    "Contact": {"HasOptedOutOfEmail": False, "DoNotCall": False},
    "Lead": {"HasOptedOutOfEmail": False, "DoNotCall": False, "IsConverted": False, "Status": "Open - Not Contacted"},
    "Event": {"IsAllDayEvent": False, "IsPrivate": False, "IsChild": False, "ShowAs": "Busy"},
}
WRITABLE = tuple(DEFAULTS)
MERGEABLE = ("Contact", "Lead")
REQUIRED = {"Contact": ("LastName",), "Lead": ("LastName", "Company"), "Event": ("StartDateTime",)}
PREFIXES = {"Contact": "003", "Lead": "00Q", "Event": "00U", "Account": "001", "User": "005", "Organization": "00D"}
SHOW_AS = ("Busy", "Free", "OutOfOffice")
