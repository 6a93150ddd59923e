"""calendar.live's addresses: the API under /v1 as in the contract, and the pages for people."""

from django.urls import include, path

from integrations.sandbox.calendar_live.api import deliveries, events, slots, tokens
from integrations.sandbox.calendar_live.documents import Document, world_document
from integrations.sandbox.calendar_live.pages import booking, operator
from integrations.sandbox.calendar_live.runtime import get_world
from integrations.sandbox.control import control_urls


def show_world() -> Document:
    return world_document(get_world().read().state)


def reset_world() -> None:
    get_world().reset()


urlpatterns = [
    path("oauth/authorize", tokens.authorize),
    path("oauth/token", tokens.token),
    path("oauth/revoke", tokens.revoke),
    path("v1/calendars", events.calendars),
    path("v1/events", events.events),
    path("v1/events/<str:event_id>", events.one_event),
    path("v1/free_busy", slots.free_busy),
    path("v1/holds", slots.holds),
    path("v1/holds/<str:hold_id>", slots.one_hold),
    path("v1/webhook_deliveries", deliveries.webhook_deliveries),
    path("v1/webhook_deliveries/<str:delivery_id>/redeliver", deliveries.redeliver_one),
    path("book/", booking.list_event_types, name="event_types"),
    path("book/<slug:slug>/", booking.book_slot, name="book"),
    path("bookings/<str:event_id>/", booking.show_booking, name="booking"),
    path("bookings/<str:event_id>/reschedule/", booking.reschedule_booking, name="reschedule"),
    path("bookings/<str:event_id>/cancel/", booking.cancel_booking, name="cancel"),
    path("bookings/<str:event_id>/respond/", booking.respond_to_booking, name="respond"),
    path("calendar-live/", operator.show_overview, name="calendar_live"),
    path(
        "calendar-live/",
        include(control_urls("calendar_live", show=show_world, reset=reset_world)),
    ),
    path("calendar-live/faults/", operator.turn_faults, name="calendar_live_faults"),
    path("calendar-live/knobs/", operator.turn_knobs, name="knobs"),
    path("calendar-live/grants/<str:act>/", operator.change_grants),
    path("calendar-live/ping/", operator.send_ping, name="ping"),
    path("calendar-live/enable-endpoint/", operator.enable, name="enable_endpoint"),
    path("calendar-live/deliveries/<str:delivery_id>/redeliver/", operator.redeliver_one, name="redeliver"),
]
