"""The page of a series that says what the coming changes of the clock do to it."""

from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html

from bookings.clock_changes import ClockChange, list_clock_changes
from bookings.models import Meeting
from bookings.occurrences import MeetingOccurrence
from integrations.admin.base import PageLink, show_page
from integrations.admin.formats import NOTHING, address_of, format_utc
from integrations.admin.panels import Panel

LINK = PageLink(
    name="clock_changes",
    label="Clock changes",
    icon="schedule",
    permission="bookings.view_meeting",
    fits=lambda meeting: bool(meeting.rrule),
)
NOTE = (
    "The meeting keeps its wall-clock time in its zone; what moves is its time in UTC, and so for everybody whose "
    "clock does not change on the same day."
)


def show_clock_changes(request: HttpRequest, meeting: Meeting) -> HttpResponse:
    back = address_of(meeting)
    if not meeting.rrule:
        messages.info(request, "This meeting does not recur.")
        return HttpResponseRedirect(back)
    title = f"Clock changes in {meeting.timezone}: {meeting}"
    return show_page(request, "keepsync/page.html", title=title, panels=[make_panel(meeting)], back=back)


def make_panel(meeting: Meeting) -> Panel:
    rows = [describe(change) for change in list_clock_changes(meeting, timezone.now())]
    headers = ["The clock changes", "Offset", "Last before", "First after", "In UTC"]
    empty = "The zone's clock does not change while the series goes on."
    return Panel("What comes", headers=headers, rows=rows, empty=empty, note=NOTE)


def describe(change: ClockChange) -> list[Any]:
    before, after = (show_offset(each) for each in (change.transition.before, change.transition.after))
    return [
        format_utc(change.transition.at),
        f"{before} → {after}",
        show_occurrence(change.before),
        show_occurrence(change.after),
        say_shift(change.in_utc),
    ]


def show_occurrence(occurrence: MeetingOccurrence | None) -> str:
    """Its wall-clock time with the offset, and the same in UTC below it."""
    if occurrence is None:
        return NOTHING
    local: datetime = occurrence.local_start
    return format_html(
        '<span class="whitespace-nowrap">{}</span><br><span class="text-xs text-subtle whitespace-nowrap">{}</span>',
        f"{local:%a %Y-%m-%d %H:%M} {show_offset(local.utcoffset() or timedelta())}",
        format_utc(occurrence.start),
    )


def show_offset(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"UTC{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def say_shift(shift: timedelta) -> str:
    minutes = round(abs(shift).total_seconds() / 60)
    size = f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"
    return f"{size} {'later' if shift > timedelta() else 'earlier'}"
