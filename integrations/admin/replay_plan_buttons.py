"""What can be done with a replay plan: approved, started, paused, resumed and cancelled."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from unfold.enums import ActionVariant

from integrations.admin.base import Button
from integrations.admin.panels import Panel
from integrations.admin.planning import OPERATE, show_forecast
from integrations.jobs import move_replay
from integrations.models import ReplayPlan
from integrations.replays import plans
from integrations.replays.forecasts import foretell_plan
from integrations.replays.kinds import kind_of

Status = ReplayPlan.Status
APPROVE = "integrations.approve_replayplan"
PROMISE = "What was done already is not done twice. It can be paused and cancelled at any time."


def check_may_operate(request: HttpRequest, plan: ReplayPlan) -> None:
    """A plan lets nobody replay what they may not replay by hand. Raises PermissionDenied."""
    if not request.user.has_perm(kind_of(plan).may_operate):
        raise PermissionDenied


def approve(request: HttpRequest, plan: ReplayPlan, values: dict[str, Any]) -> str:
    check_may_operate(request, plan)
    plans.approve(plan, request.user)
    return "The plan is approved, and can be started."


def start(request: HttpRequest, plan: ReplayPlan, values: dict[str, Any]) -> str:
    check_may_operate(request, plan)
    move_replay(plan, lambda plan: plans.start(plan, request.user))
    return "The plan is started: this page says how far it is."


def pause(request: HttpRequest, plan: ReplayPlan, values: dict[str, Any]) -> str:
    plans.pause(plan)
    return "The plan is paused: nothing more is replayed until it is resumed."


def resume(request: HttpRequest, plan: ReplayPlan, values: dict[str, Any]) -> str:
    check_may_operate(request, plan)
    move_replay(plan, plans.resume)
    return "The plan goes on where it was."


def cancel(request: HttpRequest, plan: ReplayPlan, values: dict[str, Any]) -> str:
    move_replay(plan, plans.cancel)
    return "The plan is cancelled: nothing more is replayed."


def explain_start(plan: ReplayPlan) -> str:
    return f"{plan.total:,} items are looked at once more, and what runs is replayed, {describe_rate(plan)}. {PROMISE}"


def explain_approval(plan: ReplayPlan) -> str:
    who = plan.created_by or "The shell"
    return f"{who} has planned it, and somebody else has to say that it is right. It is not started by that."


def describe_rate(plan: ReplayPlan) -> str:
    minutes = plan.left // plan.per_second // 60
    return f"{plan.per_second} a second" + (f", which takes about {minutes:,} minutes" if minutes else "")


def preview(plan: ReplayPlan) -> Sequence[Panel]:
    return [show_forecast(foretell_plan(plan))]


BUTTONS = [
    Button(
        name="approve",
        label="Approve",
        icon="how_to_reg",
        permission=APPROVE,
        explain=explain_approval,
        preview=preview,
        fits=lambda plan: plan.status == Status.DRAFT and plan.awaits_approval,
        run=approve,
        log="Approved",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="start",
        label="Start",
        icon="play_arrow",
        permission=OPERATE,
        explain=explain_start,
        preview=preview,
        fits=plans.may_start,
        run=start,
        log="Started",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="pause",
        label="Pause",
        icon="pause",
        permission=OPERATE,
        explain=lambda plan: f"{plan.left:,} items wait until it is resumed. What is replayed already goes on.",
        fits=plans.may_pause,
        run=pause,
        log="Paused",
    ),
    Button(
        name="resume",
        label="Resume",
        icon="play_arrow",
        permission=OPERATE,
        explain=lambda plan: f"It goes on with the {plan.left:,} items that are left, {describe_rate(plan)}.",
        preview=preview,
        fits=lambda plan: plan.status == Status.PAUSED,
        run=resume,
        log="Resumed",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="cancel",
        label="Cancel",
        icon="cancel",
        permission=OPERATE,
        explain=lambda plan: (
            f"{plan.left:,} items are not replayed, and stay as they are. "
            f"{plan.replayed:,} that were replayed go on: nothing takes that back."
        ),
        fits=lambda plan: plan.status in plans.CANCELLABLE,
        run=cancel,
        log="Cancelled",
        variant=ActionVariant.DANGER,
    ),
]
