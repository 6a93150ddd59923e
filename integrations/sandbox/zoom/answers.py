"""How Zoom answers: errors, meetings and registrants. https://developers.zoom.us/docs/api/errors"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import HttpResponse, JsonResponse

from integrations.sandbox.frame import Frame, Refusals, RefusedError
from integrations.sandbox.zoom.records import HOST_EMAIL, HOST_ID, Meeting, Registrant

VALIDATION, BAD_TOKEN, NO_REGISTRATION, NO_USER, NO_MEETING = 300, 124, 404, 1001, 3001
AGENDA_IN_LISTS = 250
DAILY_LIMIT = (
    "You have exceeded the daily rate limit (100) of Meeting Create/Update API requests permitted for this "
    "particular user. You may resume these requests at GMT 00:00:00."
)


class ZoomError(RefusedError):
    """`problems` are pairs of a field and what is wrong with it."""

    def __init__(self, status: int, code: int, message: str, problems: Sequence[tuple[str, str]] = ()) -> None:
        self.message = message
        body: dict[str, Any] = {"code": code, "message": message}
        if problems:
            body["errors"] = [{"field": field, "message": problem} for field, problem in problems]
        super().__init__(JsonResponse(body, status=status))


def no_meeting(meeting_id: str) -> ZoomError:
    return ZoomError(404, NO_MEETING, f"Meeting does not exist: {meeting_id}.")


def refuse_token() -> HttpResponse:
    return ZoomError(401, BAD_TOKEN, "Invalid access token.").response


def refuse_rate(retry_after_s: int) -> HttpResponse:
    message = "You have reached the maximum per-second rate limit for this API. Try again later."
    response = ZoomError(429, 429, message).response
    response["Retry-After"] = str(retry_after_s)
    return response


def refuse(status: int, message: str) -> HttpResponse:
    return ZoomError(status, status, message).response


frame = Frame("zoom", Refusals(refuse_token, refuse_rate, refuse))


def format_instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def show_brief(meeting: Meeting) -> dict[str, Any]:
    """A meeting as lists and webhooks show it."""
    shown = {
        "uuid": meeting.uuid,
        "id": meeting.id,
        "host_id": host_id(meeting.host),
        "topic": meeting.topic,
        "type": meeting.type,
        "duration": meeting.duration,
        "timezone": meeting.timezone,
        "created_at": format_instant(meeting.created_at),
        "join_url": meeting.join_url,
        "agenda": meeting.agenda[:AGENDA_IN_LISTS],
    }
    return shown | ({"start_time": format_instant(meeting.start_time)} if meeting.start_time else {})


def show_meeting(meeting: Meeting) -> dict[str, Any]:
    """A meeting with everything, for its host."""
    shown = show_brief(meeting) | {
        "agenda": meeting.agenda,
        "host_email": meeting.host,
        "start_url": f"https://zoom.example/s/{meeting.id}?zak=sandbox",
        "password": meeting.password,
        "settings": meeting.settings,
        "tracking_fields": meeting.tracking_fields,
        "pre_schedule": False,
    }
    if meeting.has_registration:
        shown["registration_url"] = f"https://zoom.example/meeting/register/{meeting.id}"
    return shown | ({"recurrence": meeting.recurrence} if meeting.recurrence else {})


def show_registrant(registrant: Registrant) -> dict[str, Any]:
    return {
        **registrant.details,
        "id": registrant.id,
        "email": registrant.email,
        "first_name": registrant.first_name,
        "status": registrant.status,
        "create_time": format_instant(registrant.created_at),
        "join_url": registrant.join_url,
    }


def host_id(host: str) -> str:
    """An id of Zoom's kind for a user, who is known here by the e-mail address."""
    return HOST_ID if host == HOST_EMAIL else host.partition("@")[0]
