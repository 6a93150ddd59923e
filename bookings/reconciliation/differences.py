"""In what an event at calendar.live and the meeting that was made of it differ. Pure, but for the rows it is given."""

from bookings.models import Meeting
from bookings.upserts import read_email, read_fields
from integrations.events import Booking

# Beside the event's fields, what is compared of it.
ATTENDEES, CALENDAR = "attendees", "calendar"
# They order the states, and say nothing about what is in them.
NOT_COMPARED = frozenset({"version", "external_updated_at", "external_created_at", "source", "client_reference"})
# What may have been erased here, and is not brought back.
ERASABLE = frozenset({"title", "description", "answers"})
# What a confirmed meeting became here; calendar.live has no words for it.
OVER = frozenset({Meeting.Status.COMPLETED, Meeting.Status.NO_SHOW})


def find_differences(meeting: Meeting, booking: Booking) -> list[str]:
    """The names of the fields that differ. The payment is told by others as well, and is not compared."""
    found = [
        name
        for name, value in read_fields(booking).items()
        if name not in NOT_COMPARED and not is_same(name, getattr(meeting, name), value)
    ]
    if meeting.calendar.external_id != booking.calendar.id:
        found.append(CALENDAR)
    return [*found, ATTENDEES] if differ_attendees(meeting, booking) else found


def is_same(name: str, ours: object, theirs: object) -> bool:
    if name == "status" and ours in OVER:
        return theirs == Meeting.Status.CONFIRMED
    if name == "exdates":
        return sorted(ours) == sorted(theirs)  # type: ignore[call-overload, no-any-return]
    return ours == theirs or (name in ERASABLE and not ours)


def differ_attendees(meeting: Meeting, booking: Booking) -> bool:
    """By who they are and what they answered; names and addresses that were erased here are not compared."""
    known = {each.attendee_id: each for each in meeting.attendances.all()}
    if known.keys() != {each.id for each in booking.attendees}:
        return True
    for each in booking.attendees:
        ours = known[each.id]
        if ours.response != each.response or (ours.email and ours.email != read_email(each)):
            return True
        if ours.full_name and ours.full_name != each.full_name:
            return True
    return False
