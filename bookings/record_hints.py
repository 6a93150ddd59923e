"""What a CRM tells of a meeting's record is a hint: an effect fetches the record, and decides by what it holds then.

So the order of the hints, their doubles, and what they leave out do not matter.
"""

from bookings.models import BookingRequest, MeetingLink
from integrations.effects import plan
from integrations.models import Pair

TAKE_IN = "meeting.take_in"


def note_change(connection_id: int, external_id: str) -> None:
    """A record was made or changed over there: it is looked at where it may be booked, or is a meeting of ours."""
    known = MeetingLink.objects.filter(connection=connection_id, external_id=external_id)
    if may_book(connection_id) or known.exists():
        plan_take_in(connection_id, external_id)


def note_deletion(connection_id: int, external_id: str) -> None:
    """A record was deleted over there. Where the CRM has no say in its meeting, the next change of ours makes it anew.

    One that is being booked is marked first: that waits for the transaction that links it.
    """
    booking = BookingRequest.objects.filter(crm=connection_id, record_id=external_id, finished_at=None)
    booking.update(is_record_gone=True)
    links = MeetingLink.objects.select_related("meeting")
    link = links.filter(connection=connection_id, external_id=external_id).first()
    if link is None:
        return
    if find_pattern(link) in (None, Pair.Pattern.IN):
        link.delete()
        return
    link.is_gone = True
    link.save(update_fields=["is_gone"])
    plan_take_in(connection_id, external_id)


def look_again(request: BookingRequest) -> None:
    """What a request of a CRM's record has come to is followed by another look at the record.

    It may have changed while calendar.live was asked. Planned in the transaction that ends the request.
    """
    if request.crm_id is not None:
        plan_take_in(request.crm_id, request.record_id)


def plan_take_in(connection_id: int, external_id: str, *, delay_s: float = 0) -> None:
    plan(TAKE_IN, connection_id=connection_id, subject=f"record:{external_id}", delay_s=delay_s)


def may_book(connection_id: int) -> bool:
    """Whether what sales reps make in a CRM is to be booked at calendar.live."""
    return Pair.objects.filter(crm=connection_id).exclude(pattern=Pair.Pattern.IN).exists()


def find_pattern(link: MeetingLink) -> str | None:
    """Of the pair of the link's CRM and the meeting's calendar.live connection."""
    pairs = Pair.objects.filter(crm=link.connection_id, calendar=link.meeting.connection_id)
    return pairs.values_list("pattern", flat=True).first()
