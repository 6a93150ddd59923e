"""What a played CRM holds, in the same words for each: its people and its meetings that are not deleted. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

type Record = Mapping[str, Any]

CANCELLED = "Cancelled: "
PIPEDRIVE_KEY = re.compile(r"Keepsync id: ([0-9a-f-]{36})")


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    email: str
    full_name: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A meeting over there. `key` is our id of it; empty for somebody else's."""

    id: str
    key: str
    start: datetime
    end: datetime
    contact_ids: frozenset[str]
    is_cancelled: bool


@dataclass(frozen=True, slots=True)
class CrmState:
    people: tuple[Person, ...]
    entries: tuple[Entry, ...]

    def find_people(self, email: str) -> list[Person]:
        return [person for person in self.people if person.email.casefold() == email.casefold()]

    def find_entries(self, key: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.key == key]


def read_hubspot(records: Record) -> CrmState:
    contacts = [row for row in records["contacts"] if is_live_in_hubspot(row)]
    attending: dict[str, set[str]] = {}
    for link in records["associations"]:
        if link["from_kind"] == "meetings":
            attending.setdefault(link["from_id"], set()).add(link["to_id"])
    people = (
        Person(row["id"], read(row["properties"], "email"), join_name(row["properties"], "firstname", "lastname"))
        for row in contacts
    )
    entries = (
        Entry(
            id=row["id"],
            key=read(row["properties"], "keepsync_id"),
            start=read_instant(row["properties"]["hs_meeting_start_time"]),
            end=read_instant(row["properties"]["hs_meeting_end_time"]),
            contact_ids=frozenset(attending.get(row["id"], ())),
            is_cancelled=read(row["properties"], "hs_meeting_outcome") == "CANCELED",
        )
        for row in records["meetings"]
        if is_live_in_hubspot(row)
    )
    return CrmState(tuple(people), tuple(entries))


def is_live_in_hubspot(row: Record) -> bool:
    return row["archived_at"] is None and row["merged_into"] is None


def read_salesforce(records: Record) -> CrmState:
    """Contacts and Leads are people alike."""
    people = (
        Person(row["Id"], read(row, "Email"), join_name(row, "FirstName", "LastName"))
        for sobject in ("Contact", "Lead")
        for row in records[sobject]
        if not row["IsDeleted"]
    )
    entries = (
        Entry(
            id=row["Id"],
            key=read(row, "Keepsync_Id__c"),
            start=read_instant(row["StartDateTime"]),
            end=read_instant(row["EndDateTime"]),
            contact_ids=frozenset(filter(None, [row.get("WhoId")])),
            is_cancelled=read(row, "Subject").startswith(CANCELLED),
        )
        for row in records["Event"]
        if not row["IsDeleted"]
    )
    return CrmState(tuple(people), tuple(entries))


def read_pipedrive(records: Record) -> CrmState:
    people = (
        Person(str(row["id"]), read(next(iter(row["emails"]), {}), "value"), read(row, "name"))
        for row in records["persons"]
        if not row.get("is_deleted")
    )
    entries = (read_activity(row) for row in records["activities"] if not row.get("is_deleted"))
    return CrmState(tuple(people), tuple(entries))


def read_activity(row: Record) -> Entry:
    """Its day and time are in UTC, its length is `HH:MM`, and our key is the last line of its note."""
    start = datetime.fromisoformat(f"{row['due_date']}T{row['due_time']}").replace(tzinfo=UTC)
    hours, minutes = row["duration"].split(":")[:2]
    key = PIPEDRIVE_KEY.search(read(row, "note"))
    return Entry(
        id=str(row["id"]),
        key=key[1] if key else "",
        start=start,
        end=start + timedelta(hours=int(hours), minutes=int(minutes)),
        contact_ids=frozenset(str(each["person_id"]) for each in row.get("participants") or ()),
        is_cancelled=read(row, "subject").startswith(CANCELLED),
    )


def read(row: Record, name: str) -> str:
    return str(row.get(name) or "")


def join_name(row: Record, first: str, last: str) -> str:
    return f"{read(row, first)} {read(row, last)}".strip()


def read_instant(text: str) -> datetime:
    """ISO 8601, also with an offset without a colon, as Salesforce writes it."""
    return datetime.fromisoformat(text).astimezone(UTC)


READERS: Mapping[str, Callable[[Record], CrmState]] = {
    "hubspot": read_hubspot,
    "salesforce": read_salesforce,
    "pipedrive": read_pipedrive,
}
