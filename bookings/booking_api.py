"""Booking through the REST API: POST, PATCH and DELETE of meetings, and what they answer."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from django.db import transaction
from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, inline_serializer
from rest_framework import exceptions, serializers
from rest_framework.permissions import DjangoModelPermissions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from bookings.booking_requests import add_booking, claim, find_by_key, remember_answer, wait_for_answer
from bookings.calendars import find_calendars, list_connections
from bookings.exceptions import KeyReusedError, RefusedError, TakenError
from bookings.flows.crm_booking import Settled, carry_out
from bookings.inputs import MeetingInput, check_order, read_key
from bookings.models import BookingRequest, Calendar, Meeting
from bookings.ordering import cancel_meeting, change_meeting, make_booking
from bookings.suggestions import suggest
from bookings.timezones import format_instant, parse_utc
from integrations.api import body
from integrations.exceptions import KeepsyncError, TransientError, UnstoredError
from integrations.jobs import wake_planned
from integrations.providers.calendar_live.client import Interval

RETRY_AFTER_S = 5
INTERVALS = serializers.ListField(
    child=inline_serializer("Interval", {"start": serializers.DateTimeField(), "end": serializers.DateTimeField()})
)
ERROR = inline_serializer(
    "Error",
    {
        "code": serializers.CharField(),
        "message": serializers.CharField(),
        "field": serializers.CharField(required=False),
    },
)
SLOT_TAKEN = inline_serializer(
    "SlotTaken",
    {
        "code": serializers.CharField(),
        "message": serializers.CharField(),
        "conflicts": INTERVALS,
        "alternatives": INTERVALS,
    },
)
KEY = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, required=True)


def describe_answers(meeting: Any, **more: Any) -> dict[str, Any]:
    """What each status means, for the schema."""
    texts = {"202": "calendar.live is away: it is done once it is back."}
    common = {
        "202": OpenApiResponse(meeting, description=texts["202"]),
        "400": OpenApiResponse(ERROR, description="A value cannot be used; `field` names it."),
        "409": OpenApiResponse(SLOT_TAKEN, description="The time is taken, or the meeting was changed meanwhile."),
        "502": OpenApiResponse(ERROR, description="calendar.live refuses the connection."),
    }
    return common | more


class BookingPermissions(DjangoModelPermissions):
    """Whoever has a token may read; booking, changing and cancelling need the permission of the admin."""

    perms_map = {
        **DjangoModelPermissions.perms_map,
        "GET": [],
        "POST": ["%(app_label)s.add_%(model_name)s"],
        "PATCH": ["%(app_label)s.change_%(model_name)s"],
        "DELETE": ["%(app_label)s.delete_%(model_name)s"],
    }


class BookingMixin:
    """The writing half of the meetings' viewset. Times that are taken are answered with the nearest free ones."""

    get_object: Callable[[], Meeting]
    get_serializer: Callable[..., Any]
    get_queryset: Callable[[], Any]

    def create(self, request: Request) -> Response:
        """Book a slot."""
        key = read_key(request.headers)
        known = self.find_known(request, key)
        if known is None:
            asked = read_input(request)
            check_order(parse_utc(asked["start"]), parse_utc(asked["end"]))
            calendar = choose_calendar(asked["calendar"], asked.get("connection"))
            wanted = make_booking(calendar, asked)
            known, is_new = add_booking(wanted, user_id=read_user(request), key=key, body=request.data)
            if is_new:
                return self.work(known)
        return self.repeat(known)

    def find_known(self, request: Request, key: str) -> BookingRequest | None:
        try:
            return find_by_key(read_user(request), key, request.data)
        except KeyReusedError as error:
            raise UnstoredError(422, "idempotency_key_reused", str(error)) from error

    def repeat(self, known: BookingRequest) -> Response:
        """The first answer, once there is one. What a process that died has left is taken up."""
        latest = wait_for_answer(known)
        if latest.answer_status:
            is_well = latest.answer_status < 300
            return Response(latest.answer, status=200 if is_well else latest.answer_status)
        if latest.state == BookingRequest.State.CONFIRMED and latest.meeting_id:
            return Response(self.show(latest.meeting_id))
        if latest.state == BookingRequest.State.FAILED:
            return self.answer_taken(latest, TakenError([]))
        if (left := claim(latest.pk)) is None:
            raise UnstoredError(
                409, "in_progress", "The same request is worked on: ask again.", retry_after_s=RETRY_AFTER_S
            )
        response = self.work(left)
        response.status_code = 200 if response.status_code < 300 else response.status_code
        return response

    def work(self, booking: BookingRequest) -> Response:
        """Carry it out, and remember the answer under its key."""
        try:
            settled = carry_out(booking)
        except TakenError as error:
            response = self.answer_taken(booking, error)
        except RefusedError as error:
            return answer_refused(error)
        else:
            response = Response(self.show(settled.meeting.pk), status=201 if settled.is_done else 202)
        remember_answer(booking, response.status_code, response.data)
        wake()
        return response

    def partial_update(self, request: Request, **_: Any) -> Response:
        """Reschedule, rename, or change who attends."""
        meeting = self.get_object()
        asked = read_input(request, partial=True)
        start, end = (parse_utc(asked[name]) if name in asked else getattr(meeting, name) for name in ("start", "end"))
        if not asked.keys().isdisjoint(("start", "end")):
            check_order(start, end)
        calendar = choose_other(meeting, asked)
        return self.answer_change(
            lambda: change_meeting(meeting, asked, calendar=calendar, user_id=read_user(request)),
            calendar,
            (start, end),
            meeting,
        )

    def destroy(self, request: Request, **_: Any) -> Response:
        """Cancel. Repeating it is harmless."""
        meeting = self.get_object()
        return self.answer_change(
            lambda: cancel_meeting(meeting, user_id=read_user(request)),
            meeting.calendar,
            (meeting.start, meeting.end),
            meeting,
        )

    def answer_change(
        self, change: Callable[[], Settled], calendar: Calendar, wished: Interval, meeting: Meeting
    ) -> Response:
        try:
            settled = change()
        except TakenError as error:
            return Response(describe_taken(error, find_alternatives(calendar, wished, meeting)), status=409)
        except RefusedError as error:
            return answer_refused(error)
        finally:
            wake()
        return Response(self.show(settled.meeting.pk), status=200 if settled.is_done else 202)

    def answer_taken(self, booking: BookingRequest, error: TakenError) -> Response:
        wished = parse_utc(booking.body["start"]), parse_utc(booking.body["end"])
        return Response(describe_taken(error, find_alternatives(booking.calendar, wished)), status=409)

    def show(self, meeting_id: Any) -> Any:
        """As plain JSON values, to be kept word for word."""
        meeting = self.get_queryset().filter(pk=meeting_id).first()
        if meeting is None:
            raise Http404
        return json.loads(JSONRenderer().render(self.get_serializer(meeting).data))


