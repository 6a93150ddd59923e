"""Imports in the admin: how far each is, what it came to, and the rows that a person should see."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from contacts.import_buttons import ADD, BUTTONS
from contacts.imports import runs
from contacts.imports.engine import OPEN
from contacts.imports.exports import write_csv
from contacts.imports.outcomes import describe
from contacts.models import CandidatePair, ImportRow, ImportRun
from integrations.admin.base import LongListMixin, ReadOnlyMixin
from integrations.admin.connection_buttons import is_crm
from integrations.admin.formats import (
    NOTHING,
    address_of,
    address_of_list,
    link,
    link_to,
    show_choice,
    show_instant,
    show_label,
)
from integrations.admin.panels import Panel, panel_on
from integrations.admin.progress import Progress, ProgressAdmin
from integrations.models import Connection

Status = ImportRun.Status
VARIANTS = {
    Status.WAITING: "warning",
    Status.RUNNING: "info",
    Status.DONE: "success",
    Status.STOPPED: "",
    Status.FAILED: "danger",
}
ROWS_SHOWN, RUNS_SHOWN = 100, 5
# What a list of refused rows says beside their own columns.
ADDED = ("line", "external_id", "problem")
MAY_SEE_PEOPLE = "contacts.view_contact"
VIEW = "contacts.view_importrun"


# --- How far it is ----------------------------------------------------------------------------------------------------


def describe_read(run: ImportRun) -> str:
    what = "Dry run, nothing is changed: " if run.is_dry_run else ""
    of = f" of about {run.total:,}" if run.total and run.total > run.read else ""
    return f"{what}{run.read:,}{of} rows read"


def find_percent(run: ImportRun) -> int | None:
    if run.status == Status.DONE:
        return 100
    return None if not run.total else min(99, 100 * run.read // run.total)


# --- Its pages --------------------------------------------------------------------------------------------------------


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnlyMixin, LongListMixin, ProgressAdmin):
    when_empty = "Import a CSV file from the list of contacts, or a CRM's contacts from its connection's page."
    list_display = ("started", "source_name", "kind", "state", "progress", "outcome", "begun_by")
    list_filter = (("status", ChoicesDropdownFilter), ("source", ChoicesDropdownFilter))
    ordering = ("-id",)
    buttons = BUTTONS
    fields = ("source_name", "kind", "default_region", "started", "finished", "begun_by", "remarks")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ImportRun]:
        found: QuerySet[ImportRun] = runs.list_runs().select_related("connection", "user")
        return found.defer("content", "connection__credentials").order_by(*self.ordering)

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.download_refused)
        return [path("<path:object_id>/refused/", view, name="contacts_importrun_refused"), *super().get_urls()]

    def make_progress(self, run: ImportRun) -> Progress:
        would = "Would be " if run.is_dry_run else ""
        counts = [
            (f"{would}created" if would else "Created", run.created),
            (f"{would}matched" if would else "Matched", run.matched),
            ("For review", run.for_review),
            ("Refused", run.refused),
            ("Erased before", run.erased),
        ]
        return Progress(
            what="Rows read",
            address=address_of(run, "progress"),
            is_open=run.status in OPEN,
            label=show_choice(run, "status", VARIANTS),
            text=describe_read(run),
            percent=find_percent(run),
            counts=[(name, f"{count:,}") for name, count in counts],
            note=run.problem,
        )

    def download_refused(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        run: ImportRun = self.find_row(request, object_id)
        if not request.user.has_perm(MAY_SEE_PEOPLE):
            raise PermissionDenied
        self.log_change(request, run, "Downloaded the refused rows")
        return send_csv(write_refused(run), f"refused-{run.pk}.csv")

    @admin.display(description="started")
    def started(self, run: ImportRun) -> str:
        return show_instant(run.created_at)

    @admin.display(description="finished")
    def finished(self, run: ImportRun) -> str:
        return show_instant(run.finished_at)

    @admin.display(description="from")
    def source_name(self, run: ImportRun) -> str:
        return link_to(run.connection) if run.connection else run.file_name

    @admin.display(description="kind")
    def kind(self, run: ImportRun) -> str:
        return show_label("Dry run") if run.is_dry_run else show_label("For real", "primary")

    @admin.display(description="status")
    def state(self, run: ImportRun) -> str:
        return show_choice(run, "status", VARIANTS)

    @admin.display(description="progress")
    def progress(self, run: ImportRun) -> str:
        percent = find_percent(run)
        return f"{run.read:,} rows" if percent is None else f"{percent} %"

    @admin.display(description="outcome")
    def outcome(self, run: ImportRun) -> str:
        return describe_counts(run)

    @admin.display(description="begun by")
    def begun_by(self, run: ImportRun) -> str:
        return run.user.get_username() if run.user else NOTHING

    @admin.display(description="how it is read")
    def remarks(self, run: ImportRun) -> str:
        return " ".join(run.notes) or NOTHING


@panel_on(Connection, rank=1)
def show_imports(request: HttpRequest, connection: Connection) -> Panel | None:
    """The latest imports of a CRM's contacts, for those who may see them."""
    may_begin = request.user.has_perm(ADD)
    if not is_crm(connection) or not (may_begin or request.user.has_perm(VIEW)):
        return None
    latest = runs.list_runs().filter(connection=connection)[:RUNS_SHOWN]
    rows = [
        [
            link_to(run, "Dry run" if run.is_dry_run else "For real"),
            show_choice(run, "status", VARIANTS),
            describe_counts(run),
            show_instant(run.created_at),
        ]
        for run in (latest if request.user.has_perm(VIEW) else ())
    ]
    return Panel(
        "Contacts over there",
        headers=["Import", "Status", "Outcome", "Started"],
        rows=rows,
        empty="They were not imported yet.",
        links=[link(address_of(connection, "import_contacts"), "Import contacts")] if may_begin else [],
    )


