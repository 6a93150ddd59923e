"""The attempts at a delivery or an effect: what happened at each try, and which calls were made in it."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from integrations.admin.formats import (
    NOTHING,
    format_json,
    format_seconds,
    format_span,
    show_choice,
    show_folded,
    show_instant,
)
from integrations.admin.panels import Panel, panel_on
from integrations.models import Attempt, Delivery, Effect

Outcome = Attempt.Outcome
OUTCOME_VARIANTS = {
    Outcome.RUNNING: "info",
    Outcome.SUCCEEDED: "success",
    Outcome.FAILED: "danger",
    Outcome.ABANDONED: "warning",
}
ATTEMPTS_SHOWN = 100
# More than these are folded.
CALLS_SHOWN = 3


@panel_on(Delivery)
def show_attempts(request: HttpRequest, delivery: Delivery) -> Panel:
    rows = [show_attempt(attempt) for attempt in delivery.tries.order_by("-id")[:ATTEMPTS_SHOWN]]
    headers = ["No.", "Outcome", "Cause", "Error", "Worker", "Started", "Took"]
    return Panel("Attempts", headers=headers, rows=rows, empty="It has not been worked on.")


@panel_on(Effect)
def show_attempts_with_calls(request: HttpRequest, effect: Effect) -> Panel:
    tries = effect.tries.order_by("-id")[:ATTEMPTS_SHOWN]
    rows = [[*show_attempt(attempt), show_calls(attempt)] for attempt in tries]
    headers = ["No.", "Outcome", "Cause", "Error", "Worker", "Started", "Took", "Calls"]
    return Panel("Attempts", headers=headers, rows=rows, empty="It has not been tried.")


def show_attempt(attempt: Attempt) -> list[object]:
    return [
        attempt.number,
        show_choice(attempt, "outcome", OUTCOME_VARIANTS),
        attempt.get_cause_display() or NOTHING,
        show_error(attempt),
        attempt.worker,
        show_instant(attempt.started_at),
        show_duration(attempt),
    ]


def show_error(attempt: Attempt) -> str:
    if attempt.trace is None:
        return attempt.error or NOTHING
    return show_folded(attempt.error, format_json(attempt.trace))


def show_duration(attempt: Attempt) -> str:
    if attempt.finished_at is None:
        return NOTHING
    return format_span(attempt.finished_at - attempt.started_at)


def show_calls(attempt: Attempt) -> SafeString | str:
    if not attempt.calls:
        return NOTHING
    lines = [describe_call(call) for call in attempt.calls]
    if len(lines) > CALLS_SHOWN:
        return show_folded(f"{len(lines)} calls", "\n".join(lines))
    shown = format_html_join("", "<div>{}</div>", ((line,) for line in lines))
    return format_html('<div class="font-mono text-xs whitespace-nowrap">{}</div>', shown)


def describe_call(call: Mapping[str, Any]) -> str:
    """Method, path, status and time. A call without an answer has the status 0."""
    outcome = call["status"] or "no answer"
    return f"{call['method']} {call['path']} → {outcome}, {format_seconds(call['duration_ms'] / 1000)}"
