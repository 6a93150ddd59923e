"""What becomes of a record in a CRM, and what its sales rep hears, where calendar.live does not have it that way."""

from collections.abc import Mapping
from typing import Any

from bookings.flows.rep_notices import tell_of_meeting, tell_of_request
from bookings.models import BookingRequest, Meeting, MeetingLink
from bookings.sync import plan_meeting
from integrations.ownership import PARTS, Record, list_names, note_doubt

Kind = BookingRequest.Kind
# The failure of what the pair's pattern does not let into calendar.live.
BLOCKED = "blocked"
CHANGED_MEANWHILE = "changed_meanwhile"


def refuse(request: BookingRequest, meeting: Meeting | None) -> None:
    """A request of a record has failed, in the open transaction. One that could not be booked stays as it is.

    Where calendar.live has changed the same meanwhile the record is weighed anew: the field's policy decides.
    """
    rows = MeetingLink.objects.select_for_update(no_key=True, of=("self",)).select_related("connection")
    link = rows.filter(connection=request.crm_id, external_id=request.record_id).first()
    if meeting and link and request.kind == Kind.CHANGE and request.failure == CHANGED_MEANWHILE:
        doubt(link, request.body)
        return
    if meeting and link and request.kind != Kind.CREATE:
        put_right(link)
    tell_of_request(request)


def doubt(link: MeetingLink, body: Mapping[str, Any]) -> None:
    """Both sides have changed these fields: nothing is sent over them before they are weighed."""
    fields = {"time" if name in ("start", "end") else name for name in body} & PARTS[Record.MEETING].keys()
    names = [name for field in fields for name in list_names(link.connection, Record.MEETING, field)]
    link.exchanged, link.disputed = note_doubt(link.exchanged, names), sorted({*link.disputed, *names})
    link.save(update_fields=["exchanged", "disputed"])


def refuse_change(link: MeetingLink, failure: str, wished: Mapping[str, str]) -> None:
    """The same for a change that calendar.live is not even asked for. Told once for each state of ours."""
    put_right(link)
    tell_of_meeting(link, failure, wished)


def put_right(link: MeetingLink) -> None:
    """Bring the record back to what holds here, where it says something else; one that was deleted is made anew."""
    if link.is_gone:
        link.delete()
    plan_meeting(link.meeting_id, link.connection_id)
