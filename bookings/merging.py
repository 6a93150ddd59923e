"""What becomes of attendances when their contacts are merged or taken apart."""

from django.db.models import Q

from bookings.models import Attendance
from contacts.placement import Attendees, moves_with_contact


@moves_with_contact(Attendance)
def attended_as(attendees: Attendees) -> Q:
    """Attendances with one of these attendee ids; none where there are no attendees."""
    found = Q(pk__in=[])
    for connection_id, ids in attendees.items():
        found |= Q(meeting__connection=connection_id, attendee_id__in=ids)
    return found
