"""What must be so in the end: each function lists what is not, in words."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any

from bookings.rehearsal.crms import READERS
from bookings.timezones import format_instant
from tests.simulation.arena import BUFFERS, CRMS, TEAMS, Arena
from tests.simulation.plan import HALF, Try
from tests.simulation.storms import Edited

type Record = dict[str, Any]

MEETINGS = """
SELECT external_id, id::text, version, status, start, "end" FROM bookings_meeting
"""
CONFLICTS = """
SELECT mine.external_id, other.external_id FROM bookings_conflict AS conflict
JOIN bookings_meeting AS mine ON mine.id = conflict.meeting_id
JOIN bookings_meeting AS other ON other.id = conflict.other_meeting_id
WHERE conflict.status = 'open' AND conflict.kind = 'double_booking'
"""
LEFT_OPEN = """
SELECT 'request', state, count(*) FROM bookings_bookingrequest WHERE finished_at IS NULL GROUP BY state
UNION ALL SELECT 'tentative meeting', status, count(*) FROM bookings_meeting
    WHERE version = 0 AND status <> 'cancelled' GROUP BY status
UNION ALL SELECT 'hold', kind, count(*) FROM bookings_reservation WHERE kind = 'hold' GROUP BY kind
UNION ALL SELECT kind, status || ' ' || cause, count(*) FROM integrations_effect
    WHERE status NOT IN ('succeeded', 'suppressed') AND cause <> 'unknown_outcome' GROUP BY kind, status, cause
UNION ALL SELECT 'delivery', status || ' ' || cause, count(*) FROM integrations_delivery
    WHERE status NOT IN ('processed', 'stale', 'ignored') GROUP BY status, cause
