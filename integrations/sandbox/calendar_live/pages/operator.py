"""The page behind the scenes: what was sent, what exists, and the faults to switch on."""

import json
from dataclasses import asdict
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from integrations.sandbox.calendar_live.catalog import ACCOUNT_ID, CALENDARS
from integrations.sandbox.calendar_live.exceptions import NotFoundError
from integrations.sandbox.calendar_live.outbox import enable_endpoint, enqueue, redeliver, set_knobs
from integrations.sandbox.calendar_live.pages.display import local_time
from integrations.sandbox.calendar_live.pages.forms import KnobsForm
from integrations.sandbox.calendar_live.records import Delivery, Event
from integrations.sandbox.calendar_live.runtime import get_world
from integrations.sandbox.faults import get_faults
from integrations.sandbox.log import get_log
from integrations.sandbox.panel import FaultsForm, show_grants
from integrations.sandbox.panel import change_grants as change_all

ROWS_SHOWN = 50
# Two forms on one page must not share the ids of their fields.
FAULT_ID = "fault_%s"


@require_safe
def show_overview(request: HttpRequest) -> HttpResponse:
    return _render_overview(request, None)


@require_POST
def turn_knobs(request: HttpRequest) -> HttpResponse:
    form = KnobsForm(request.POST)
    if not form.is_valid():
        return _render_overview(request, form)
    with get_world().change() as moment:
        set_knobs(moment, form.knobs())
    return redirect("calendar_live")


@require_POST
def turn_faults(request: HttpRequest) -> HttpResponse:
    """The faults of the API, and those that are drawn for every webhook."""
    form = FaultsForm(request.POST, has_webhooks=True, has_grants=True, auto_id=FAULT_ID)
    if not form.is_valid():
        return _render_overview(request, None, form)
    get_faults("calendar_live").set(form.knobs)
    return redirect("calendar_live")


@require_POST
def change_grants(request: HttpRequest, act: str) -> HttpResponse:
    change_all("calendar_live", act)
    return redirect("calendar_live")


@require_POST
def send_ping(request: HttpRequest) -> HttpResponse:
    with get_world().change() as moment:
        enqueue(moment, "ping", {})
    return redirect("calendar_live")


@require_POST
def enable(request: HttpRequest) -> HttpResponse:
    with get_world().change() as moment:
        enable_endpoint(moment)
    return redirect("calendar_live")


@require_POST
def redeliver_one(request: HttpRequest, delivery_id: str) -> HttpResponse:
    try:
        with get_world().change() as moment:
            redeliver(moment, delivery_id)
    except NotFoundError as error:
        raise Http404(str(error)) from error
    return redirect("calendar_live")


def _render_overview(
    request: HttpRequest, form: KnobsForm | None, faults_form: FaultsForm | None = None
) -> HttpResponse:
    faults, log = asdict(get_faults("calendar_live").knobs), get_log("calendar_live")
    moment = get_world().read()
    deliveries, events = list(moment.state.deliveries.values()), list(moment.state.events.values())
    context = {
        "form": form or KnobsForm(initial=vars(moment.state.knobs)),
        "faults_form": faults_form
        or FaultsForm(initial=faults | faults["webhooks"], has_webhooks=True, has_grants=True, auto_id=FAULT_ID),
        "panel": {"provider": "calendar_live"},
        "section": show_grants("calendar_live"),
        "requests": log.entries()[:ROWS_SHOWN],
        "request_count": log.count,
        "account_id": ACCOUNT_ID,
        "has_endpoint": moment.has_endpoint,
        "is_endpoint_enabled": moment.state.is_endpoint_enabled,
        "deliveries": [_delivery_row(item) for item in reversed(deliveries[-ROWS_SHOWN:])],
        "delivery_count": len(deliveries),
        "events": [_event_row(item) for item in reversed(events[-ROWS_SHOWN:])],
        "event_count": len(events),
    }
    status = 200 if form is None and faults_form is None else 422
    return render(request, "calendar_live/overview.html", context, status=status)


def _delivery_row(delivery: Delivery) -> dict[str, Any]:
    body = json.dumps(json.loads(delivery.body), ensure_ascii=False, indent=2)
    return {"delivery": delivery, "body": body, "attempts": delivery.attempts}


def _event_row(event: Event) -> dict[str, Any]:
    return {
        "event": event,
        "calendar": CALENDARS[event.calendar_id],
        "source": {"booking_page": "the booking page", "api": "the API", "calendar": "the calendar"}[event.source],
        "when": local_time(event.start, event.end, event.timezone),
    }
