"""The automations, in the order in which they see a meeting that has changed."""

from bookings import sync
from bookings.flows import checkout, lead_capture, online_meeting
from bookings.models import Meeting

FLOWS = (lead_capture.follow, checkout.follow, online_meeting.follow, sync.follow)


def follow(meeting: Meeting) -> None:
    """Let every automation see where the meeting is now."""
    for flow in FLOWS:
        flow(meeting)
