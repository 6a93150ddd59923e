"""Conflicts of fields in the inbox: both values with their times and authors, and one click for either."""

from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.enums import ActionVariant

from bookings.conflict_links import SETTLE, STATUS_VARIANTS, press_link
from bookings.field_conflicts import keep_ours, take_theirs
from bookings.inputs import read_instant
from bookings.local_times import show_local
from bookings.models import Conflict
from contacts.models import Contact
from integrations.admin.base import Button
from integrations.admin.formats import NOTHING, link_to, show_choice, show_instant
from integrations.admin.panels import Panel, panel_on
from integrations.jobs import wake_planned


def is_open(conflict: Conflict) -> bool:
    return conflict.is_open and conflict.kind == Conflict.Kind.FIELD


def run_ours(request: HttpRequest, row: Conflict, values: dict[str, Any]) -> str:
    keep_ours(row, request.user)  # type: ignore[arg-type]
    wake_planned()
    return f"Ours stays, and goes to {row.connection}."


def run_theirs(request: HttpRequest, row: Conflict, values: dict[str, Any]) -> str:
    settled = take_theirs(row, request.user)  # type: ignore[arg-type]
    wake_planned()
    if settled and not settled.is_done:
        return f"What {row.connection} says is taken once calendar.live is back."
    return f"What {row.connection} says is taken over on both sides."


FIELD_BUTTONS = (
    Button(
        name="ours",
        label="Keep ours",
        icon="arrow_upward",
        permission=SETTLE,
        explain=lambda row: f"{row.connection} gets “{show_value(row, row.ours)}”, as it is here.",
        fits=is_open,
        run=run_ours,
        log="Kept our value of the field",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="theirs",
        label="Take theirs",
        icon="arrow_downward",
        permission=SETTLE,
        explain=lambda row: f"“{show_value(row, row.theirs)}” is taken over here, and goes to wherever it is kept.",
        fits=is_open,
        run=run_theirs,
        log="Took their value of the field",
        variant=ActionVariant.PRIMARY,
    ),
)


@panel_on(Conflict)
def show_values(request: HttpRequest, conflict: Conflict) -> Panel | None:
    if conflict.kind != Conflict.Kind.FIELD:
        return None
    subject = conflict.meeting or conflict.contact
    rows: list[list[object]] = [
        [
            "Here",
            show_value(conflict, conflict.ours),
            conflict.ours_by or NOTHING,
            show_instant(conflict.ours_at),
            press_link(request, conflict, "ours", "Keep ours"),
        ],
        [
            conflict.connection or NOTHING,
            show_value(conflict, conflict.theirs),
            conflict.theirs_by or NOTHING,
            show_instant(conflict.theirs_at),
            press_link(request, conflict, "theirs", "Take theirs"),
        ],
    ]
    about = f"{conflict.field} of " if conflict.field else ""
    note = "Until it is settled each side keeps what it has."
    return Panel(f"Both values: {about}{subject}", headers=["Where", "Value", "By", "Since", ""], rows=rows, note=note)


def show_value(conflict: Conflict, value: str) -> SafeString | str:
    """Times in the meeting's zone, too."""
    if conflict.field != "time" or conflict.meeting is None:
        return value or NOTHING
    instants = [read_instant(each) for each in value.split("/")]
    shown = ((show_local(each, conflict.meeting.timezone),) for each in instants if each)
    return format_html_join("", "<div>{}</div>", shown)


@panel_on(Contact)
def show_conflicts_of_contact(request: HttpRequest, contact: Contact) -> Panel | None:
    found = Conflict.objects.filter(contact=contact).select_related("connection")
    rows = [
        [link_to(each), each.field, show_choice(each, "status", STATUS_VARIANTS), show_instant(each.created_at)]
        for each in found
    ]
    return Panel("Conflicts", headers=["Conflict", "Field", "Status", "Opened"], rows=rows) if rows else None
