"""Discrepancies in the admin: what differed, what was done about it, and what a person can decide."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.enums import ActionVariant

from bookings.automations import follow
from bookings.models import Discrepancy, Meeting
from bookings.reconciliation.settling import (
    apply_theirs,
    ask_for_ours,
    dismiss,
    may_apply,
    may_dismiss,
    may_push,
    push_ours,
)
from integrations.admin.base import Button, DetailAdmin, LongListMixin, ReadOnlyMixin, ReasonForm
from integrations.admin.formats import NOTHING, link_to, show_choice, show_instant
from integrations.admin.panels import Panel, panel_on
from integrations.jobs import wake_planned
from integrations.pairs import CALENDAR

Kind, Status = Discrepancy.Kind, Discrepancy.Status
VIEW, OPERATE = "bookings.view_discrepancy", "bookings.operate_reconciliation"
STATUS_VARIANTS = {
    Status.REPAIRED: "success",
    Status.OPEN: "warning",
    Status.APPLIED: "success",
    Status.PUSHED: "success",
}
KIND_VARIANTS = {Kind.GHOST: "danger", Kind.DUPLICATE_LINK: "danger"}
SHOWN = 20


# --- What a person decides --------------------------------------------------------------------------------------------


def apply(request: HttpRequest, row: Discrepancy, values: dict[str, Any]) -> str:
    done = apply_theirs(row, user=request.user, follow=follow)
    wake_planned()
    return done


def push(request: HttpRequest, row: Discrepancy, values: dict[str, Any]) -> str:
    bring = ask_for_ours if row.connection.provider == CALENDAR else push_ours
    done = bring(row, user=request.user)
    wake_planned()
    return done


def explain_apply(row: Discrepancy) -> str:
    if row.kind == Kind.MISSING_THERE:
        return (
            "The event is asked for once more. If calendar.live still has none, the meeting is cancelled here, "
            "and the CRMs and what else was made of it follow."
        )
    return (
        "The event is read from calendar.live and applied here, though its version is known: what the meeting holds "
        "otherwise is written over. A newer version here is never taken back."
    )


def explain_push(row: Discrepancy) -> str:
    if row.connection.provider == CALENDAR:
        deed = "cancel the event" if row.kind == Kind.GHOST else "change the event to what the meeting is here"
        return f"calendar.live is asked to {deed}. What somebody changes there at the same moment is not written over."
    if row.kind == Kind.DUPLICATE_LINK:
        return f"The meeting gives up this record, which is another's, and gets one of its own at {row.connection}."
    return f"The meeting is brought to {row.connection} as it is here: what somebody changed there is written over."


BUTTONS = [
    Button(
        name="apply",
        label="Apply theirs",
        icon="download",
        permission=OPERATE,
        explain=explain_apply,
        run=apply,
        log="Applied what calendar.live holds",
        fits=may_apply,
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="push",
        label="Push ours",
        icon="upload",
        permission=OPERATE,
        explain=explain_push,
        run=push,
        log="Pushed what is known here",
        fits=may_push,
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="dismiss",
        label="Dismiss",
        icon="block",
        permission=OPERATE,
        explain=lambda row: "Both sides stay as they are, and this is not found again unless something else differs.",
        run=lambda request, row, values: dismiss(row, values["reason"], user=request.user),
        log="Dismissed the discrepancy",
        fits=may_dismiss,
        form=ReasonForm,
    ),
]


# --- The pages --------------------------------------------------------------------------------------------------------


@admin.register(Discrepancy)
class DiscrepancyAdmin(ReadOnlyMixin, LongListMixin, DetailAdmin):
    when_empty = "All sides say the same. Compare them again with “Reconcile now”, under Reconciliation."
    list_display = ("kind_shown", "state", "connection", "meeting_shown", "fields_shown", "text", "found")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("connection", RelatedDropdownFilter),
    )
    list_select_related = ("connection", "meeting")
    ordering = ("-id",)
    buttons = BUTTONS
    fields = (
        "kind_shown", "state", "connection_link", "meeting_shown", "external_id", "fields_shown", "versions", "text",
        "missed", "run_link", "found", "times_seen", "closed",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Discrepancy]:
        found: QuerySet[Discrepancy] = super().get_queryset(request)
        related = found.select_related("connection", "meeting", "run", "run__connection", "closed_by")
        return related.defer("run__connection__credentials")

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """A run's page leads to its discrepancies."""
        return lookup == "run__id__exact" or bool(super().lookup_allowed(lookup, value, request))

    @admin.display(description="what")
    def kind_shown(self, row: Discrepancy) -> str:
        return show_choice(row, "kind", KIND_VARIANTS)

    @admin.display(description="status")
    def state(self, row: Discrepancy) -> str:
        return show_choice(row, "status", STATUS_VARIANTS)

    @admin.display(description="connection")
    def connection_link(self, row: Discrepancy) -> str:
        return link_to(row.connection)

    @admin.display(description="meeting")
    def meeting_shown(self, row: Discrepancy) -> str:
        """Under its id: titles often name people."""
        return link_to(row.meeting, row.meeting.external_id) if row.meeting else row.external_id or NOTHING

    @admin.display(description="fields")
    def fields_shown(self, row: Discrepancy) -> str:
        return ", ".join(row.fields) or NOTHING

    @admin.display(description="versions")
    def versions(self, row: Discrepancy) -> str:
        here, there = (NOTHING if each is None else str(each) for each in (row.version_here, row.version_there))
        return f"{here} here, {there} there"

    @admin.display(description="no webhook told it", boolean=True)
    def missed(self, row: Discrepancy) -> bool:
        return row.is_missed

    @admin.display(description="found last by")
    def run_link(self, row: Discrepancy) -> str:
        return link_to(row.run)

    @admin.display(description="found")
    def found(self, row: Discrepancy) -> str:
        return show_instant(row.created_at)

    @admin.display(description="settled")
    def closed(self, row: Discrepancy) -> str:
        if row.closed_at is None:
            return NOTHING
        by = f" by {row.closed_by}" if row.closed_by else ""
        why = f": {row.reason}" if row.reason else ""
        return f"{row.get_status_display()}{by}{why}"


def show_found(
    title: str, found: QuerySet[Discrepancy], *, links: Sequence[SafeString] = (), empty: str = "None."
) -> Panel:
    rows = [
        [
            link_to(row, row.get_kind_display()),
            show_choice(row, "status", STATUS_VARIANTS),
            row.connection,
            link_to(row.meeting, row.meeting.external_id) if row.meeting else row.external_id or NOTHING,
            ", ".join(row.fields) or NOTHING,
            row.text,
            show_instant(row.created_at),
        ]
        for row in found.select_related("connection", "meeting").defer("connection__credentials")
    ]
    headers = ["What", "Status", "Connection", "Meeting", "Fields", "What was done", "Found"]
    return Panel(title, headers=headers, rows=rows, links=links, empty=empty)


@panel_on(Meeting, rank=2)
def show_of_meeting(request: HttpRequest, meeting: Meeting) -> Panel | None:
    """Only where there are any."""
    if not request.user.has_perm(VIEW):
        return None
    found = meeting.discrepancies.order_by("-id")[:SHOWN]
    return show_found("Discrepancies that were found", found) if found else None
