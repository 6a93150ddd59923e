"""What somebody has changed about a meeting in a CRM, weighed field by field by the rules of ownership.

Nothing is written here but what is known of the record: what may change is asked of calendar.live, which has the last
word; what may not is put right over there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bookings.models import Meeting, MeetingLink
from bookings.sync import read_values
from bookings.timezones import format_instant, parse_utc
from integrations import mappings, ownership
from integrations.ownership import PARTS, Dispute, Held, Record, Rule, Side, Verdict, Write
from integrations.providers.crm import MeetingRecord

CANCELLED = "cancelled"
# Between the start and the end of a time, as it is compared.
DASH = "/"


@dataclass(slots=True)
class Weighed:
    """`changes` is what is to be asked of calendar.live, in the words of the API; `is_cancelled` beside it."""

    verdicts: dict[str, ownership.Verdict] = field(default_factory=dict)
    changes: dict[str, str] = field(default_factory=dict)
    is_cancelled: bool = False
    is_to_be_put_right: bool = False


def weigh(meeting: Meeting, link: MeetingLink, record: MeetingRecord, rules: Mapping[str, Rule]) -> Weighed:
    """Decide about each field of a linked record, and note on the link, unsaved, what the CRM has told."""
    mapping = mappings.read_mapping(link.connection, Record.MEETING)
    ours = mappings.map_values(mapping, read_values(meeting, None))
    weighed = Weighed()
    for name, parts in PARTS[Record.MEETING].items():
        pairs = [(mine, theirs) for mine, theirs in mapping if mine in parts]
        told = {theirs: record.values.get(theirs) for _, theirs in pairs}
        if told:
            weigh_field(weighed, name, pairs, told, meeting=meeting, link=link, record=record, ours=ours, rules=rules)
    return weighed


def weigh_field(
    weighed: Weighed,
    name: str,
    pairs: list[tuple[str, str]],
    told: Mapping[str, Any],
    *,
    meeting: Meeting,
    link: MeetingLink,
    record: MeetingRecord,
    ours: Mapping[str, Any],
    rules: Mapping[str, Rule],
) -> None:
    exchanged = link.exchanged
    if all(ownership.is_exchanged(exchanged, each, value) for each, value in told.items()):
        return
    mine = {theirs: ours.get(theirs) for _, theirs in pairs}
    held, value = read_field(name, pairs, mine), read_field(name, pairs, told, is_cancelled=record.is_cancelled)
    if value is None or held is None:
        return
    is_news = any(each in exchanged and not ownership.is_exchanged(exchanged, each, mine[each]) for each in mine)
    known = Held(held, meeting.external_updated_at, is_news=is_news)
    decision = ownership.decide(rules.get(name), Write(Side.CRM, value, record.changed_at), known)
    weighed.verdicts[name] = decision.verdict
    match decision.verdict:
        case Verdict.APPLIED:
            write_change(weighed, name, decision.value)
        case Verdict.CONFLICT:
            dispute(meeting, link, record, name, list(told), known, value)
        case Verdict.BLOCKED | Verdict.STALE:
            weighed.is_to_be_put_right |= not ownership.was_overwritten(exchanged, told)
    link.exchanged = ownership.note_told(exchanged, told, record.changed_at)


def dispute(
    meeting: Meeting, link: MeetingLink, record: MeetingRecord, name: str, theirs: list[str], held: Held, value: str
) -> None:
    link.disputed = sorted({*link.disputed, *theirs})
    ownership.ask(
        Dispute(
            connection_id=link.connection_id,
            record=Record.MEETING,
            key=meeting.pk,
            field=name,
            ours=held.value,
            theirs=value,
            ours_at=held.changed_at,
            theirs_at=record.changed_at,
            ours_by="calendar.live",
            theirs_by=str(link.connection),
        )
    )


# --- Values in their normal form --------------------------------------------------------------------------------------


def read_field(
    name: str, pairs: list[tuple[str, str]], values: Mapping[str, Any], *, is_cancelled: bool = False
) -> str | None:
    """None for what cannot be read, and for what a meeting cannot be without."""
    found = mappings.read_values(pairs, values)
    match name:
        case "time":
            return read_time(found)
        case "status":
            return CANCELLED if is_cancelled or found.get("status") == CANCELLED else "alive"
        case "title":
            return found.get("title")
    return found.get(name) or ""


def read_time(found: Mapping[str, str | None]) -> str | None:
    """`start/end`, of any of the fields that a CRM may keep them in."""
    start = read_instant(found.get("start")) or read_instant(f"{found.get('start_date')}T{found.get('start_time')}:00Z")
    if start is None:
        return None
    end = read_instant(found.get("end")) or add_duration(start, found)
    return None if end is None or end <= start else f"{format_instant(start)}{DASH}{format_instant(end)}"


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


def write_change(weighed: Weighed, name: str, value: str) -> None:
    """In the words of the API."""
    match name:
        case "time":
            start, _, end = value.partition(DASH)
            weighed.changes |= {"start": start, "end": end}
        case "status":
            weighed.is_cancelled = value == CANCELLED
        case _:
            weighed.changes[name] = value
