"""A sales rep who works in HubSpot, for tests: what is there, and what it tells of it.

The adapter's reading is stubbed; what Keepsync brings there goes through the adapter to the fake.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from integrations.events import Origin, RecordChanged, RecordDeleted, RecordKind, dispatch
from integrations.models import Connection
from integrations.providers import get_provider
from integrations.providers.crm import FoundContact, MeetingRecord
from tests.bookings.calendar_world import CalendarLive, iso
from tests.bookings.flows.playing import run_effects

MINA = "mina@acme.example"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@dataclass
class Rep:
    live: CalendarLive
    crm: Connection
    # The addresses of HubSpot's users, by their ids there.
    owners: dict[str, str]

    # --- What the rep does --------------------------------------------------------------------------------------------

    def make(self, start: datetime, minutes: int = 30, **values: Any) -> str:
        """A meeting with a contact, of which HubSpot tells. Returns the record's id."""
        key = str(next(self.live.hubspot.numbers))
        self.live.hubspot.meetings[key] = {
            "hs_meeting_title": "Renewal",
            "hs_meeting_body": "As discussed.",
            "hs_meeting_start_time": iso(start),
            "hs_meeting_end_time": iso(start + timedelta(minutes=minutes)),
            "hs_meeting_outcome": "SCHEDULED",
            "hubspot_owner_id": "77",
            **values,
        }
        self.live.hubspot.attending[key] = {self.know("zoe.okafor@example.com")}
        self.tell(key)
        return key

    def know(self, email: str, first: str = "Zoë", last: str = "Okafor") -> str:
        """A contact of theirs."""
        known = self.live.hubspot.contacts
        key = next((key for key, each in known.items() if each["email"] == email), str(next(self.live.hubspot.numbers)))
        known.setdefault(key, {"email": email, "firstname": first, "lastname": last, "phone": "06 12 34 56 78"})
        return key

    def change(self, key: str, **values: str) -> None:
        self.live.hubspot.meetings[key].update(values)
        self.tell(key)

    def move(self, key: str, start: datetime, minutes: int = 30) -> None:
        end = start + timedelta(minutes=minutes)
        self.change(key, hs_meeting_start_time=iso(start), hs_meeting_end_time=iso(end))

    def delete(self, key: str) -> None:
        del self.live.hubspot.meetings[key]
        self.tell_deleted(key)

    # --- What HubSpot tells -------------------------------------------------------------------------------------------

    def tell(self, key: str) -> None:
        """Partial, as its webhooks are: without any value."""
        self.dispatch(RecordChanged("meeting.propertyChange", RecordKind.MEETING, key, {}, NOW))

    def tell_deleted(self, key: str) -> None:
        self.dispatch(RecordDeleted("meeting.deletion", RecordKind.MEETING, key, NOW))

    def dispatch(self, event: Any) -> None:
        with transaction.atomic():
            dispatch([event], Origin(self.crm.pk, self.crm.slug, None, ""))

    def settle(self) -> None:
        """All that is due is done, and what it tells of comes back as webhooks."""
        run_effects()
        for key in list(self.live.hubspot.meetings):
            self.tell(key)
        run_effects()

    # --- What is there ------------------------------------------------------------------------------------------------

    def read(self, key: str) -> dict[str, str]:
        return self.live.hubspot.meetings[key]

    def time(self, key: str) -> tuple[str, str]:
        record = self.read(key)
        return record["hs_meeting_start_time"], record["hs_meeting_end_time"]

    # --- In the place of the adapter ----------------------------------------------------------------------------------

    def stub(self, monkeypatch: pytest.MonkeyPatch) -> None:
        adapter = type(get_provider("hubspot"))
        monkeypatch.setattr(adapter, "fetch_meetings", self.fetch_meetings)
        monkeypatch.setattr(adapter, "fetch_contacts", self.fetch_contacts)
        monkeypatch.setattr(adapter, "find_owner_email", self.find_owner_email)

    def find_owner_email(self, _: Any, owner_id: str) -> str:
        return self.owners.get(owner_id, "")

    def fetch_meetings(self, _: Any, ids: Sequence[str], *, fields: Sequence[str]) -> list[MeetingRecord | None]:
        return [self.show_meeting(key, fields) if key in self.live.hubspot.meetings else None for key in ids]

    def show_meeting(self, key: str, fields: Sequence[str]) -> MeetingRecord:
        record = self.read(key)
        return MeetingRecord(
            key,
            {name: record.get(name) or None for name in fields},
            key=record.get("keepsync_id", ""),
            contact_ids=tuple(sorted(self.live.hubspot.attending[key])),
            owner_id=record.get("hubspot_owner_id", ""),
            is_cancelled=record.get("hs_meeting_outcome") == "CANCELED",
        )

    def fetch_contacts(self, _: Any, ids: Sequence[str], *, fields: Sequence[str]) -> list[FoundContact | None]:
        known = self.live.hubspot.contacts
        return [
            FoundContact(
                key, {name: known[key].get(name) for name in fields}, NOW, created_at=NOW, emails=(known[key]["email"],)
            )
            if key in known
            else None
            for key in ids
        ]
