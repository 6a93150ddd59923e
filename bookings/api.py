"""Meetings, their occurrences, and calendars' availability in the REST API."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Case, OuterRef, Prefetch, Q, Subquery, When
from django.db.models.functions import JSONObject
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    extend_schema_view,
    inline_serializer,
)
from rest_framework import exceptions, serializers
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bookings.availability import LONGEST_WINDOW, Availability, read_availability
from bookings.booking_api import ERROR, KEY, BookingMixin, BookingPermissions, describe_answers
from bookings.inputs import MeetingInput
from bookings.models import Attendance, Calendar, Conflict, Meeting, MeetingLink
from bookings.occurrences import list_occurrences
from bookings.timezones import format_instant
from integrations.api import ReadViewSet, read_instant
from integrations.exceptions import KeepsyncError, ReauthoriseError, TransientError, UnstoredError

LONGEST_EXPANSION = timedelta(days=3 * 366)
RETRY_AFTER_S = 5
WINDOW = [OpenApiParameter("start", datetime, required=True), OpenApiParameter("end", datetime, required=True)]


class AttendeeSerializer(serializers.ModelSerializer[Attendance]):
    # Encrypted columns have no field of the serializer by themselves.
    email = serializers.CharField()
    full_name = serializers.CharField()

    class Meta:
        model = Attendance
        fields = ["contact", "email", "full_name", "response"]


class CalendarSerializer(serializers.ModelSerializer[Calendar]):
    id = serializers.CharField(source="external_id")
    name = serializers.CharField()

    class Meta:
        model = Calendar
        fields = ["id", "name", "timezone"]


class MeetingSerializer(serializers.ModelSerializer[Meeting]):
    external_id = serializers.SerializerMethodField()
    title = serializers.CharField()
    calendar = CalendarSerializer()
    attendees = AttendeeSerializer(source="attendances", many=True)
    recurrence = serializers.SerializerMethodField()
    payment = serializers.SerializerMethodField()
    external_ids = serializers.SerializerMethodField()
    conflict = serializers.SerializerMethodField()
    join_url = serializers.SerializerMethodField()

    class Meta:
        model = Meeting
        fields = [
            "id", "external_id", "calendar_event_uid", "version", "status", "title", "calendar", "start", "end",
            "timezone", "recurrence", "attendees", "join_url", "payment", "external_ids", "conflict", "created_at",
            "updated_at",
        ]  # fmt: skip

    def get_external_id(self, meeting: Meeting) -> str:
        """What its caller calls it, where it was booked through this API; else what calendar.live does."""
        return meeting.caller_id or ("" if meeting.is_pending else meeting.external_id)

    def get_recurrence(self, meeting: Meeting) -> dict[str, Any] | None:
        if not meeting.rrule:
            return None
        return {"rrule": meeting.rrule, "exdates": [format_instant(exdate) for exdate in meeting.exdates]}

    def get_payment(self, meeting: Meeting) -> dict[str, Any] | None:
        if not meeting.payment_session_id:
            return None
        return {
            "session_id": meeting.payment_session_id,
            "status": meeting.payment_status,
            "amount": meeting.payment_amount,
            "currency": meeting.payment_currency,
        }

    def get_join_url(self, meeting: Meeting) -> str | None:
        """As the calendar has it, else the one that Keepsync made."""
        return meeting.join_url or meeting.made_join_url or None

    def get_external_ids(self, meeting: Meeting) -> dict[str, str]:
        """At the calendar, and at each CRM or Zoom account where it is."""
        there = {link.connection.slug: link.external_id for link in meeting.links.all() if not link.is_gone}
        return ({} if meeting.is_pending else {meeting.connection.slug: meeting.external_id}) | there

    def get_conflict(self, meeting: Meeting) -> dict[str, str] | None:
        """As `find_conflict` has found it."""
        found: dict[str, str] | None = meeting.shown_conflict  # type: ignore[attr-defined]
        return found


def find_conflict() -> Subquery:
    """Of the conflicts that a meeting is part of, the newest open one; else the newest."""
    mine = Q(meeting=OuterRef("pk")) | Q(other_meeting=OuterRef("pk"))
    newest = Conflict.objects.filter(mine).order_by(Case(When(status=Conflict.Status.OPEN, then=0), default=1), "-id")
    return Subquery(newest.values(shown=JSONObject(id="id", kind="kind", status="status"))[:1])


@extend_schema_view(
    create=extend_schema(
        parameters=[KEY],
        request=MeetingInput,
        responses={
            "200": OpenApiResponse(MeetingSerializer, description="The key is known: the first answer."),
            "201": OpenApiResponse(MeetingSerializer, description="Booked."),
            "422": OpenApiResponse(ERROR, description="The key was used with another body."),
            **describe_answers(MeetingSerializer),
        },
    ),
    partial_update=extend_schema(
        request=MeetingInput(partial=True), responses={"200": MeetingSerializer, **describe_answers(MeetingSerializer)}
    ),
    destroy=extend_schema(responses={"200": MeetingSerializer, **describe_answers(MeetingSerializer)}),
)
class MeetingViewSet(BookingMixin, ReadViewSet):
    """Meetings, newest first; booking, changing and cancelling them at calendar.live."""

    serializer_class = MeetingSerializer
    permission_classes = [IsAuthenticated, BookingPermissions]
    statuses = Meeting.Status.values
    filters = ("external_id", "calendar_event_uid", "status")

    def get_queryset(self) -> Any:
        links = MeetingLink.objects.select_related("connection").defer("connection__credentials")
        prefetched = ("attendances", Prefetch("links", links))
        found = Meeting.objects.select_related("calendar", "connection").prefetch_related(*prefetched)
        found = found.annotate(shown_conflict=find_conflict())
        if self.action != "list":
            return found
        filters = self.read_filters()
        named = filters.pop("external_id", None)
        found = found.filter(**filters)
        return found if named is None else found.filter(Q(caller_id=named) | Q(external_id=named))

    @extend_schema(
        parameters=WINDOW,
        responses=inline_serializer(
            "Occurrence",
            {
                "start": serializers.DateTimeField(),
                "end": serializers.DateTimeField(),
                "local_start": serializers.DateTimeField(),
                "original_start": serializers.DateTimeField(),
                "status": serializers.ChoiceField(Meeting.Status.choices),
            },
            many=True,
        ),
    )
    @action(detail=True)
    def occurrences(self, request: Request, pk: str | None = None) -> Response:
        """The meeting's occurrences that overlap a window of at most three years, by start."""
        meeting = self.get_object()
        start, end = read_window(request, LONGEST_EXPANSION)
        found = [
            {
                "start": format_instant(occurrence.start),
                "end": format_instant(occurrence.end),
                "local_start": occurrence.local_start.isoformat(),
                "original_start": format_instant(occurrence.original_start),
                "status": occurrence.status,
            }
            for occurrence in list_occurrences(meeting, start, end)
        ]
        return Response({"next": None, "previous": None, "results": found})


