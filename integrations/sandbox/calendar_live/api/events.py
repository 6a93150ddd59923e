"""/v1/calendars and /v1/events."""

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.calendar_live.api.access import (
    api_view,
    error_response,
    frame,
    read_json,
    read_parameter,
    require_method,
)
from integrations.sandbox.calendar_live.catalog import CALENDARS, ELSEWHERE
from integrations.sandbox.calendar_live.changes import create_event, update_event
from integrations.sandbox.calendar_live.documents import Document, calendar_document, event_document
from integrations.sandbox.calendar_live.events import cancel_event, find_event
from integrations.sandbox.calendar_live.idempotency import answer_once
from integrations.sandbox.calendar_live.inputs import parse_event_input, parse_instant
from integrations.sandbox.calendar_live.listings import list_events, parse_page_size
from integrations.sandbox.calendar_live.runtime import get_world
from integrations.sandbox.grant_records import ACME


@api_view
def calendars(request: HttpRequest) -> HttpResponse:
    found = CALENDARS if frame.find_account(request) == ACME else ELSEWHERE
    return require_method(request, "GET") or JsonResponse(
        {"items": [calendar_document(calendar) for calendar in found.values()]}
    )


@api_view
def events(request: HttpRequest) -> HttpResponse:
    if refused := require_method(request, "GET", "POST"):
        return refused
    return _create(request) if request.method == "POST" else _list(request)


@api_view
def one_event(request: HttpRequest, event_id: str) -> HttpResponse:
    if refused := require_method(request, "GET", "PATCH", "DELETE"):
        return refused
    if request.method == "PATCH":
        return _update(request, event_id)
    if request.method == "DELETE":
        with get_world().change() as moment:
            return JsonResponse(event_document(cancel_event(moment, find_event(moment, event_id))))
    return JsonResponse(event_document(find_event(get_world().read(), event_id)))


def _list(request: HttpRequest) -> HttpResponse:
    page, next_page_token = list_events(
        get_world().read(),
        updated_since=read_parameter(request.GET, "updated_since", parse_instant),
        starts_before=read_parameter(request.GET, "starts_before", parse_instant),
        calendar_id=request.GET.get("calendar_id"),
        page_token=request.GET.get("page_token"),
        page_size=read_parameter(request.GET, "page_size", parse_page_size) or 100,
    )
    return JsonResponse({"items": [event_document(event) for event in page], "next_page_token": next_page_token})


def _create(request: HttpRequest) -> HttpResponse:
    body = read_json(request)
    values = parse_event_input(body)
    key = request.headers.get("Idempotency-Key", "")
    with get_world().change() as moment:

        def make() -> Document:
            return event_document(create_event(moment, values))

        return JsonResponse(answer_once(moment, "POST /v1/events", key, body, make), status=201)


def _update(request: HttpRequest, event_id: str) -> HttpResponse:
    based_on = request.headers.get("If-Match")
    if based_on is None:
        return error_response(428, "precondition_required", "If-Match is required.", "If-Match")
    values = parse_event_input(read_json(request))
    with get_world().change() as moment:
        event = find_event(moment, event_id)
        return JsonResponse(event_document(update_event(moment, event, values, based_on=based_on)))
