"""Meetings: when they are, here and in UTC, who comes, and the deliveries that made them what they are."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from bookings import (  # noqa: F401
    clock_change_page,
    conflict_admin,
    dashboard,
    flow_panels,
    payment_admin,
    reconciliation_admin,
    reservation_admin,
    review_facts,
    trial_booking_admin,
)
from bookings.local_times import show_local
from bookings.models import Attendance, Calendar, Meeting
from bookings.occurrences import MeetingOccurrence, list_occurrences
from bookings.reservations import apply_buffers
from bookings.statuses import STATUS_VARIANTS
from bookings.tracing import pages as trace_pages
from contacts.identifiers import hold
from contacts.models import Contact, Identifier
from contacts.normalisation import normalise_email
from integrations.admin.base import Admin, DetailAdmin, HistoryAdmin, LongListMixin, ReadOnlyMixin
from integrations.admin.deliveries import STATUS_VARIANTS as DELIVERY_VARIANTS
from integrations.admin.filters import InstantRangeFilter
from integrations.admin.formats import (
    NOTHING,
    address_of_list,
    format_utc,
    link,
    link_to,
    show_choice,
    show_instant,
    show_label,
)
from integrations.admin.panels import Panel, panel_on
from integrations.admin.write_panels import list_writes_of
from integrations.models import Delivery

Status = Meeting.Status
RESPONSE_VARIANTS = {Attendance.Response.ACCEPTED: "success", Attendance.Response.DECLINED: "danger"}
SHOWN = 50
OCCURRENCES_SHOWN = 5
# Looked at in turn until enough occurrences are found: most series are weekly, some are yearly.
WINDOWS = (timedelta(days=60), timedelta(days=400), timedelta(days=6 * 366))


def find_next(meeting: Meeting) -> list[MeetingOccurrence]:
    """The next occurrences of a series, from now on or from its start."""
    begin = timezone.now()
    found: list[MeetingOccurrence] = []
    for window in WINDOWS:
        found = list_occurrences(meeting, begin, max(begin, meeting.start) + window)
        if len(found) >= OCCURRENCES_SHOWN:
            break
    return found[:OCCURRENCES_SHOWN]


@admin.register(Meeting)
class MeetingAdmin(ReadOnlyMixin, LongListMixin, HistoryAdmin, DetailAdmin):
    when_empty = "Bookings come by webhooks from the calendar. Go through First steps to connect one."
    list_display = ("title_shown", "starts", "calendar", "state", "attendees", "version")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("calendar", RelatedDropdownFilter),
        ("start", InstantRangeFilter),
    )
    list_select_related = ("calendar",)
    ordering = ("-id",)
    buttons = (reconciliation_admin.MEETING_BUTTON,)
    page_links = (trace_pages.LINK, clock_change_page.LINK)
    sortable_by = ("starts",)
    search_fields = ("id",)
    search_help_text = "External id, event uid, or attendee's e-mail"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "title_shown", "state", "starts", "ends", "timezone", "rule", "calendar_link", "connection_link",
                    "description", "join_link", "payment",
                )
            },
        ),
        (
            "Record",
            {"fields": ("external_id", "uid", "version", "series", "source", "client_reference", "seen")},
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Meeting]:
        found: QuerySet[Meeting] = super().get_queryset(request)
        return found.select_related("calendar", "connection").prefetch_related("attendances")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Meeting], search_term: str
    ) -> tuple[QuerySet[Meeting], bool]:
        """Exact look-ups only, each with its index. A uid may look like an e-mail address."""
        term = search_term.strip()
        if not term:
            return queryset, False
        named = Q(external_id=term) | Q(calendar_event_uid=term)
        if email := normalise_email(term):
            attended = Attendance.objects.filter(contact__in=hold(Contact.objects, Identifier.Kind.EMAIL, email))
            named |= Q(pk__in=attended.values("meeting"))
        return queryset.filter(named), False

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(flow_panels.open_meeting_of)
        mine = [
            path("trace/", self.admin_site.admin_view(trace_pages.show_search), name="bookings_meeting_find_trace"),
            path(
                "trace/of/<str:kind>/<str:key>/",
                self.admin_site.admin_view(trace_pages.show_traces_of),
                name="bookings_meeting_traces_of",
            ),
            path(
                "<path:object_id>/trace/",
                self.admin_site.admin_view(self.show_trace),
                name="bookings_meeting_trace",
            ),
            path("of-invitation/<path:key>/", view, name="bookings_meeting_of_invitation"),
            path(
                "<path:object_id>/clock_changes/",
                self.admin_site.admin_view(self.show_clock_changes),
                name="bookings_meeting_clock_changes",
            ),
        ]
        return [*mine, *super().get_urls()]

    def show_trace(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return trace_pages.show_trace(request, self.find_meeting(request, object_id))

    def show_clock_changes(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return clock_change_page.show_clock_changes(request, self.find_meeting(request, object_id))

    def find_meeting(self, request: HttpRequest, object_id: str) -> Meeting:
        """The one that a page of its own is about, for who may see it."""
        meeting: Meeting | None = self.get_object(request, unquote(object_id))
        if meeting is None:
            raise Http404
        if not self.has_view_permission(request, meeting):
            raise PermissionDenied
        return meeting

    @admin.display(description="title")
    def title_shown(self, meeting: Meeting) -> str:
        return meeting.title or "(no title)"

    @admin.display(description="start", ordering="start")
    def starts(self, meeting: Meeting) -> str:
        return show_local(meeting.start, meeting.timezone)

    @admin.display(description="end")
    def ends(self, meeting: Meeting) -> str:
        return show_local(meeting.end, meeting.timezone)

    @admin.display(description="status")
    def state(self, meeting: Meeting) -> str:
        return show_choice(meeting, "status", STATUS_VARIANTS)

    @admin.display(description="attendees")
    def attendees(self, meeting: Meeting) -> str:
        names = [str(attendance) for attendance in meeting.attendances.all()]
        more = [f"and {len(names) - 3} more"] if len(names) > 3 else []
        return format_html_join("", "<div>{}</div>", ((name,) for name in names[:3] + more)) or NOTHING

    @admin.display(description="calendar")
    def calendar_link(self, meeting: Meeting) -> str:
        return link_to(meeting.calendar)

    @admin.display(description="connection")
    def connection_link(self, meeting: Meeting) -> str:
        return link_to(meeting.connection)

    @admin.display(description="join link")
    def join_link(self, meeting: Meeting) -> str:
        if meeting.join_url:
            return "Is set"
        return "Is set, by Keepsync" if meeting.made_join_url else "Is not set"

    @admin.display(description="repeats")
    def rule(self, meeting: Meeting) -> str:
        if not meeting.rrule:
            return NOTHING
        left_out = ", ".join(format_utc(moment) for moment in meeting.exdates)
        return f"{meeting.rrule}\nwithout {left_out}" if left_out else meeting.rrule

    @admin.display(description="event uid")
    def uid(self, meeting: Meeting) -> str:
        return meeting.calendar_event_uid

    @admin.display(description="occurrence of")
    def series(self, meeting: Meeting) -> str:
        if not meeting.series_id:
            return NOTHING
        address = address_of_list(Meeting, q=meeting.series_id)
        was = f", planned for {format_utc(meeting.original_start)}" if meeting.original_start else ""
        return format_html("{}{}", link(address, meeting.series_id), was)

    @admin.display(description="payment")
    def payment(self, meeting: Meeting) -> str:
        if not meeting.payment_session_id:
            return NOTHING
        amount = f"{meeting.payment_amount} {meeting.payment_currency.upper()} (in the currency's minor unit)"
        return f"{meeting.payment_status.capitalize()}: {amount}\nSession {meeting.payment_session_id}"

    @admin.display(description="last change at the calendar")
    def seen(self, meeting: Meeting) -> str:
        return show_instant(meeting.external_updated_at)


@panel_on(Meeting)
def show_attendees(request: HttpRequest, meeting: Meeting) -> Panel:
    rows = [
        [
            link_to(attendance.contact),
            attendance.full_name or NOTHING,
            attendance.email or NOTHING,
            show_choice(attendance, "response", RESPONSE_VARIANTS),
        ]
        for attendance in meeting.attendances.select_related("contact")
    ]
    return Panel("Attendees", headers=["Contact", "Name given", "E-mail given", "Answer"], rows=rows, empty="Nobody.")


@panel_on(Meeting)
def show_occurrences(request: HttpRequest, meeting: Meeting) -> Panel | None:
    if not meeting.rrule:
        return None
    rows = [
        [
            show_local(occurrence.start, meeting.timezone),
            show_label(Status(occurrence.status).label, STATUS_VARIANTS.get(Status(occurrence.status), "")),
            "Moved" if occurrence.start != occurrence.original_start else "By the rule",
        ]
        for occurrence in find_next(meeting)
    ]
    return Panel("Next occurrences", headers=["Start", "Status", ""], rows=rows, empty="The series is over.")


@panel_on(Meeting)
def show_writes(request: HttpRequest, meeting: Meeting) -> Panel | None:
    return list_writes_of(f"meeting:{meeting.pk}")


@panel_on(Meeting)
def show_deliveries(request: HttpRequest, meeting: Meeting) -> Panel:
    made_it = Delivery.objects.filter(connection=meeting.connection, subject=meeting.calendar_event_uid)
    rows = [
        [
            link_to(delivery),
            delivery.event_type,
            show_choice(delivery, "status", DELIVERY_VARIANTS),
            show_instant(delivery.received_at),
            show_instant(delivery.processed_at),
        ]
        for delivery in made_it.defer("body", "headers").order_by("-id")[:SHOWN]
    ]
    return Panel("Deliveries that made it", headers=["Delivery", "Type", "Status", "Received", "Processed"], rows=rows)


@panel_on(Delivery)
def show_meetings_of_delivery(request: HttpRequest, delivery: Delivery) -> Panel:
    """Under their ids: titles often name people, and a delivery's page shows nobody."""
    meetings = Meeting.objects.none()
    if delivery.subject:
        meetings = Meeting.objects.filter(connection=delivery.connection_id, calendar_event_uid=delivery.subject)
    rows = [
        [
            link_to(meeting, meeting.external_id),
            show_local(meeting.start, meeting.timezone),
            show_choice(meeting, "status", STATUS_VARIANTS),
            meeting.version,
        ]
        for meeting in meetings.order_by("-id")[:SHOWN]
    ]
    return Panel("Meetings of this event", headers=["Meeting", "Start", "Status", "Version"], rows=rows, empty="None.")


