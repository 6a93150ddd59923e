"""What somebody has changed about a meeting in a CRM, weighed field by field by the rules of ownership.

No meeting is written here: what may change is asked of calendar.live, which has the last word.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from bookings.models import Meeting, MeetingLink
from bookings.sync import read_values
from bookings.timezones import format_instant, parse_utc
from integrations import mappings
from integrations.inbound import Inbound, Pairs
from integrations.ownership import Record, Rule
from integrations.providers.crm import MeetingRecord

CANCELLED, ALIVE = "cancelled", "alive"


class MeetingChange(Inbound):
    """`changes` is what is to be asked of calendar.live, in the words of the API; `is_cancelled` beside it.

    The link is locked.
    """

    record = Record.MEETING

    def __init__(self, meeting: Meeting, link: MeetingLink, found: MeetingRecord, *, rules: Mapping[str, Rule]) -> None:
        super().__init__(link, link.connection, rules=rules, told=found.values, changed_at=found.changed_at)
        self.meeting = meeting
        self.found = found
        self.ours = mappings.map_values(self.mapping, read_values(meeting, None))
        self.changes: dict[str, str] = {}
        self.is_cancelled = False

    @property
    def key(self) -> UUID:
        return self.meeting.pk

    def read(self, field: str, pairs: Pairs, values: Mapping[str, Any]) -> str | None:
        found = mappings.read_values(pairs, values)
        match field:
            case "time":
                return read_time(found)
            case "status":
                return CANCELLED if found.get("status") == CANCELLED else ALIVE
            case "title":
                return found.get("title")
        return found.get(field) or ""

    def apply(self, field: str, before: str, value: str) -> bool:
        """What is cancelled stays so: those who attended have been told."""
        if field == "status":
            self.is_cancelled = value == CANCELLED
            return self.is_cancelled
        self.changes |= write_time(value) if field == "time" else {field: value}
        return True

    def find_time(self, field: str) -> datetime | None:
        return self.meeting.external_updated_at

    def find_author(self, field: str) -> str:
        return "calendar.live"


def read_time(found: Mapping[str, str | None]) -> str | None:
    """`start/end`, of any of the fields that a CRM may keep them in; None for what is no time."""
    start = read_instant(found.get("start")) or read_instant(f"{found.get('start_date')}T{found.get('start_time')}:00Z")
    if start is None:
        return None
    end = read_instant(found.get("end")) or add_duration(start, found)
    return None if end is None or end <= start else f"{format_instant(start)}/{format_instant(end)}"


def write_time(value: str) -> dict[str, str]:
    start, _, end = value.partition("/")
    return {"start": start, "end": end}


def read_instant(text: str | None) -> datetime | None:
    try:
        return parse_utc(text) if text else None
    except ValueError:
        return None


def add_duration(start: datetime, found: Mapping[str, str | None]) -> datetime | None:
    hours, _, minutes = (found.get("duration") or "").partition(":")
    if hours.isdecimal() and minutes.isdecimal():
        return start + timedelta(hours=int(hours), minutes=int(minutes))
    whole = (found.get("duration_minutes") or "").removesuffix(".0")
    return start + timedelta(minutes=int(whole)) if whole.isdecimal() else None
