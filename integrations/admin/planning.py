"""Making a replay plan from a list: what its filters show is foretold, and frozen once somebody confirms."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldBooleanSwitchWidget

from integrations.admin.base import BulkButton, confirm
from integrations.admin.formats import NOTHING, address_of
from integrations.admin.panels import Panel
from integrations.exceptions import StateError
from integrations.models import Connection, Verdict
from integrations.models.replay_plans import PER_SECOND_MAX
from integrations.replays import plans
from integrations.replays.forecasts import DONE, Forecast, foretell
from integrations.replays.kinds import Kind

OPERATE = "integrations.operate_replayplan"
# The list's parameters whose values are kept with a plan, and what they are called.
NAMED = {"status": "status", "cause": "cause", "fingerprint": "fingerprint", "event_type": "type", "kind": "type"}
BOUNDS = {"from_0": "from", "to_0": "to"}
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class Choice:
    """How rows were chosen, in words; where that was; and what chooses them again when the form is sent."""

    words: str
    back: str
    hidden: Sequence[tuple[str, object]] = ()


class PlanForm(forms.Form):
    per_second = forms.IntegerField(
        label="How many each second",
        min_value=1,
        max_value=PER_SECOND_MAX,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Lower than what the other side can take: webhooks and other changes go on meanwhile.",
    )
    includes_done = forms.BooleanField(
        label="Also what is done already",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Works on it again, after a rule or a mapping was changed. What happens once is never repeated.",
    )


def may_plan(request: HttpRequest, kind: Kind) -> bool:
    return request.user.has_perm(OPERATE) and request.user.has_perm(kind.may_operate)


def address_of_planning(kind: Kind, query: str) -> str:
    """`query` is that of a list's address."""
    return f"{reverse(f'admin:integrations_{kind.name}_plan_replay')}?{query}"


def plan_or_ask(request: HttpRequest, kind: Kind, chosen: QuerySet[Any], choice: Choice) -> HttpResponse:
    """The confirmation page, until it is confirmed; then the plan's page."""
    form = PlanForm(
        request.POST if "confirmed" in request.POST else None, initial={"per_second": settings.REPLAY_PER_SECOND}
    )
    if form.is_valid():
        return make_plan(request, kind, chosen, choice, form.cleaned_data)
    if chosen.order_by().values("pk")[: plans.LARGEST + 1].count() > plans.LARGEST:
        return refuse(request, choice, plans.describe_limit(kind))
    return ask(request, kind, choice, forecast=foretell(kind, chosen), form=form)


def ask(request: HttpRequest, kind: Kind, choice: Choice, *, forecast: Forecast, form: PlanForm) -> HttpResponse:
    """The forecast says how many there are as well: the same number on the whole page, whatever comes meanwhile."""
    count, limit = forecast.total, settings.REPLAY_APPROVAL_ABOVE
    if not count:
        return refuse(request, choice, f"There are no such {kind.plural}.")
    text = (
        f"The plan holds the {count:,} {kind.plural} that are chosen now ({choice.words}): what comes later is not in "
        "it. Nothing is replayed before it is started on its page, where it says what it will do."
    )
    if count > limit:
        text += f" It has more than {limit:,} rows, so a second person has to approve it."
    return confirm(
        request,
        button=BulkButton(f"Plan a replay of {count:,}"),
        text=text,
        back=choice.back,
        form=form,
        panels=[show_forecast(forecast)],
        hidden=[("confirmed", "yes"), *choice.hidden],
    )


def make_plan(
    request: HttpRequest, kind: Kind, chosen: QuerySet[Any], choice: Choice, values: dict[str, Any]
) -> HttpResponse:
    try:
        plan = plans.make(kind, chosen, words=choice.words, user=request.user, **values)
    except StateError as error:
        return refuse(request, choice, str(error))
    LogEntry.objects.log_actions(request.user.pk or 0, [plan], ADDITION, "Planned", single_object=True)
    messages.success(request, f"The plan is made: {plan}. Nothing is replayed yet.")
    return HttpResponseRedirect(address_of(plan))


def refuse(request: HttpRequest, choice: Choice, text: str) -> HttpResponse:
    messages.error(request, text)
    return HttpResponseRedirect(choice.back)


def show_forecast(forecast: Forecast, *, title: str = "What it will do") -> Panel:
    groups = [
        ("Will run", [Verdict.RUNS]),
        ("Done already: suppressed", DONE),
        ("Would conflict: left as it is", [each for each in Verdict if each not in (Verdict.RUNS, *DONE)]),
    ]
    rows = [
        [group, NOTHING if verdict == Verdict.RUNS else verdict.label, f"{forecast.counts[verdict]:,}"]
        for group, verdicts in groups
        for verdict in verdicts
        if forecast.counts.get(verdict)
    ]
    return Panel(title, headers=["What", "Because", "Rows"], rows=rows)


def describe_filters(kind: Kind, parameters: Mapping[str, Any]) -> str:
    """In words that are safe to keep: what was searched for may name a person, and is left out."""
    words = [word for name in parameters if (word := describe_filter(kind, name, str(parameters[name])))]
    return "; ".join(words) or f"all {kind.plural}"


def describe_filter(kind: Kind, name: str, value: str) -> str:
    field = name.partition("__")[0]
    if not value or name in ("p", "o", "all"):
        return ""
    if field in NAMED:
        return f"{NAMED[field]} {value}"
    if field == "connection" and value.isdigit():
        return f"connection {Connection.objects.filter(pk=value).values_list('slug', flat=True).first()}"
    if name == "q":
        return "a search"
    bound = name.removeprefix(f"{kind.since}_")
    return f"{BOUNDS[bound]} {value}" if bound in BOUNDS and DAY.fullmatch(value) else "another filter"
