"""Replay plans in the admin: what each will do, how far it is, and what became of its items."""

from datetime import timedelta

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from integrations.admin.base import LongListMixin, ReadOnlyMixin
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
)
from integrations.admin.panels import Panel, panel_on
from integrations.admin.planning import show_forecast
from integrations.admin.progress import Progress, ProgressAdmin
from integrations.admin.replay_items import (
    VARIANTS as ITEM_VARIANTS,
)
from integrations.admin.replay_items import (
    VIEW,
    show_connection,
    show_now,
    show_row,
    show_what,
    show_why,
    with_rows,
)
from integrations.admin.replay_plan_buttons import BUTTONS
from integrations.models import Delivery, Effect, ReplayItem, ReplayPlan, Verdict
from integrations.replays.forecasts import foretell_plan
from integrations.replays.kinds import kind_of
from integrations.retries import Cause

Status = ReplayPlan.Status
State = ReplayItem.State
VARIANTS = {Status.DRAFT: "warning", Status.RUNNING: "info", Status.PAUSED: "warning", Status.DONE: "success"}
# What a person looks for stands first.
SHOWN_FIRST = (State.DEAD, State.SKIPPED, State.RUNNING, State.PENDING, State.SUCCEEDED)
ITEMS_SHOWN, PLANS_SHOWN = 50, 10


# --- How far it is ----------------------------------------------------------------------------------------------------


def is_open(plan: ReplayPlan) -> bool:
    return plan.started_at is not None and plan.finished_at is None


def find_percent(plan: ReplayPlan) -> int:
    return 100 * (plan.total - plan.left) // max(plan.total, 1)


def describe_wait(plan: ReplayPlan) -> str:
    """What it waits for; empty where it goes on by itself, or is over."""
    if plan.status == Status.DRAFT:
        return (
            "It waits for the approval of somebody else than who has planned it."
            if plan.awaits_approval
            else "Nothing is replayed before somebody starts it."
        )
    if plan.status == Status.PAUSED:
        return f"{plan.left:,} items wait until it is resumed."
    if is_open(plan) and not plan.left:
        return "All is replayed. What fails is tried again at growing distances: the last outcome may take a day."
    return ""


# --- Its pages --------------------------------------------------------------------------------------------------------


@admin.register(ReplayPlan)
class ReplayPlanAdmin(ReadOnlyMixin, LongListMixin, ProgressAdmin):
    when_empty = "Filter the deliveries or the effects, and press “Plan a replay” there."
    list_display = ("planned", "kind", "chosen", "state", "progress", "outcome", "planned_by", "finished")
    list_filter = (("status", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))
    ordering = ("-id",)
    buttons = BUTTONS
    fields = (
        "kind", "chosen", "per_second", "includes_done", "planned", "planned_by", "approval", "begun", "finished",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReplayPlan]:
        found: QuerySet[ReplayPlan] = super().get_queryset(request)
        return found.select_related("created_by", "approved_by", "started_by")

    def make_progress(self, plan: ReplayPlan) -> Progress:
        counts = [
            ("Items", plan.total),
            ("Replayed", plan.replayed),
            ("Succeeded", plan.succeeded),
            ("Dead again", plan.dead),
            ("No outcome yet", plan.replayed - plan.succeeded - plan.dead),
            ("Skipped", plan.skipped),
        ]
        return Progress(
            what="Items looked at",
            address=address_of(plan, "progress"),
            is_open=is_open(plan),
            label=show_choice(plan, "status", VARIANTS),
            text=f"{plan.total - plan.left:,} of {plan.total:,} items looked at",
            percent=find_percent(plan),
            counts=[(name, f"{count:,}") for name, count in counts],
            note=describe_wait(plan),
        )

    @admin.display(description="planned")
    def planned(self, plan: ReplayPlan) -> str:
        return show_instant(plan.created_at)

    @admin.display(description="planned by")
    def planned_by(self, plan: ReplayPlan) -> str:
        return str(plan.created_by or "The shell")

    @admin.display(description="approval")
    def approval(self, plan: ReplayPlan) -> str:
        if plan.approved_at:
            return f"{plan.approved_by or 'Somebody who is no user any more'}, {format_utc(plan.approved_at)}"
        return "Waits for a second person" if plan.needs_approval else "Not needed for so few"

    @admin.display(description="started")
    def begun(self, plan: ReplayPlan) -> str:
        if plan.started_at is None:
            return NOTHING
        return f"{plan.started_by or 'From the shell'}, {format_utc(plan.started_at)}"

    @admin.display(description="finished")
    def finished(self, plan: ReplayPlan) -> str:
        return show_instant(plan.finished_at)

    @admin.display(description="status")
    def state(self, plan: ReplayPlan) -> str:
        return show_choice(plan, "status", VARIANTS)

    @admin.display(description="progress")
    def progress(self, plan: ReplayPlan) -> str:
        return f"{find_percent(plan)} % of {plan.total:,}"

    @admin.display(description="outcome")
    def outcome(self, plan: ReplayPlan) -> str:
        return f"{plan.succeeded:,} succeeded, {plan.dead:,} dead again, {plan.skipped:,} skipped"


