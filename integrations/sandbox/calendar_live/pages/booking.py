"""The customer's pages: choose, book, look, move, cancel, answer."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from integrations.sandbox.calendar_live.bookings import (
    book,
    cancel,
    event_type_of,
    find_attendee,
    open_slots,
    reschedule,
    respond,
)
from integrations.sandbox.calendar_live.catalog import CALENDARS, EVENT_TYPES
from integrations.sandbox.calendar_live.events import find_event
from integrations.sandbox.calendar_live.exceptions import InvalidInputError, NotFoundError, SlotTakenError
from integrations.sandbox.calendar_live.pages.display import (
    group_by_day,
    local_time,
    show_payment,
    show_price,
    zone_label,
)
from integrations.sandbox.calendar_live.pages.forms import BookingForm, SlotForm
from integrations.sandbox.calendar_live.payments import book_paid, close_sessions, find_ticket, is_sold_here
from integrations.sandbox.calendar_live.records import Attendee, Event, EventType
from integrations.sandbox.calendar_live.runtime import get_world
from integrations.sandbox.calendar_live.world import Moment
from integrations.sandbox.stripe.checkout import read_current
from integrations.sandbox.stripe.runtime import get_account


@require_safe
def list_event_types(request: HttpRequest) -> HttpResponse:
    offers = [(event_type, show_price(event_type)) for event_type in EVENT_TYPES.values()]
    return render(request, "calendar_live/event_types.html", {"offers": offers})


@require_http_methods(["GET", "HEAD", "POST"])
def book_slot(request: HttpRequest, slug: str) -> HttpResponse:
    """The booking form; a refused booking shows it again (422 bad input, 409 slot taken) with what was typed."""
    if slug not in EVENT_TYPES:
        raise Http404("No such event type.")
    event_type, status = EVENT_TYPES[slug], 200
    form = BookingForm(request.POST if request.method == "POST" else None)
    read_current(get_account())  # places of sessions that ran out are free again
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                return _book(request, event_type, form)
            except (InvalidInputError, SlotTakenError) as refusal:
                status = _show_refusal(form, refusal)
    moment = get_world().read()
    price = show_price(event_type)
    context = {"form": form, "event_type": event_type, "price": price, **_slot_context(form, moment, event_type)}
    return render(request, "calendar_live/book.html", context, status=status)


@require_safe
def show_booking(request: HttpRequest, event_id: str) -> HttpResponse:
    moment = get_world().read()
    event = _find_event(moment, event_id)
    try:
        attendee = find_attendee(event, request.GET.get("attendee"))
    except NotFoundError:
        # Who has left a group, or has still to pay for his place in it, gets an answer too.
        payment = show_payment(find_ticket(moment, event, request.GET["attendee"]))
        return render(request, "calendar_live/left.html", {"event": event, "payment": payment, **_time_context(event)})
    context = {
        "event": event,
        "attendee": attendee,
        "attendee_query": _attendee_query(request),
        "event_type": event_type_of(event),
        "payment": show_payment(find_ticket(moment, event, attendee.id) if attendee else None),
        **_time_context(event),
    }
    return render(request, "calendar_live/booking.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
def reschedule_booking(request: HttpRequest, event_id: str) -> HttpResponse:
    event, attendee = _find_booking(request, get_world().read(), event_id)
    form, status = SlotForm(request.POST if request.method == "POST" else None), 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                with get_world().change() as moment:
                    event, attendee = _find_booking(request, moment, event_id)
                    event = reschedule(moment, event, form.cleaned_data["slot"], attendee)
                return _to_booking(event, attendee)
            except (InvalidInputError, SlotTakenError) as refusal:
                status = _show_refusal(form, refusal)
    context = {
        "form": form,
        "event": event,
        "attendee_query": _attendee_query(request),
        **_time_context(event),
        **_slot_context(form, get_world().read(), event_type_of(event), moving=event),
    }
    return render(request, "calendar_live/reschedule.html", context, status=status)


@require_POST
def cancel_booking(request: HttpRequest, event_id: str) -> HttpResponse:
    with get_world().change() as moment:
        event, attendee = _find_booking(request, moment, event_id)
        event = cancel(moment, event, attendee)
    close_sessions(get_world(), get_account())
    return _to_booking(event, attendee)


@require_POST
def respond_to_booking(request: HttpRequest, event_id: str) -> HttpResponse:
    with get_world().change() as moment:
        event, attendee = _find_booking(request, moment, event_id)
        response = request.POST.get("response")
        if attendee is not None and event.status != "cancelled" and response in ("accepted", "declined"):
            event = respond(moment, event, attendee, "accepted" if response == "accepted" else "declined")
    return _to_booking(event, attendee)


def _book(request: HttpRequest, event_type: EventType, form: BookingForm) -> HttpResponse:
    """To the booking's page, or to that of its payment. Raises InvalidInputError, SlotTakenError."""
    if is_sold_here(event_type):
        site = request.build_absolute_uri("/")
        with get_world().change() as moment:
            slot, guest = form.cleaned_data["slot"], form.guest()
            ticket = book_paid(moment, event_type, slot, guest, account=get_account(), site=site)
        return HttpResponseRedirect(ticket.payment.url or site)
    with get_world().change() as moment:
        event = book(moment, event_type, form.cleaned_data["slot"], form.guest())
    # Attendee ids belong to e-mail addresses, so the newest member of a group is the one who booked.
    return _to_booking(event, event.attendees[-1])


