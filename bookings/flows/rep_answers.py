"""What becomes of a record in a CRM, and what its sales rep hears, where calendar.live does not have it that way."""

from collections.abc import Mapping

from bookings.flows.rep_notices import tell_of_meeting, tell_of_request
from bookings.models import BookingRequest, Meeting, MeetingLink
from bookings.sync import plan_meeting

Kind = BookingRequest.Kind
# The failure of what the pair's pattern does not let into calendar.live.
BLOCKED = "blocked"


def refuse(request: BookingRequest, meeting: Meeting | None) -> None:
    """A request of a record has failed, in the open transaction. One that could not be booked stays as it is."""
    link = MeetingLink.objects.filter(connection=request.crm_id, external_id=request.record_id).first()
    if meeting and link and request.kind != Kind.CREATE:
        put_right(link)
    tell_of_request(request)


def refuse_change(link: MeetingLink, failure: str, wished: Mapping[str, str]) -> None:
    """The same for a change that calendar.live is not even asked for. Told once for each state of ours."""
    put_right(link)
    tell_of_meeting(link, failure, wished)


def put_right(link: MeetingLink) -> None:
    """Bring the record back to what holds here; one that was deleted over there is made anew."""
    if link.is_gone:
        link.delete()
    else:
        # What was sent last does not count any more: the same again is sent.
        MeetingLink.objects.filter(pk=link.pk).update(pushed_hash="")
    plan_meeting(link.meeting_id, link.connection_id)