class AvailabilityView(APIView):
    """When a calendar is busy and free, as calendar.live says at this moment."""

    @extend_schema(
        parameters=[OpenApiParameter("calendar", str, required=True), *WINDOW],
        responses=inline_serializer(
            "Availability",
            {
                "calendar": serializers.CharField(),
                "timezone": serializers.CharField(),
                "busy": serializers.ListField(child=serializers.DictField()),
                "free": serializers.ListField(child=serializers.DictField()),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        calendar = find_calendar(request.query_params.get("calendar", ""))
        start, end = read_window(request, LONGEST_WINDOW)
        availability = ask_availability(calendar, start, end)
        return Response(
            {
                "calendar": calendar.external_id,
                "timezone": calendar.timezone,
                "busy": [format_interval(*interval) for interval in availability.busy],
                "free": [format_interval(*interval) for interval in availability.free],
            }
        )


def find_calendar(external_id: str) -> Calendar:
    # PostgreSQL refuses a NUL character even in a question.
    named = Calendar.objects.filter(external_id=external_id.replace("\0", "\ufffd"))
    found = list(named.select_related("connection")[:2])
    if not found:
        raise exceptions.NotFound({"calendar": "There is no calendar of this id; it is known once a booking came."})
    if len(found) > 1:
        raise exceptions.ValidationError({"calendar": "Two connections have a calendar of this id."})
    return found[0]


def ask_availability(calendar: Calendar, start: datetime, end: datetime) -> Availability:
    try:
        return read_availability(calendar, start, end)
    except ReauthoriseError as error:
        raise UnstoredError(502, "provider_refused", str(error)) from error
    except TransientError as error:
        retry_after_s = max(1, round(error.retry_after_s or RETRY_AFTER_S))
        raise UnstoredError(503, "provider_away", str(error), retry_after_s=retry_after_s) from error
    except KeepsyncError as error:
        raise UnstoredError(502, "provider_refused", str(error)) from error


def read_window(request: Request, longest: timedelta) -> tuple[datetime, datetime]:
    """In UTC. Raises ValidationError, naming the parameter."""
    start, end = (read_utc(request, name) for name in ("start", "end"))
    if not timedelta() < end - start <= longest:
        raise exceptions.ValidationError({"end": f"Give an end after the start, at most {longest.days} days later."})
    return start, end


def read_utc(request: Request, name: str) -> datetime:
    instant: datetime = read_instant(request.query_params, name)
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise exceptions.ValidationError({name: "There is no such time in UTC."}) from error


def format_interval(start: datetime, end: datetime) -> dict[str, str]:
    return {"start": format_instant(start), "end": format_instant(end)}
