"""The runbook in the admin: what is due, each task's report, and what was signed off."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextareaWidget

from integrations.admin.alerts import Bar, Level
from integrations.admin.base import Button, ButtonForm, DetailAdmin, LongListMixin, ReadOnlyMixin, show_page
from integrations.admin.checklist import describe_user
from integrations.admin.formats import (
    NOTHING,
    address_of,
    address_of_list,
    link,
    link_to,
    show_instant,
    show_label,
)
from integrations.admin.panels import Panel, panel_on
from integrations.models import RunbookTask, SignOff
from integrations.operations import runbook
from integrations.operations.runbook import DUE_AT, Part, Rhythm, Standing, State, Task, get_task

VIEW, SIGN_OFF = "integrations.view_runbooktask", "integrations.sign_off_runbooktask"
VARIANTS = {Standing.OVERDUE: "danger", Standing.DUE: "warning", Standing.COMING: ""}
SHOWN = 20


def task_of(row: RunbookTask) -> Task:
    return get_task(row.pk)


def state_of(row: RunbookTask) -> State:
    return runbook.find_state(task_of(row), timezone.now())


def show_parts(parts: Iterable[Part]) -> list[Panel]:
    return [
        Panel(
            part.title,
            part.headers,
            part.rows,
            links=[link(address, text) for text, address in part.links],
            note=part.note,
            empty=part.empty,
        )
        for part in parts
    ]


def make_overdue_bars(request: HttpRequest, now: datetime) -> list[Bar]:
    """One line for the start page, however many there are."""
    if not request.user.has_perm(VIEW):
        return []
    titles = [state.task.title for state in runbook.look(now) if state.standing == Standing.OVERDUE]
    if not titles:
        return []
    count = (
        "One task of the runbook is overdue" if len(titles) == 1 else f"{len(titles)} tasks of the runbook are overdue"
    )
    target = link(address_of_list(RunbookTask), "Open the runbook")
    return [Bar(Level.INFO, f"{count}: {', '.join(titles)}", [], target)]


# --- Signing off ------------------------------------------------------------------------------------------------------


class SignOffForm(ButtonForm):
    note = forms.CharField(
        required=False,
        max_length=1000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="What you have found and done, for who looks at it later.",
    )


def press_sign_off(request: HttpRequest, row: RunbookTask, values: dict[str, Any]) -> str:
    runbook.sign_off(task_of(row), request.user, values["note"])
    due_at = state_of(row).due_at
    return f"It is signed off. It comes due again on {due_at:%Y-%m-%d}."


BUTTONS = (
    Button(
        name="sign_off",
        label="Sign off",
        icon="task_alt",
        permission=SIGN_OFF,
        explain=lambda row: (
            f"{task_of(row).what} You say that it is done: the report, as it is at that moment, is kept with your name."
        ),
        preview=lambda row: show_parts(task_of(row).report(timezone.now())),
        run=press_sign_off,
        log="Signed off",
        fits=lambda row: state_of(row).is_open,
        form=SignOffForm,
        variant=ActionVariant.PRIMARY,
    ),
)


# --- Its pages --------------------------------------------------------------------------------------------------------


class ReportAdmin(ReadOnlyMixin, DetailAdmin):
    """Detail pages that show a report, above all other panels."""

    def list_parts(self, row: Any) -> Iterable[Part]:
        raise NotImplementedError

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        response = super().render_change_form(request, context, *args, obj=obj, **kwargs)
        # Django has it rendered later: what the page shows can still be changed.
        shown: Any = response
        shown.context_data["panels"] = [*show_parts(self.list_parts(obj)), *shown.context_data["panels"]]
        return response


@admin.register(RunbookTask)
class RunbookTaskAdmin(ReportAdmin):
    """The list is a page of its own. What the code does not declare any more is not shown."""

    fields = ("what", "rhythm", "standing", "due", "done")
    buttons = BUTTONS

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(name__in=[task.name for task in runbook.list_tasks()])

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = timezone.now()
        runbook.ensure_rows(now)
        states = runbook.look(now)
        groups = [
            (standing.value, [make_entry(request, state) for state in states if state.standing == standing])
            for standing in Standing
        ]
        return show_page(
            request,
            "keepsync/runbook.html",
            title="Runbook",
            overview=make_overview(states),
            groups=[(title, entries) for title, entries in groups if entries],
        )

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """With how it stands."""
        row: Any = super().get_object(request, *args, **kwargs)
        if row is not None:
            row.state = state_of(row)
        return row

    def list_parts(self, row: RunbookTask) -> Iterable[Part]:
        return task_of(row).report(timezone.now())

    @admin.display(description="what to do")
    def what(self, row: Any) -> str:
        return task_of(row).what

    @admin.display(description="how often")
    def rhythm(self, row: Any) -> str:
        return task_of(row).rhythm.value

    @admin.display(description="how it stands")
    def standing(self, row: Any) -> str:
        return show_label(row.state.standing.value, VARIANTS[row.state.standing])

    @admin.display(description="due")
    def due(self, row: Any) -> str:
        return show_instant(row.state.due_at)

    @admin.display(description="signed off last")
    def done(self, row: Any) -> str:
        return show_instant(row.state.signed_at)


def make_overview(states: list[State]) -> dict[str, str]:
    waiting = [state for state in states if state.is_open]
    overdue = sum(state.standing == Standing.OVERDUE for state in waiting)
    count = {0: "Nothing is due", 1: "One task is due"}.get(len(waiting), f"{len(waiting)} tasks are due")
    return {
        "tone": "bad" if overdue else "warn" if waiting else "good",
        "text": f"{count}, {overdue} of them overdue." if overdue else f"{count}.",
        "line": f"Tasks come due at {DUE_AT:%H:%M} by the clock of {settings.OPERATORS_TIME_ZONE}.",
        "link": link(address_of_list(SignOff), "What was signed off"),
    }


def make_entry(request: HttpRequest, state: State) -> dict[str, Any]:
    """What the page shows of one task, with what who looks at it may do."""
    row = RunbookTask(pk=state.task.name)
    may = request.user.has_perm(SIGN_OFF) and state.is_open
    return {
        "title": link(address_of(row), state.task.title),
        "label": show_label(state.standing.value, VARIANTS[state.standing]),
        "rhythm": Rhythm(state.task.rhythm).value,
        "what": state.task.what,
        "due": show_instant(state.due_at),
        "done": show_instant(state.signed_at) if state.signed_at else "Never",
        "sign_off": address_of(row, "sign_off") if may else "",
    }


@panel_on(RunbookTask)
def show_history(request: HttpRequest, row: RunbookTask) -> Panel:
    rows = [
        [
            link_to(each, f"{each.due_at:%Y-%m-%d}"),
            describe_user(each.signed_by),
            each.note or NOTHING,
            show_instant(each.signed_at),
        ]
        for each in row.sign_offs.select_related("signed_by").defer("report")[:SHOWN]
    ]
    headers = ["Due on", "Signed off by", "Note", "When"]
    links = [link(address_of_list(SignOff, task__name__exact=row.pk), "All of them")]
    return Panel("History", headers, rows, links=links, empty="Nobody has signed it off yet.")


@admin.register(SignOff)
class SignOffAdmin(LongListMixin, ReportAdmin):
    """What was signed off, with the report as it was."""

    when_empty = "Sign a task off in the runbook: it stands here."
    list_display = ("task", "due", "who", "signed")
    list_filter = ("task",)
    list_select_related = ("task", "signed_by")
    ordering = ("-id",)
    fields = ("task", "due", "who", "signed", "note")

    def list_parts(self, row: SignOff) -> Iterable[Part]:
        return runbook.read_report(row)

    @admin.display(description="due")
    def due(self, row: SignOff) -> str:
        return show_instant(row.due_at)

    @admin.display(description="signed off by")
    def who(self, row: SignOff) -> str:
        return describe_user(row.signed_by)

    @admin.display(description="signed off")
    def signed(self, row: SignOff) -> str:
        return show_instant(row.signed_at)
