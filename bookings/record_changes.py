"""What somebody has changed about a meeting in a CRM, weighed field by field by the rules of ownership.

No meeting is written here: what may change is asked of calendar.live, which has the last word.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.utils import timezone

from bookings.crm_records import CANCELLED, DESCRIPTION_LENGTH, TITLE_LENGTH, read_text, read_times
from bookings.models import Meeting, MeetingLink
from bookings.sync import CANCELLED as TAKES_NO_PLACE
from bookings.sync import read_values
from integrations import mappings
from integrations.inbound import Inbound, Pairs
from integrations.models import FieldWrite
from integrations.ownership import (
    Held,
    Record,
    Rule,
    Side,
    Verdict,
    Write,
    are_exchanged,
    decide,
    is_exchanged,
    note_told,
)
from integrations.providers.crm import MeetingRecord

ALIVE = "alive"


class MeetingChange(Inbound):
    """`asked` is what calendar.live is to be asked for: fields of a change, or the status `cancelled`.

    `refused` is what was told and may not be. A record that was deleted is a meeting that was cancelled. The link is
    locked.
    """

    record = Record.MEETING

    def __init__(
        self, meeting: Meeting, link: MeetingLink, found: MeetingRecord | None, *, rules: Mapping[str, Rule]
    ) -> None:
        changed_at = found.changed_at if found else timezone.now()
        super().__init__(link, link.connection, rules=rules, told=found.values if found else {}, changed_at=changed_at)
        self.meeting = meeting
        self.found = found
        self.ours = mappings.map_values(self.mapping, read_values(meeting, None))
        statuses = {theirs for ours, theirs in self.mapping if ours == "status"}
        others = {name: value for name, value in self.told.items() if name not in statuses}
        self.told = {**others, **self.read_statuses()}
        self.asked: dict[str, str] = {}
        self.refused: dict[str, str] = {}

    @property
    def key(self) -> UUID:
        return self.meeting.pk

    def read_statuses(self) -> dict[str, Any]:
        """In our words, where it is news whether the meeting takes place: a CRM has fewer words than we have.

        One that was never told of a cancellation says nothing by not having it.
        """
        names = [theirs for ours, theirs in self.mapping if ours == "status" and theirs in self.told]
        if self.found and self.found.is_cancelled:
            return dict.fromkeys(names, CANCELLED)
        revived = [name for name in names if is_exchanged(self.link.exchanged, name, CANCELLED)]
        return dict.fromkeys(revived, ALIVE)

    @property
    def is_news(self) -> bool:
        """Whether anything was told that is neither our own nor so already."""
        return bool(set(self.verdicts.values()) - {Verdict.ECHO, Verdict.SAME})

    def take_all(self) -> None:
        super().take_all()
        if self.found:
            told = {TAKES_NO_PLACE: self.found.is_cancelled}
            self.link.exchanged = note_told(self.link.exchanged, told, self.changed_at)
        if "status" not in self.verdicts and (self.found is None or self.found.is_cancelled):
            self.verdicts["status"] = self.take_end()

    def take_end(self) -> FieldWrite.Verdict:
        """A record that is deleted, or says by other means than its mapped fields that it does not take place."""
        held = Held(CANCELLED if self.meeting.status == Meeting.Status.CANCELLED else ALIVE, self.find_time("status"))
        decision = decide(self.rules.get("status"), Write(Side.CRM, CANCELLED, self.changed_at), held)
        if decision.verdict == Verdict.APPLIED:
            self.asked = {"status": CANCELLED}
        elif decision.value != CANCELLED:
            self.is_to_be_put_right = True
        return decision.verdict

    def take(self, field: str, pairs: Pairs, told: Mapping[str, Any]) -> FieldWrite.Verdict:
        verdict = self.refuse_revival(told) if self.is_revival(field, pairs, told) else super().take(field, pairs, told)
        if verdict in (Verdict.BLOCKED, Verdict.STALE):
            value = self.read(field, pairs, told) or ""
            self.refused |= write_time(value) if field == "time" and value else {}
        return verdict

    def read(self, field: str, pairs: Pairs, values: Mapping[str, Any]) -> str | None:
        found = mappings.read_values(pairs, values)
        match field:
            case "time":
                return read_time(found)
            case "status":
                return CANCELLED if found.get("status") == CANCELLED else ALIVE
            case "title":
                return read_text(found.get("title"))[:TITLE_LENGTH] or None
        return read_text(found.get(field))[:DESCRIPTION_LENGTH]

    def is_revival(self, field: str, pairs: Pairs, told: Mapping[str, Any]) -> bool:
        """What is cancelled stays so: those who attended have been told."""
        if field != "status" or self.meeting.status != Meeting.Status.CANCELLED:
            return False
        return not are_exchanged(self.link.exchanged, told) and self.read(field, pairs, told) == ALIVE

    def refuse_revival(self, told: Mapping[str, Any]) -> FieldWrite.Verdict:
        self.link.exchanged = note_told(self.link.exchanged, told, self.changed_at)
        self.is_to_be_put_right = True
        return Verdict.BLOCKED

    def apply(self, field: str, before: str, value: str) -> bool:
        if field == "status":
            self.asked |= {"status": value}
            return True
        self.asked |= write_time(value) if field == "time" else {field: value}
        return True

    def find_time(self, field: str) -> datetime | None:
        return self.meeting.external_updated_at

    def find_author(self, field: str) -> str:
        return "calendar.live"


def read_time(found: Mapping[str, str | None]) -> str | None:
    """`start/end`; None for what is no time."""
    times = read_times(found)
    return f"{times['start']}/{times['end']}" if times.keys() == {"start", "end"} else None


def write_time(value: str) -> dict[str, str]:
    start, _, end = value.partition("/")
    return {"start": start, "end": end}