@panel_on(ReplayPlan)
def show_plan_forecast(request: HttpRequest, plan: ReplayPlan) -> Panel | None:
    """What is left, as it is at this moment: each item is judged once more when its turn comes."""
    if not plan.left or plan.finished_at:
        return None
    title = "What it will do" if plan.status == Status.DRAFT else "What it will do with those that are left"
    return show_forecast(foretell_plan(plan), title=title)


@panel_on(ReplayPlan)
def show_receipt(request: HttpRequest, plan: ReplayPlan) -> Panel | None:
    receipt = plan.receipt
    if not receipt:
        return None
    rows = [
        ["Succeeded", "", f"{receipt['succeeded']:,}"],
        *(["Dead again", Cause(name).label if name else NOTHING, f"{n:,}"] for name, n in by_size(receipt["by_cause"])),
        *(["Skipped", Verdict(name).label, f"{n:,}"] for name, n in by_size(receipt["by_reason"])),
    ]
    lasted = format_span(timedelta(seconds=receipt["lasted_s"]))
    note = f"{receipt['replayed']:,} of {receipt['total']:,} items were replayed. It took {lasted}."
    return Panel("Receipt", headers=["Outcome", "Because", "Items"], rows=rows, note=note)


def by_size(counts: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda each: -each[1])


@panel_on(ReplayPlan)
def show_items(request: HttpRequest, plan: ReplayPlan) -> Panel | None:
    """For those who may see the rows."""
    if not request.user.has_perm(kind_of(plan).may_view):
        return None
    rows = [
        [
            show_row(item),
            show_what(item),
            show_connection(item),
            show_choice(item, "state", ITEM_VARIANTS),
            show_why(item),
            show_now(item),
        ]
        for item in list_shown(plan)
    ]
    links = [link(address_of_list(ReplayItem, plan__id__exact=plan.pk), "All of them, with filters")]
    note = f"{ITEMS_SHOWN} of {plan.total:,} are shown." if plan.total > ITEMS_SHOWN else ""
    headers = ["Row", "Type", "Connection", "Outcome", "Because", "Status by now"]
    return Panel("Items", headers=headers, rows=rows, links=links, note=note)


def list_shown(plan: ReplayPlan) -> list[ReplayItem]:
    """The first ones of each state, as far as there is room."""
    shown: list[ReplayItem] = []
    for state in SHOWN_FIRST:
        if len(shown) < ITEMS_SHOWN:
            shown += with_rows(plan.items.filter(state=state)).order_by("id")[: ITEMS_SHOWN - len(shown)]
    return shown


@panel_on(Delivery, rank=2)
@panel_on(Effect, rank=2)
def show_plans_of(request: HttpRequest, row: Delivery | Effect) -> Panel | None:
    """The plans that a delivery or an effect was in, where there are any."""
    if not request.user.has_perm(VIEW):
        return None
    rows = [
        [
            link_to(item.plan),
            show_choice(item, "state", ITEM_VARIANTS),
            show_why(item),
            show_instant(item.plan.created_at),
        ]
        for item in with_rows(row.replays.all()).order_by("-id")[:PLANS_SHOWN]
    ]
    return Panel("Replay plans", headers=["Plan", "Outcome", "Because", "Planned"], rows=rows) if rows else None