def read_user(request: Request) -> int:
    """Its id; nobody comes here without one."""
    return int(request.user.pk or 0)


def wake() -> None:
    """What was planned goes out at once."""
    with transaction.atomic():
        wake_planned()


def read_input(request: Request, *, partial: bool = False) -> dict[str, Any]:
    given = MeetingInput(data=request.data, partial=partial)
    given.is_valid(raise_exception=True)
    return dict(given.validated_data)


def choose_calendar(external_id: str, slug: str | None) -> Calendar:
    """Raises ValidationError, naming the field."""
    if slug and not list_connections().filter(slug=slug).exists():
        raise exceptions.ValidationError({"connection": "There is no connection to calendar.live of this name."})
    try:
        found = find_calendars(external_id, slug)
    except TransientError as error:
        text = "This calendar is not known here, and calendar.live is away."
        raise UnstoredError(503, "provider_away", text, retry_after_s=RETRY_AFTER_S) from error
    if not found:
        where = "This connection" if slug else "No connection to calendar.live"
        raise exceptions.ValidationError({"calendar": f"{where} has no calendar of this id."})
    if len(found) > 1:
        text = "Two connections have a calendar of this id: say which one, by its slug."
        raise exceptions.ValidationError({"connection": text})
    return found[0]


def choose_other(meeting: Meeting, asked: dict[str, Any]) -> Calendar:
    """The calendar that a change names, of the same connection; else the one that the meeting is on."""
    if asked.get("connection", meeting.connection.slug) != meeting.connection.slug:
        raise exceptions.ValidationError({"connection": "A meeting stays with its connection."})
    if asked.get("calendar", meeting.calendar.external_id) == meeting.calendar.external_id:
        return meeting.calendar
    return choose_calendar(asked["calendar"], meeting.connection.slug)


# --- Refusals ---------------------------------------------------------------------------------------------------------


def answer_refused(error: RefusedError) -> Response:
    return Response(body(error.code, str(error), error.field), status=error.status)


def describe_taken(error: TakenError, alternatives: Sequence[Interval]) -> dict[str, Any]:
    return {
        "code": "slot_taken",
        "message": str(error),
        "conflicts": [describe_interval(each) for each in error.conflicts],
        "alternatives": [describe_interval(each) for each in alternatives],
    }


def describe_interval(interval: Interval) -> dict[str, str]:
    return {"start": format_instant(interval[0]), "end": format_instant(interval[1])}


def find_alternatives(calendar: Calendar, wished: Interval, meeting: Meeting | None = None) -> list[Interval]:
    """None while calendar.live does not answer."""
    with suppress(KeepsyncError):
        return suggest(calendar, wished, ignoring=meeting.pk if meeting else None)
    return []