def describe_counts(run: ImportRun) -> str:
    return f"{run.created:,} created, {run.matched:,} matched, {run.for_review:,} for review, {run.refused:,} refused"


# --- Rows that a person should see ------------------------------------------------------------------------------------


@panel_on(ImportRun)
def show_refused(request: HttpRequest, run: ImportRun) -> Panel | None:
    if not run.refused:
        return None
    shown = run.rows.filter(outcome=ImportRow.Outcome.REFUSED).defer("values")[:ROWS_SHOWN]
    rows = [[row.external_id or row.number, row.field or NOTHING, row.problem] for row in shown]
    links = []
    if request.user.has_perm(MAY_SEE_PEOPLE):
        links = [link(address_of(run, "refused"), "Download them as CSV")]
    note = "Mend them in that file, where the column “problem” says what is wrong, and import it."
    return Panel(
        "Refused",
        headers=["Record" if run.connection_id else "Line", "Column", "Problem"],
        rows=rows,
        links=links,
        empty="They were deleted, thirty days after the import.",
        note=f"{count_shown(run.refused)} {'' if run.connection_id else note}",
    )


@panel_on(ImportRun)
def show_for_review(request: HttpRequest, run: ImportRun) -> Panel | None:
    if not run.for_review:
        return None
    shown = run.rows.filter(outcome=ImportRow.Outcome.FOR_REVIEW).select_related("contact").defer("values")
    may_see = request.user.has_perm(MAY_SEE_PEOPLE)
    rows = [
        [row.external_id or row.number, link_to(row.contact) if row.contact and may_see else NOTHING]
        for row in shown[:ROWS_SHOWN]
    ]
    links = [] if run.is_dry_run else [link(address_of_list(CandidatePair, status__exact="open"), "Pairs to review")]
    return Panel(
        "For review",
        headers=["Record" if run.connection_id else "Line", "Contact"],
        rows=rows,
        links=links,
        empty="They were deleted, thirty days after the import.",
        note=f"Who may be another contact here, for a person to decide. {count_shown(run.for_review)}",
    )


def count_shown(count: int) -> str:
    return f"The first {ROWS_SHOWN} of {count:,} are shown." if count > ROWS_SHOWN else ""


def write_refused(run: ImportRun) -> Iterator[str]:
    """The rows as they came, each with what is wrong with it. Read twice, so that memory does not grow with them."""
    refused = ImportRow.objects.filter(run=run, outcome=ImportRow.Outcome.REFUSED).order_by("number")
    header: dict[str, None] = {}
    for row in refused.iterator(chunk_size=500):
        header |= dict.fromkeys(row.values)
    theirs = [name for name in header if name not in ADDED]
    rows = refused.iterator(chunk_size=500)
    return write_csv([*theirs, *ADDED], ([*(row.values.get(name, "") for name in theirs), *say(row)] for row in rows))


def say(row: ImportRow) -> list[str]:
    return [str(row.number), row.external_id, describe(row)]


def send_csv(pieces: Iterator[str], name: str) -> StreamingHttpResponse:
    """A download that is made while it is sent. The admin lets nobody keep it."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8", headers=headers)
