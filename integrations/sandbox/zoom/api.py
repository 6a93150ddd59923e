"""/v2: meetings of a user, one meeting, its registrants."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.clock import utc_now
from integrations.sandbox.zoom.answers import (
    VALIDATION,
    ZoomError,
    format_instant,
    frame,
    show_brief,
    show_meeting,
    show_registrant,
)
from integrations.sandbox.zoom.changes import (
    add_registrant,
    announce,
    count_write,
    create_meeting,
    delete_meeting,
    find_host,
    find_meeting,
    find_registrant,
    update_meeting,
)
from integrations.sandbox.zoom.inputs import read_meeting, read_registrant
from integrations.sandbox.zoom.records import Meeting, get_store

LARGEST_PAGE = 300
ACTIONS = {"approve": "approved", "deny": "denied", "cancel": "cancelled"}


def show_page(request: HttpRequest, items: Sequence[Any], name: str, show: Callable[[Any], Any]) -> HttpResponse:
    """A page from `page_size` and `next_page_token`; the token is empty on the last one."""
    size, token = request.GET.get("page_size", "30"), request.GET.get("next_page_token") or "0"
    if not (size.isdigit() and 0 < int(size) <= LARGEST_PAGE and token.isdigit()):
        raise ZoomError(400, VALIDATION, f"page_size must be from 1 to {LARGEST_PAGE}.")
    first, end = int(token), int(token) + int(size)
    body = {
        "page_size": int(size),
        "total_records": len(items),
        "next_page_token": str(end) if end < len(items) else "",
        name: [show(item) for item in items[first:end]],
    }
    return JsonResponse(body)


# --- Meetings ---------------------------------------------------------------------------------------------------------


def list_meetings(request: HttpRequest, user_id: str) -> HttpResponse:
    meetings = get_store().read().live_meetings(find_host(user_id))
    kind = request.GET.get("type", "scheduled")
    if kind in ("upcoming", "upcoming_meetings"):
        meetings = [meeting for meeting in meetings if meeting.start_time and meeting.start_time > utc_now()]
    elif kind == "previous_meetings":
        meetings = [meeting for meeting in meetings if meeting.start_time and meeting.start_time <= utc_now()]
    elif kind == "live":
        meetings = [meeting for meeting in meetings if meeting.status == "started"]
    first, last = _read_day(request, "from"), _read_day(request, "to")
    if first or last:
        meetings = [meeting for meeting in meetings if _is_within(meeting, first, last)]
    return show_page(request, meetings, "meetings", show_brief)


def _read_day(request: HttpRequest, name: str) -> date | None:
    try:
        return date.fromisoformat(request.GET[name]) if name in request.GET else None
    except ValueError as error:
        raise ZoomError(400, VALIDATION, "Validation Failed.", [(name, "must be a date.")]) from error


def _is_within(meeting: Meeting, first: date | None, last: date | None) -> bool:
    day = meeting.start_time.date() if meeting.start_time else None
    return day is not None and (first is None or first <= day) and (last is None or day <= last)


def add_meeting(request: HttpRequest, user_id: str) -> HttpResponse:
    host, fields = find_host(user_id), read_meeting(frame.read_object(request))
    with get_store().change() as state:
        meeting = create_meeting(state, host, fields)
    announce("meeting.created", meeting)
    return JsonResponse(show_meeting(meeting) | {"creation_source": "open_api"}, status=201)


def show_one(request: HttpRequest, meeting_id: str) -> HttpResponse:
    meeting = find_meeting(get_store().read(), meeting_id)
    return JsonResponse(show_meeting(meeting) | {"status": meeting.status})


def change_meeting(request: HttpRequest, meeting_id: str) -> HttpResponse:
    fields = read_meeting(frame.read_object(request))
    with get_store().change() as state:
        before = find_meeting(state, meeting_id)
        count_write(state, before.host)
        meeting = update_meeting(state, before, fields)
    if meeting != before:
        announce("meeting.updated", meeting, before=before)
    return HttpResponse(status=204)


def remove_meeting(request: HttpRequest, meeting_id: str) -> HttpResponse:
    with get_store().change() as state:
        meeting = find_meeting(state, meeting_id)
        delete_meeting(state, meeting)
    announce("meeting.deleted", meeting)
    return HttpResponse(status=204)


# --- Registrants ------------------------------------------------------------------------------------------------------


def list_registrants(request: HttpRequest, meeting_id: str) -> HttpResponse:
    state = get_store().read()
    status = request.GET.get("status", "approved")
    registrants = state.registrants_of(find_meeting(state, meeting_id).id)
    return show_page(request, [item for item in registrants if item.status == status], "registrants", show_registrant)


def register(request: HttpRequest, meeting_id: str) -> HttpResponse:
    email, first_name, details = read_registrant(frame.read_object(request))
    with get_store().change() as state:
        meeting = find_meeting(state, meeting_id)
        registrant, is_new = add_registrant(state, meeting, email, first_name, details)
    if is_new:
        announce("meeting.registration_created", meeting, registrant=registrant)
    shown = {
        "id": meeting.id,
        "registrant_id": registrant.id,
        "topic": meeting.topic,
        "join_url": registrant.join_url,
        "participant_pin_code": 100_000,
    }
    if meeting.start_time:
        shown["start_time"] = format_instant(meeting.start_time)
    return JsonResponse(shown, status=201)


def show_registration(request: HttpRequest, meeting_id: str, registrant_id: str) -> HttpResponse:
    state = get_store().read()
    return JsonResponse(show_registrant(find_registrant(state, find_meeting(state, meeting_id), registrant_id)))


def remove_registrant(request: HttpRequest, meeting_id: str, registrant_id: str) -> HttpResponse:
    with get_store().change() as state:
        meeting = find_meeting(state, meeting_id)
        registrant = find_registrant(state, meeting, registrant_id)
        del state.registrants[registrant.id]
    announce("meeting.registration_cancelled", meeting, registrant=registrant)
    return HttpResponse(status=204)


def change_status(request: HttpRequest, meeting_id: str) -> HttpResponse:
    """Approve, deny or cancel several, named by id or e-mail; a cancelled one is gone."""
    body = frame.read_object(request)
    action, named = body.get("action"), body.get("registrants", [])
    if action not in ACTIONS or not isinstance(named, list):
        raise ZoomError(400, VALIDATION, "Validation Failed.", [("action", "must be approve, cancel or deny.")])
    names = {str(value).lower() for item in named if isinstance(item, dict) for value in item.values()}
    with get_store().change() as state:
        meeting = find_meeting(state, meeting_id)
        changed = [item for item in state.registrants_of(meeting.id) if {item.id.lower(), item.email.lower()} & names]
        for item in changed:
            state.registrants[item.id] = replace(item, status=ACTIONS[action])
            if action == "cancel":
                del state.registrants[item.id]
    for item in changed:
        announce(f"meeting.registration_{ACTIONS[action]}", meeting, registrant=item)
    return HttpResponse(status=204)
