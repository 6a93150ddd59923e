"""What a delivery's page shows below its facts: its attempts, and its payload and headers, redacted."""

from django.http import HttpRequest

from integrations.admin.formats import NOTHING, format_json, show_choice, show_folded, show_instant
from integrations.admin.panels import Panel, panel_on
from integrations.exceptions import KeepsyncError, MalformedError
from integrations.models import Attempt, Delivery
from integrations.privacy.encryption import UnreadableValueError
from integrations.privacy.redaction import redact, redact_headers
from integrations.providers import get_provider
from integrations.providers.json_body import parse_json

Outcome = Attempt.Outcome
OUTCOME_VARIANTS = {
    Outcome.RUNNING: "info",
    Outcome.SUCCEEDED: "success",
    Outcome.FAILED: "danger",
    Outcome.ABANDONED: "warning",
}
ATTEMPTS_SHOWN = 100


@panel_on(Delivery)
def show_attempts(request: HttpRequest, delivery: Delivery) -> Panel:
    tries = delivery.tries.order_by("-id")[:ATTEMPTS_SHOWN]
    return Panel(
        "Attempts",
        headers=["No.", "Outcome", "Cause", "Error", "Worker", "Started", "Took"],
        rows=[
            [
                attempt.number,
                show_choice(attempt, "outcome", OUTCOME_VARIANTS),
                attempt.get_cause_display() or NOTHING,
                show_error(attempt),
                attempt.worker,
                show_instant(attempt.started_at),
                show_duration(attempt),
            ]
            for attempt in tries
        ],
        empty="It has not been worked on.",
    )


def show_error(attempt: Attempt) -> str:
    if attempt.trace is None:
        return attempt.error or NOTHING
    return show_folded(attempt.error, format_json(attempt.trace))


def show_duration(attempt: Attempt) -> str:
    if attempt.finished_at is None:
        return NOTHING
    seconds = (attempt.finished_at - attempt.started_at).total_seconds()
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


@panel_on(Delivery)
def show_payload(request: HttpRequest, delivery: Delivery) -> Panel:
    return Panel("Payload, redacted", text=print_redacted(delivery))


def print_redacted(delivery: Delivery) -> str:
    try:
        visible_keys = get_provider(delivery.connection.provider).visible_keys
        return format_json(redact(parse_json(bytes(delivery.body)), visible_keys))
    except MalformedError:
        return f"It is not JSON ({len(delivery.body):,} bytes), so nothing of it can be shown redacted."
    except (KeepsyncError, UnreadableValueError) as error:
        return f"It cannot be shown: {error}"


@panel_on(Delivery)
def show_headers(request: HttpRequest, delivery: Delivery) -> Panel:
    try:
        shown = redact_headers(delivery.headers)
    except UnreadableValueError as error:
        return Panel("Headers, redacted", text=f"They cannot be shown: {error}")
    return Panel("Headers, redacted", headers=["Name", "Value"], rows=list(shown.items()), empty="There are none.")
