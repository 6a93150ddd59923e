"""What bookings do when something happens at a provider."""

from bookings.upserts import upsert_meeting
from integrations.events import BookingChanged, Origin, Outcome, handles


@handles(BookingChanged)
def change_meeting(event: BookingChanged, origin: Origin) -> Outcome:
    return upsert_meeting(event.booking, origin)
