"""/v1/free_busy and /v1/holds."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.calendar_live.api.access import api_view, read_json, read_required, require_method
from integrations.sandbox.calendar_live.catalog import CALENDARS
from integrations.sandbox.calendar_live.changes import hold_slot, release_hold
from integrations.sandbox.calendar_live.documents import Document, hold_document, interval_document
from integrations.sandbox.calendar_live.events import busy
from integrations.sandbox.calendar_live.exceptions import InvalidInputError
from integrations.sandbox.calendar_live.idempotency import answer_once
from integrations.sandbox.calendar_live.inputs import (
    parse_calendar_id,
    parse_hold_input,
    parse_instant,
    require_order,
)
from integrations.sandbox.calendar_live.runtime import get_world
from integrations.sandbox.calendar_live.schedule import Interval, opening_hours

LONGEST_WINDOW = timedelta(days=62)


@api_view
def free_busy(request: HttpRequest) -> HttpResponse:
    if refused := require_method(request, "GET"):
        return refused
    calendar_id = read_required(request.GET, "calendar_id", parse_calendar_id)
    window = _read_window(request)
    zone = ZoneInfo(CALENDARS[calendar_id].timezone)
    return JsonResponse(
        {
            "busy": [interval_document(item) for item in busy(get_world().read(), calendar_id, window)],
            "availability": [interval_document(item) for item in opening_hours(zone, window)],
        }
    )


@api_view
def holds(request: HttpRequest) -> HttpResponse:
    if refused := require_method(request, "POST"):
        return refused
    body = read_json(request)
    values = parse_hold_input(body)
    key = request.headers.get("Idempotency-Key", "")
    with get_world().change() as moment:

        def make() -> Document:
            return hold_document(hold_slot(moment, values))

        return JsonResponse(answer_once(moment, "POST /v1/holds", key, body, make), status=201)


@api_view
def one_hold(request: HttpRequest, hold_id: str) -> HttpResponse:
    if refused := require_method(request, "DELETE"):
        return refused
    with get_world().change() as moment:
        release_hold(moment, hold_id)
    return HttpResponse(status=204)


def _read_window(request: HttpRequest) -> Interval:
    start = read_required(request.GET, "start", parse_instant)
    end = read_required(request.GET, "end", parse_instant)
    require_order(start, end)
    if end - start > LONGEST_WINDOW:
        raise InvalidInputError(f"The window may span {LONGEST_WINDOW.days} days at most.", field="end")
    return Interval(start, end)