def _find_event(moment: Moment, event_id: str) -> Event:
    try:
        return find_event(moment, event_id)
    except NotFoundError as error:
        raise Http404(str(error)) from error


def _find_booking(request: HttpRequest, moment: Moment, event_id: str) -> tuple[Event, Attendee | None]:
    event = _find_event(moment, event_id)
    try:
        return event, find_attendee(event, request.GET.get("attendee"))
    except NotFoundError as error:
        raise Http404(str(error)) from error


def _to_booking(event: Event, attendee: Attendee | None) -> HttpResponse:
    """To the booking's page; in a group, to the attendee's own view of it."""
    address = reverse("booking", args=[event.id])
    if attendee is not None and event_type_of(event).capacity > 1:
        address += "?" + urlencode({"attendee": attendee.id})
    return HttpResponseRedirect(address)


def _attendee_query(request: HttpRequest) -> str:
    attendee = request.GET.get("attendee")
    return "?" + urlencode({"attendee": attendee}) if attendee else ""


def _show_refusal(form: SlotForm, refusal: InvalidInputError | SlotTakenError) -> int:
    """Put the refusal at its field; the status to answer."""
    if isinstance(refusal, SlotTakenError):
        form.add_error("slot", f"{refusal} Please choose another one.")
        return 409
    form.add_error(refusal.field if refusal.field in form.fields else None, str(refusal))
    return 422


def _slot_context(
    form: SlotForm, moment: Moment, event_type: EventType, *, moving: Event | None = None
) -> Mapping[str, Any]:
    """The open days for the slot picker; an event that moves doesn't stand in its own way."""
    zone_name = CALENDARS[event_type.calendar_id].timezone
    places = open_slots(moment, event_type, ignoring={moving.id} if moving else ())
    if moving is not None:
        places = {slot: left for slot, left in places.items() if slot.start != moving.start}
    chosen = form.data.get("slot", "")
    return {
        "days": group_by_day(places, zone_name, chosen=chosen),
        "zone": zone_label(zone_name, moment.now),
        "chosen": chosen,
        "is_group": event_type.capacity > 1,
    }


def _time_context(event: Event) -> Mapping[str, Any]:
    return {
        "when": local_time(event.start, event.end, event.timezone),
        "zone": zone_label(event.timezone, event.start),
        "calendar": CALENDARS[event.calendar_id],
    }
