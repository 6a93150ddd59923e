"""Retention in the admin: what is kept how long, how much of it is over now, and the last purges."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from integrations.admin.base import Admin, BulkButton, ReadOnlyMixin, confirm, show_page
from integrations.admin.formats import NOTHING, relate, show_instant, show_label
from integrations.admin.panels import Panel
from integrations.jobs import purge
from integrations.models import PurgeRun, RetentionTime
from integrations.models.retention import LONGEST_DAYS
from integrations.retention.kinds import COUNTED_TO, count_due, list_kinds, read_days, set_days

CHANGE_TIMES = "integrations.change_retentiontime"
SHOWN = 10
NEVER_PURGED = (
    "What is still open is never removed, whatever its age: what waits, is tried again, or is a dead letter, open "
    "conflicts, discrepancies and alerts, plans and imports under way. Hourly counts and histories stay for good."
)


def describe_days(days: int | None) -> str:
    return "For ever" if days is None else f"{days:,} day{'' if days == 1 else 's'}"


def show_days(days: int | None) -> str:
    return format_html('<span class="whitespace-nowrap">{}</span>', describe_days(days))


def show_times(now: Any) -> Panel:
    days, due = read_days(), count_due(now)
    rows = [
        [kind.title, show_days(days[kind.name]), show_days(kind.days), show_due(due[kind.name]), kind.keeps]
        for kind in list_kinds()
    ]
    headers = ["What", "Kept for", "As shipped", "Over now", "What stays"]
    return Panel("What is kept for a time", headers=headers, rows=rows, note=NEVER_PURGED)


def show_due(count: int) -> str:
    text = f"{count:,} or more" if count >= COUNTED_TO else f"{count:,}"
    return show_label(text, "warning") if count else text


def show_runs() -> Panel:
    rows = [
        [show_instant(run.started_at), describe_end(run), f"{sum(run.counts.values()):,}", describe_counts(run)]
        for run in PurgeRun.objects.all()[:SHOWN]
    ]
    empty = "No purge has run yet: the schedule does it once a day, and “Purge now” at once."
    return Panel("Last purges", headers=["Started", "Ended", "Rows", "Of which"], rows=rows, empty=empty)


def describe_end(run: PurgeRun) -> str:
    if run.finished_at:
        return show_instant(run.finished_at)
    return show_label(f"Under way, last worked on {relate(run.worked_at)}", "info")


def describe_counts(run: PurgeRun) -> str:
    titles = {kind.name: kind.title for kind in list_kinds()}
    return "; ".join(f"{titles.get(name, name)}: {count:,}" for name, count in run.counts.items()) or NOTHING


def show_history() -> Panel:
    titles = {kind.name: kind.title for kind in list_kinds()}
    changes = RetentionTime.history.select_related("history_user").order_by("-history_date", "-history_id")
    rows = [
        [
            show_instant(change.history_date),
            change.history_user or NOTHING,
            titles.get(change.name, change.name),
            describe_days(change.days),
        ]
        for change in changes[:SHOWN]
    ]
    headers = ["When", "Who", "What", "Kept for, since then"]
    return Panel("Last changes", headers=headers, rows=rows, empty="All times are as shipped.")


class TimesForm(forms.Form):
    """The days of each kind. Empty: for ever."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        days = read_days()
        for kind in list_kinds():
            self.fields[kind.name] = forms.IntegerField(
                label=kind.title,
                required=False,
                min_value=kind.shortest,
                max_value=LONGEST_DAYS,
                initial=days[kind.name],
                widget=UnfoldAdminIntegerFieldWidget,
                help_text=f"Days; empty for ever. As shipped: {describe_days(kind.days).lower()}.",
            )


@admin.register(RetentionTime)
class RetentionTimeAdmin(ReadOnlyMixin, Admin):
    """Its list is a page of its own, and all times are changed together."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm(CHANGE_TIMES))

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("times/", view(self.change_times), name="integrations_retentiontime_times"),
            path("purge/", view(self.purge_now), name="integrations_retentiontime_purge"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        return show_page(
            request,
            "keepsync/retention.html",
            title="Retention",
            panels=[show_times(timezone.now()), show_runs(), show_history()],
            may_change=self.has_change_permission(request),
        )

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **kwargs: Any) -> HttpResponse:
        return back_to_list()

    def check_change(self, request: HttpRequest) -> None:
        if not self.has_change_permission(request):
            raise PermissionDenied

    @transaction.atomic
    def change_times(self, request: HttpRequest) -> HttpResponse:
        self.check_change(request)
        form = TimesForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            changed = set_days(form.cleaned_data, user=request.user)
            rows = list(RetentionTime.objects.filter(pk__in=form.changed_data))
            if changed:
                LogEntry.objects.log_actions(request.user.pk or 0, rows, CHANGE, "Changed how long it is kept")
            messages.success(request, f"Changed: {', '.join(changed) or 'nothing'}. The next purge goes by it.")
            return back_to_list()
        text = (
            "A shorter time removes, with the next purge, what is older: that cannot be taken back. "
            "What the dashboard counts is kept for 30 days at least, whatever is set."
        )
        button = BulkButton("Change the times")
        return confirm(request, button=button, text=text, back=address_of_page(), form=form)

    @transaction.atomic
    def purge_now(self, request: HttpRequest) -> HttpResponse:
        self.check_change(request)
        if request.method == "POST":
            purge()
            messages.success(request, "The purge is queued: this page says what it has removed.")
            return back_to_list()
        text = (
            f"{sum(count_due(timezone.now()).values()):,} rows or more are over, and are removed for good, in small "
            "batches, while the system runs. The schedule does the same once a day."
        )
        return confirm(request, button=BulkButton("Purge now"), text=text, back=address_of_page())


def address_of_page() -> str:
    return reverse("admin:integrations_retentiontime_changelist")


def back_to_list() -> HttpResponse:
    return HttpResponseRedirect(address_of_page())