"""
TAKEN = """
SELECT meeting.external_id, count(*), bool_and(taken.start = meeting.start AND taken."end" = meeting."end")
FROM bookings_reservation AS taken JOIN bookings_meeting AS meeting ON meeting.id = taken.meeting_id
GROUP BY meeting.external_id
"""
COMPARED = ("version", "status", "start", "end")


@dataclass
class Ending:
    """Everything at one moment, after all is done."""

    arena: Arena
    tries: list[Try]
    edited: list[Edited]

    @cached_property
    def events(self) -> list[Record]:
        records = self.arena.read("calendar-live")["records"]["events"]
        return [{**row, "start": read(row["start"]), "end": read(row["end"])} for row in records]

    @cached_property
    def standing(self) -> list[Record]:
        return [event for event in self.events if event["status"] != "cancelled"]

    @cached_property
    def by_id(self) -> dict[str, Record]:
        return {event["id"]: event for event in self.events}

    @cached_property
    def meetings(self) -> dict[str, Record]:
        names = ("external_id", "id", *COMPARED)
        rows = (dict(zip(names, row, strict=True)) for row in self.arena.installation.fetch(MEETINGS))
        return {row["external_id"]: row for row in rows}

    @cached_property
    def released(self) -> set[str]:
        """Our ids of meetings that calendar.live never took."""
        rows = self.meetings.values()
        return {row["id"] for row in rows if row["version"] == 0 and row["status"] == "cancelled"}

    @property
    def by_programs(self) -> list[Try]:
        return [one for one in self.tries if one.way == "program"]


def read(text: str) -> datetime:
    return datetime.fromisoformat(text)


def of_calendars(events: Sequence[Record]) -> dict[str, list[Record]]:
    found = defaultdict(list)
    for event in sorted(events, key=lambda each: each["start"]):
        found[event["calendar"]["id"]].append(event)
    return found


# --- Time -------------------------------------------------------------------------------------------------------------


def find_own_double_bookings(ending: Ending) -> Iterator[str]:
    """No two of what was booked through Keepsync overlap, buffers included."""
    ours = of_calendars([event for event in ending.standing if event["source"] == "api"])
    for number, calendar in enumerate(TEAMS):
        gap = timedelta(minutes=sum(BUFFERS) if number % 4 == 0 else 0)
        for first, second in pairwise(ours[calendar]):
            if second["start"] < first["end"] + gap:
                yield f"{calendar}: {first['id']} and {second['id']} overlap, and both were booked through Keepsync"


def find_overlaps(ending: Ending) -> dict[str, str]:
    """Each event that shares time with one that was booked before it, and the first of those."""
    met: dict[str, str] = {}
    for events in of_calendars(ending.standing).values():
        in_order = sorted(events, key=lambda each: (each["created_at"], each["id"]))
        for number, event in enumerate(in_order):
            earlier = (each["id"] for each in in_order[:number] if share_time(each, event))
            if first := next(earlier, None):
                met[event["id"]] = first
    return met


def share_time(one: Record, other: Record) -> bool:
    return bool(one["start"] < other["end"] and other["start"] < one["end"])


def compare_conflicts(ending: Ending) -> Iterator[str]:
    """Each double booking that calendar.live has sold is open, and nothing else is."""
    wanted, found = find_overlaps(ending), dict(ending.arena.installation.fetch(CONFLICTS))
    for key in wanted.keys() | found.keys():
        if wanted.get(key) != found.get(key):
            yield f"{key} overlaps {wanted.get(key)}, and is in conflict with {found.get(key)}"


def compare_reservations(ending: Ending) -> Iterator[str]:
    """Each event takes its time, once."""
    found = {key: rest for key, *rest in ending.arena.installation.fetch(TAKEN)}
    wanted = {event["id"] for event in ending.standing}
    for key in wanted | found.keys():
        if found.get(key) != ([1, True] if key in wanted else None):
            yield f"{key} has the reservations {found.get(key)}, and stands: {key in wanted}"


# --- Sides ------------------------------------------------------------------------------------------------------------


def compare_meetings(ending: Ending) -> Iterator[str]:
    for key, event in ending.by_id.items():
        meeting = ending.meetings.get(key, {})
        for name in COMPARED:
            if meeting.get(name) != event[name]:
                yield f"{key}: {name} is {meeting.get(name)} in Keepsync, {event[name]} at calendar.live"
    for key, meeting in ending.meetings.items():
        if key not in ending.by_id and meeting["status"] != "cancelled":
            yield f"meeting {meeting['id']} is {meeting['status']}, and calendar.live has no such event"


def compare_crms(ending: Ending) -> Iterator[str]:
    """Each CRM has each meeting once, at its time."""
    for slug in CRMS:
        entries = defaultdict(list)
        for entry in READERS[slug](ending.arena.read(slug)["records"]).entries:
            entries[entry.key].append(entry)
        for key, event in ending.by_id.items():
            found = entries[ending.meetings[key]["id"]] if key in ending.meetings else []
            times = [(entry.start, entry.end, entry.is_cancelled) for entry in found]
            if times != [(event["start"], event["end"], event["status"] == "cancelled")]:
                yield f"{slug}: {key} ({event['status']}, {format_instant(event['start'])}) is there as {times}"


def find_left_open(ending: Ending) -> Iterator[str]:
    for kind, state, count in ending.arena.installation.fetch(LEFT_OPEN):
        yield f"{count} left open: {kind} {state}"


# --- Promises ---------------------------------------------------------------------------------------------------------


def compare_bookings(ending: Ending) -> Iterator[str]:
    """What was accepted is at calendar.live once, what was refused is nowhere."""
    made = Counter(event["client_reference"] for event in ending.events)
    titles = Counter(event["title"] for event in ending.events)
    for one in ending.by_programs:
        count = made[one.key] if one.is_booked else titles[one.title]
        may_be_released = one.status != 201 and one.key in ending.released
        if count != one.is_booked and not (count == 0 and may_be_released):
            yield f"{one.title} was answered {one.status}, and is {count} times at calendar.live"
    known = {one.key for one in ending.tries if one.is_booked} | {each.one.key for each in ending.edited}
    yield from (
        f"event {event['id']} is of nobody's"
        for event in ending.events
        if (event["client_reference"] if event["source"] == "api" else event["id"]) not in known
    )


def compare_later_deeds(ending: Ending) -> Iterator[str]:
    """What was cancelled is cancelled; what was moved is at its new time, and what could not be, at the old one."""
    made = {event["client_reference"] or event["id"]: event for event in ending.events}
    for one in ending.tries:
        event = made.get(one.key)
        if event is None or not one.is_booked:
            continue
        is_cancelled = one.then == "cancel" and one.then_status in (200, 202, 302)
        if (event["status"] == "cancelled") != is_cancelled:
            yield f"{one.title}: {one.then} was answered {one.then_status}, and it is {event['status']}"
        moved = {200: [one.new_start], 302: [one.new_start], 202: [one.start, one.new_start]}
        starts = moved.get(one.then_status, [one.start]) if one.then == "move" else [one.start]
        if event["start"] not in starts or event["end"] != event["start"] + HALF:
            yield f"{one.title}: {one.then} was answered {one.then_status}, and it is at {event['start']}"


def compare_edits(ending: Ending) -> Iterator[str]:
    """Neither side has overwritten what the other one had changed."""
    for edited in ending.edited:
        event = ending.by_id[edited.event_id]
        if event["title"] not in edited.titles | edited.postponed:
            yield f"{edited.event_id} is called {event['title']}, and was renamed to {sorted(edited.titles)} last"
        if event["description"] not in edited.descriptions:
            yield f"{edited.event_id} says {event['description']}, and was edited to {edited.descriptions} last"


def find_problems_of_tries(ending: Ending) -> Iterator[str]:
    for one in [*ending.tries, *(each.one for each in ending.edited)]:
        yield from (f"{one.title}: {problem}" for problem in one.problems)


CHECKS = (
    find_problems_of_tries,
    find_left_open,
    find_own_double_bookings,
    compare_conflicts,
    compare_reservations,
    compare_meetings,
    compare_crms,
    compare_bookings,
    compare_later_deeds,
    compare_edits,
)
