"""Who gets into an online meeting that Keepsync makes, and when there is one: what the flows go by."""

from django.db.models import QuerySet

from bookings.models import Attendance, Meeting
from bookings.payments import is_settled


def stands(meeting: Meeting) -> bool:
    """Whether the booking is on: confirmed, and paid if it costs money."""
    return meeting.status == Meeting.Status.CONFIRMED and is_settled(meeting)


def wants_zoom(meeting: Meeting) -> bool:
    """Whether Keepsync is to make the online meeting: the booking stands, is for Zoom, and has no other link.

    An occurrence that was changed by itself shares its series' meeting.
    """
    is_online = (meeting.event_type or {}).get("online_meeting") == "zoom" and not meeting.series_id
    return is_online and meeting.join_url in ("", meeting.made_join_url) and stands(meeting)


def list_attending(meeting: Meeting) -> QuerySet[Attendance]:
    """Those who have not declined, by who came first."""
    return meeting.attendances.exclude(response=Attendance.Response.DECLINED).order_by("id")
