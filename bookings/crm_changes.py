"""What a sales rep has changed about a meeting in a CRM, and what of it is asked of calendar.live.

A field was changed over there where it holds something else than what both sides last agreed upon; what only differs
from ours is on its way there.
"""

from typing import Any

from bookings.crm_records import CANCELLED, read_record, read_text
from bookings.models import BookingRequest, Meeting, MeetingLink
from bookings.timezones import format_instant
from integrations import mappings
from integrations.models import FieldMapping, Pair
from integrations.providers.crm import MeetingRecord

Kind = BookingRequest.Kind
TIME = ("start", "end", "timezone")
COMPARED = ("title", "description", *TIME, "status")


def decide_changes(meeting: Meeting, link: MeetingLink, record: MeetingRecord | None, pair: Pair) -> dict[str, Any]:
    """Of what was changed over there, what is asked of calendar.live: fields of a change, or the status `cancelled`."""
    if pair.pattern == Pair.Pattern.IN:
        return {}
    return list_changes(meeting, link, record)


def list_changes(meeting: Meeting, link: MeetingLink, record: MeetingRecord | None) -> dict[str, str]:
    """What somebody has changed over there and is not so here. A record that was deleted is a cancelled meeting."""
    here = describe(meeting)
    if record is None:
        return {} if here["status"] == CANCELLED else {"status": CANCELLED}
    there = read_record(mappings.read_mapping(link.connection, FieldMapping.Record.MEETING), record)
    agreed = read_agreed(meeting, link)
    changed = {name for name, value in there.items() if value not in (agreed[name], here[name])}
    if not changed.isdisjoint(TIME):
        changed |= {name for name in TIME if there.get(name, here[name]) != here[name]}
    return {name: there[name] for name in COMPARED if name in changed}


def read_agreed(meeting: Meeting, link: MeetingLink) -> dict[str, str]:
    """What was brought there last, and what was asked for from there since, whatever has become of it."""
    at = link.pushed_at or link.created_at
    was = meeting.history.filter(history_date__lte=at).order_by("-history_date", "-history_id").first()
    agreed = describe(was or meeting)
    asked = BookingRequest.objects.filter(meeting=meeting, crm=link.connection, created_at__gte=at)
    for request in asked.order_by("created_at"):
        agreed |= {name: read_text(request.body[name]) for name in COMPARED if name in request.body}
        if request.kind == Kind.CANCEL:
            agreed["status"] = CANCELLED
    return agreed


def describe(meeting: Any) -> dict[str, str]:
    """Of a meeting, or of what it was, the fields that are compared."""
    return {
        "title": read_text(meeting.title),
        "description": read_text(meeting.description),
        "start": format_instant(meeting.start),
        "end": format_instant(meeting.end),
        "timezone": meeting.timezone,
        "status": CANCELLED if meeting.status == Meeting.Status.CANCELLED else "",
    }
