"""The inbox of conflicts: both meetings, free slots near them, and what a person can do."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminRadioSelectWidget, UnfoldAdminTextInputWidget

from bookings.conflict_links import SETTLE, STATUS_VARIANTS, press_link
from bookings.conflicts import dismiss
from bookings.field_conflict_admin import FIELD_BUTTONS
from bookings.flows.crm_booking import Settled
from bookings.inputs import read_instant
from bookings.local_times import show_local
from bookings.models import Conflict, Meeting
from bookings.settlements import cancel_one, move_one
from bookings.suggestions import suggest
from bookings.timezones import format_instant
from integrations.admin.base import Button, ButtonForm, DetailAdmin, LongListMixin, ReadOnlyMixin
from integrations.admin.effect_panels import list_effects_of
from integrations.admin.formats import (
    NOTHING,
    format_utc,
    link_to,
    show_choice,
    show_instant,
    show_label,
)
from integrations.admin.panels import Panel, panel_on
from integrations.admin.subjects import page_of
from integrations.exceptions import KeepsyncError
from integrations.jobs import wake_planned
from integrations.providers.calendar_live.client import Interval

Status = Conflict.Status
SOURCES = {"booking_page": "A public page", "api": "A program", "calendar": "The calendar itself"}


@page_of("conflict")
def find_conflict_page(key: str) -> str:
    return reverse("admin:bookings_conflict_change", args=[key])


# --- Buttons ----------------------------------------------------------------------------------------------------------


class MeetingForm(ButtonForm):
    """Which of both meetings it is about."""

    meeting = forms.ChoiceField(widget=UnfoldAdminRadioSelectWidget, label="Which one")

    def __init__(self, row: Conflict, *args: Any, **kwargs: Any) -> None:
        super().__init__(row, *args, **kwargs)
        choices = [(str(each.pk), describe_meeting(each)) for each in list_meetings(row)]
        self.fields["meeting"].choices = choices  # type: ignore[attr-defined]

    def clean_meeting(self) -> Meeting:
        chosen = UUID(str(self.cleaned_data["meeting"]))
        return next(each for each in list_meetings(self.row) if each.pk == chosen)


class MoveForm(MeetingForm):
    start = forms.CharField(
        label="New start",
        widget=UnfoldAdminTextInputWidget,
        help_text="ISO 8601 with an offset or Z. It lasts as long as before; of a series, all occurrences move.",
    )

    def clean_start(self) -> datetime:
        found = read_instant(str(self.cleaned_data["start"]).strip())
        if found is None:
            raise forms.ValidationError("Give a time such as 2026-11-24T13:00:00Z.")
        return found


def describe_meeting(meeting: Meeting) -> str:
    return f"{meeting.title or meeting.external_id}, {format_utc(meeting.start)}"


def list_meetings(conflict: Conflict) -> list[Meeting]:
    return [each for each in (conflict.meeting, conflict.other_meeting) if each]


def run_move(request: HttpRequest, row: Conflict, values: dict[str, Any]) -> str:
    settled = move_one(row, values["meeting"], values["start"], request.user)  # type: ignore[arg-type]
    return report(settled, f"Moved to {format_utc(values['start'])}.")


def run_cancel(request: HttpRequest, row: Conflict, values: dict[str, Any]) -> str:
    return report(cancel_one(row, values["meeting"], request.user), "Cancelled.")  # type: ignore[arg-type]


def run_leave(request: HttpRequest, row: Conflict, values: dict[str, Any]) -> str:
    dismiss(row, request.user)  # type: ignore[arg-type]
    return "Both meetings stay where they are."


def report(settled: Settled, done: str) -> str:
    wake_planned()
    return done if settled.is_done else "calendar.live is away: it is done once it is back."


def is_open(conflict: Conflict) -> bool:
    return conflict.is_open and conflict.kind == Conflict.Kind.DOUBLE_BOOKING


BUTTONS = [
    Button(
        name="move",
        label="Move one",
        icon="move_down",
        permission=SETTLE,
        explain=lambda row: "calendar.live moves the meeting and tells those who attend it. Everything else follows.",
        fits=is_open,
        form=MoveForm,
        run=run_move,
        log="Moved one of both meetings",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="cancel",
        label="Cancel one",
        icon="event_busy",
        permission=SETTLE,
        explain=lambda row: "calendar.live cancels the meeting and tells those who attend it. Everything else follows.",
        fits=is_open,
        form=MeetingForm,
        run=run_cancel,
        log="Cancelled one of both meetings",
        variant=ActionVariant.DANGER,
    ),
    Button(
        name="leave",
        label="Leave both",
        icon="done_all",
        permission=SETTLE,
        explain=lambda row: "Both meetings stay at the same time, and this conflict is closed.",
        fits=is_open,
        run=run_leave,
        log="Left both meetings as they are",
    ),
]


# --- Pages ------------------------------------------------------------------------------------------------------------


@admin.register(Conflict)
class ConflictAdmin(ReadOnlyMixin, LongListMixin, DetailAdmin):
    buttons = (*BUTTONS, *FIELD_BUTTONS)
    when_empty = "Double bookings, and fields changed on both sides, come here. There is nothing to decide."
    list_display = ("what", "calendar", "at", "concerned", "state", "opened")
    list_filter = (("status", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    ordering = ("-id",)
    fieldsets = ((None, {"fields": ("what", "state", "calendar", "at", "opened", "settled", "settled_by")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conflict]:
        found: QuerySet[Conflict] = super().get_queryset(request)
        both = ("meeting__calendar__connection", "other_meeting__calendar__connection", "settled_by")
        return found.select_related(*both, "contact", "connection")

    @admin.display(description="kind")
    def what(self, conflict: Conflict) -> str:
        return f"{conflict.get_kind_display()}: {conflict.field}" if conflict.field else conflict.get_kind_display()

    @admin.display(description="calendar")
    def calendar(self, conflict: Conflict) -> str:
        return link_to(conflict.meeting.calendar) if conflict.meeting else NOTHING

    @admin.display(description="at")
    def at(self, conflict: Conflict) -> str:
        at = read_instant(str(conflict.details.get("at", "")))
        return show_local(at, conflict.meeting.timezone) if at and conflict.meeting else NOTHING

    @admin.display(description="about")
    def concerned(self, conflict: Conflict) -> str:
        rows = [*list_meetings(conflict), *([conflict.contact] if conflict.contact else [])]
        return format_html_join("", "<div>{}</div>", ((each,) for each in rows))

    @admin.display(description="status")
    def state(self, conflict: Conflict) -> str:
        return show_choice(conflict, "status", STATUS_VARIANTS)

    @admin.display(description="opened")
    def opened(self, conflict: Conflict) -> str:
        return show_instant(conflict.created_at)

    @admin.display(description="settled")
    def settled(self, conflict: Conflict) -> str:
        return show_instant(conflict.settled_at)


@panel_on(Conflict)
def show_both(request: HttpRequest, conflict: Conflict) -> Panel | None:
    if conflict.kind != Conflict.Kind.DOUBLE_BOOKING:
        return None
    rows = [
        [
            link_to(meeting),
            press_link(request, conflict, "cancel", "Cancel this one", meeting=meeting.pk),
            show_local(meeting.start, meeting.timezone),
            show_local(meeting.end, meeting.timezone),
            SOURCES.get(meeting.source, meeting.source or NOTHING),
            show_label(meeting.get_status_display()),
            show_instant(meeting.external_created_at),
        ]
        for meeting in list_meetings(conflict)
    ]
    return Panel("Both meetings", headers=["Meeting", "", "Start", "End", "Booked by", "Status", "Booked"], rows=rows)


@panel_on(Conflict)
def show_slots(request: HttpRequest, conflict: Conflict) -> Panel | None:
    """calendar.live is asked at this moment."""
    if not is_open(conflict):
        return None
    title, headers = "Free slots near it", ["Meeting", "", "Slot"]
    try:
        rows = [
            [meeting, move_link(request, conflict, meeting, slot), show_local(slot[0], meeting.timezone)]
            for meeting in list_meetings(conflict)
            for slot in suggest(meeting.calendar, (meeting.start, meeting.end), ignoring=meeting.pk)
        ]
    except KeepsyncError:
        return Panel(title, empty="calendar.live does not answer at the moment: nobody knows what is free.")
    return Panel(title, headers=headers, rows=rows, empty="There is none in the next weeks.")


@panel_on(Conflict, rank=1)
def show_effects(request: HttpRequest, conflict: Conflict) -> Panel:
    meetings = list_meetings(conflict)
    return list_effects_of([f"conflict:{conflict.pk}", *(f"booking:{meeting.pk}" for meeting in meetings)])


def move_link(request: HttpRequest, conflict: Conflict, meeting: Meeting, slot: Interval) -> SafeString | str:
    start = format_instant(slot[0])
    return press_link(request, conflict, "move", "Move this one here", meeting=meeting.pk, start=start)


@panel_on(Meeting)
def show_conflicts(request: HttpRequest, meeting: Meeting) -> Panel | None:
    found = Conflict.objects.filter(Q(meeting=meeting) | Q(other_meeting=meeting))
    rows = [
        [link_to(each), show_choice(each, "status", STATUS_VARIANTS), show_instant(each.created_at)] for each in found
    ]
    return Panel("Conflicts", headers=["Conflict", "Status", "Opened"], rows=rows) if rows else None
