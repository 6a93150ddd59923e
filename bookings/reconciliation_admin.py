"""Reconciliations in the admin: how many changes no webhook told, each run with what it found, and starting one."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from bookings.discrepancy_admin import OPERATE, show_found
from bookings.jobs import start_reconciliation
from bookings.missed_changes import list_charts
from bookings.models import Discrepancy, Meeting, ReconciliationRun
from bookings.reconciliation.runs import OPEN
from integrations.admin.base import BulkButton, Button, LongListMixin, ReadOnlyMixin, confirm
from integrations.admin.formats import (
    NOTHING,
    address_of,
    address_of_list,
    format_span,
    format_utc,
    link,
    link_to,
    show_choice,
    show_instant,
    show_lines,
)
from integrations.admin.panels import Panel, panel_on
from integrations.admin.progress import Progress, ProgressAdmin
from integrations.exceptions import KeepsyncError
from integrations.models import Connection
from integrations.pairs import CALENDAR

Status = ReconciliationRun.Status
VARIANTS = {Status.RUNNING: "info", Status.WAITING: "warning", Status.DONE: "success", Status.FAILED: "danger"}
SHOWN = 50
EXPLAINED = (
    "Keepsync compares calendar.live with what is known here and at the paired CRMs. What is missing or older here "
    "comes in as if its webhook had come; what the CRMs lack is brought there; everything else waits for a person."
)


# --- How far it is ----------------------------------------------------------------------------------------------------


def find_percent(run: ReconciliationRun) -> int:
    if run.status == Status.DONE:
        return 100
    return min(99, 100 * run.checked // run.expected) if run.expected else 0


def describe_problem(run: ReconciliationRun) -> str:
    if run.status == Status.WAITING:
        return f"{run.error} It goes on by itself where it was."
    return run.error if run.status == Status.FAILED else ""


# --- Starting ---------------------------------------------------------------------------------------------------------


class StartForm(forms.Form):
    connection = forms.ModelChoiceField(Connection.objects.none(), widget=UnfoldAdminSelectWidget)
    since = forms.DateTimeField(
        required=False,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "2026-11-24 09:00"}),
        help_text="What has changed since then, in UTC. Empty: everything since the last whole reconciliation.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        active = Connection.objects.filter(provider=CALENDAR, status=Connection.Status.ACTIVE)
        field: Any = self.fields["connection"]
        field.queryset = active.order_by("slug")
        self.initial.setdefault("connection", active.order_by("slug").first())

    def clean_since(self) -> Any:
        since = self.cleaned_data["since"]
        if since and since > timezone.now():
            raise forms.ValidationError("This lies ahead.")
        return since


def start_for_meeting(request: HttpRequest, meeting: Meeting, values: dict[str, Any]) -> str | HttpResponse:
    run = start_reconciliation(connection=meeting.connection, meeting=meeting, user=request.user)
    messages.success(request, "The comparison is started: this page says what it found.")
    return HttpResponseRedirect(address_of(run))


MEETING_BUTTON = Button(
    name="reconcile",
    label="Reconcile",
    icon="compare_arrows",
    permission=OPERATE,
    explain=lambda meeting: f"Of this meeting only. {EXPLAINED}",
    run=start_for_meeting,
    log="Started a reconciliation",
    fits=lambda meeting: meeting.connection.status == Connection.Status.ACTIVE,
)


# --- The pages --------------------------------------------------------------------------------------------------------


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(ReadOnlyMixin, LongListMixin, ProgressAdmin):
    when_empty = "Reconciliation runs by itself. Start one with the button above to compare all sides now."
    list_display = ("started", "connection", "confined", "state", "checked", "repaired", "escalated", "kinds", "lasted")
    list_filter = (("status", ChoicesDropdownFilter), ("connection", RelatedDropdownFilter))
    list_select_related = ("connection", "meeting")
    ordering = ("-id",)
    list_before_template = "keepsync/missed_changes.html"
    reloads_at_end = False
    fields = ("connection_link", "confined", "started", "begun_by", "listed", "kinds", "lasted", "remarks")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReconciliationRun]:
        found: QuerySet[ReconciliationRun] = super().get_queryset(request)
        return found.select_related("connection", "meeting", "started_by").defer("connection__credentials")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.start)
        return [path("start/", view, name="bookings_reconciliationrun_start"), *super().get_urls()]

    def make_progress(self, run: ReconciliationRun) -> Progress:
        counts = [
            ("Checked", run.checked),
            ("Discrepancies", run.discrepancies),
            ("Repaired", run.repaired),
            ("Wait for a person", run.escalated),
            ("Deliveries asked for again", run.redelivered),
        ]
        return Progress(
            what="Records checked",
            address=address_of(run, "progress"),
            is_open=run.status in OPEN,
            label=show_choice(run, "status", VARIANTS),
            text="It is through." if run.status == Status.DONE else ReconciliationRun.Step(run.step).label,
            percent=find_percent(run),
            counts=[(name, f"{count:,}") for name, count in counts],
            note=describe_problem(run),
        )

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_start = request.user.has_perm(OPERATE)
        more = {
            "charts": list_charts(timezone.now().date()),
            "start_address": reverse("admin:bookings_reconciliationrun_start") if may_start else "",
        }
        response: HttpResponse = super().changelist_view(request, {**more, **(extra_context or {})})
        return response

    def start(self, request: HttpRequest) -> HttpResponse:
        """GET asks for the connection and the window, POST starts."""
        if not (self.has_view_permission(request) and request.user.has_perm(OPERATE)):
            raise PermissionDenied
        form = StartForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            try:
                run = start_reconciliation(user=request.user, **form.cleaned_data)
            except KeepsyncError as error:
                messages.error(request, f"Nothing was started: {error}")
                return HttpResponseRedirect(address_of_list(ReconciliationRun))
            LogEntry.objects.log_actions(
                request.user.pk or 0, [run], ADDITION, "Started a reconciliation", single_object=True
            )
            messages.success(request, "The reconciliation is started: this page says how far it is.")
            return HttpResponseRedirect(address_of(run))
        button, back = BulkButton("Reconcile now"), address_of_list(ReconciliationRun)
        return confirm(request, button=button, text=EXPLAINED, back=back, form=form)

    @admin.display(description="started")
    def started(self, run: ReconciliationRun) -> str:
        return show_instant(run.created_at)

    @admin.display(description="status")
    def state(self, run: ReconciliationRun) -> str:
        return show_choice(run, "status", VARIANTS)

    @admin.display(description="connection")
    def connection_link(self, run: ReconciliationRun) -> str:
        return link_to(run.connection)

    @admin.display(description="of")
    def confined(self, run: ReconciliationRun) -> str:
        if run.meeting:
            return link_to(run.meeting, "One meeting")
        return f"Changes since {format_utc(run.since)}" if run.since else "Everything"

    @admin.display(description="started by")
    def begun_by(self, run: ReconciliationRun) -> str:
        return str(run.started_by) if run.started_by else "The schedule, or a command"

    @admin.display(description="events listed")
    def listed(self, run: ReconciliationRun) -> str:
        return f"Changed since {format_utc(run.updated_since)}" if run.updated_since else "All"

    @admin.display(description="kinds")
    def kinds(self, run: ReconciliationRun) -> str:
        found = [f"{count:,} × {Discrepancy.Kind(kind).label.lower()}" for kind, count in sorted(run.by_kind.items())]
        return show_lines(found) if found else NOTHING

    @admin.display(description="lasted")
    def lasted(self, run: ReconciliationRun) -> str:
        if run.finished_at is None:
            return NOTHING
        return format_span(run.finished_at - run.created_at)

    @admin.display(description="notes")
    def remarks(self, run: ReconciliationRun) -> str:
        return show_lines(run.notes) if run.notes else NOTHING


@panel_on(ReconciliationRun)
def show_discrepancies(request: HttpRequest, run: ReconciliationRun) -> Panel | None:
    if not request.user.has_perm("bookings.view_discrepancy"):
        return None
    links = [link(address_of_list(Discrepancy, run__id__exact=run.pk), "All of them, with filters")]
    found = run.found.order_by("-status", "id")[:SHOWN]
    return show_found("Discrepancies", found, links=links, empty="It found nothing.")