@panel_on(Contact)
def show_meetings_of_contact(request: HttpRequest, contact: Contact) -> Panel:
    attended = Attendance.objects.filter(contact=contact).select_related("meeting", "meeting__calendar")
    rows = [
        [
            link_to(attendance.meeting),
            show_local(attendance.meeting.start, attendance.meeting.timezone),
            attendance.meeting.calendar,
            show_choice(attendance.meeting, "status", STATUS_VARIANTS),
            show_choice(attendance, "response", RESPONSE_VARIANTS),
        ]
        for attendance in attended.order_by("-meeting__start")[:SHOWN]
    ]
    return Panel("Meetings", headers=["Meeting", "Start", "Calendar", "Status", "Answer"], rows=rows, empty="None.")


@admin.register(Calendar)
class CalendarAdmin(Admin):
    """calendar.live says what a calendar is; the buffers are ours."""

    when_empty = "Calendars come with their first booking. Go through First steps to connect one."
    list_display = ("name", "connection", "external_id", "timezone", "meetings")
    list_select_related = ("connection",)
    list_filter = ("connection",)
    readonly_fields = ("name", "connection", "external_id", "timezone", "owner_email", "meetings")
    fieldsets = (
        (None, {"fields": readonly_fields}),
        (
            "Buffers",
            {
                "fields": ("buffer_before_min", "buffer_after_min"),
                "description": "Time around each meeting in which nothing else is booked through Keepsync.",
            },
        ),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Calendar, form: Any, change: bool) -> None:
        """What calendar.live says may have changed since the page was opened."""
        obj.save(update_fields=["buffer_before_min", "buffer_after_min"])
        apply_buffers(obj)

    @admin.display(description="meetings")
    def meetings(self, calendar: Calendar) -> str:
        return link(address_of_list(Meeting, calendar__id__exact=calendar.pk), "Show")
