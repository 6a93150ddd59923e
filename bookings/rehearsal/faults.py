"""The faults: the same stories while the other sides fail, and what Keepsync must make of it in the end."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bookings.rehearsal.cases import CALL, EAGER, Case, confirmed
from bookings.rehearsal.checks import Expected, check_effects, find_deliveries, find_effects, find_meeting, looking_for
from bookings.rehearsal.sandbox import Played, Record
from bookings.rehearsal.stage import CaseFailedError, Stage
from integrations import effect_actions
from integrations.jobs import change_status
from integrations.models import Attempt, Connection, Effect
from integrations.pairs import find_connection
from integrations.retries import Cause

# Sure to happen, until it has been met once: then the other side is well again.
ALWAYS = 1.0
WEBHOOKS = {"drop": 0.0, "double": 0.0, "reorder": 0.0}
DISORDER = ["event.updated", "event.created"]

type IsMet = Callable[[], bool]


# --- Answers that fail ------------------------------------------------------------------------------------------------


def rate_limits(stage: Stage) -> None:
    """Every provider answers 429 once: what was held goes on by itself, and used no try up.

    But Salesforce: its limit is that of a day, and its connection would rest for a quarter of an hour.
    """
    meet_fault(stage, sparing="salesforce", rate_429=ALWAYS)


def server_errors(stage: Stage) -> None:
    """Every provider answers 5xx, and the mail server 451: all is tried again."""
    meet_fault(stage, rate_5xx=ALWAYS)


def lost_answers(stage: Stage) -> None:
    """Every provider does what it is asked, and the answer is lost: it is found again, or waits for a person."""
    expected = meet_fault(stage, rate_lost=ALWAYS, is_settled=False)
    stage.wait(lambda: settle_unknown(stage, expected))
    stage.wait(looking_for(stage, expected))


def meet_fault(stage: Stage, *, is_settled: bool = True, sparing: str = "", **knobs: float) -> Expected:
    """A booking while each provider but the spared one has a fault, until its first call has met it."""
    with ExitStack() as stack:
        chosen = [each for each in faulty(stage) if each.provider != sparing]
        sick = {each.slug: stack.enter_context(fault_at(stage, each, knobs)) for each in chosen}
        event, guest = stage.book(CALL, EAGER)
        expected = confirmed(stage, event, guest)
        stage.wait(lambda: heal(stage, expected, sick))
    if is_settled:
        stage.wait(looking_for(stage, expected))
    return expected


def faulty(stage: Stage) -> list[Connection]:
    """Those that a booking leads to a call of: calendar.live takes the money itself, so that Stripe is not asked."""
    others, mailer = [each for each in stage.others if each.provider != "stripe"], find_connection("email")
    return [*others, mailer] if mailer and stage.find("zoom") else others


@contextmanager
def fault_at(stage: Stage, connection: Connection, knobs: dict[str, float]) -> Iterator[Played]:
    """The mail server has one fault for all that are passing."""
    played = stage.mail if connection.provider == "email" else stage.played(connection)
    if connection.provider == "email":
        knobs = {"rate_lost" if name == "rate_lost" else "rate_4xx": rate for name, rate in knobs.items()}
    with played.turned(**knobs):
        yield played


def heal(stage: Stage, expected: Expected, sick: dict[str, Played]) -> list[str]:
    """Make those well whose fault was met; what is left is still to be met."""
    meeting = find_meeting(stage, expected.event)
    if meeting is None:
        return ["Keepsync has no meeting for the booking"]
    met = Attempt.objects.filter(effect__in=find_effects(meeting), outcome=Attempt.Outcome.FAILED)
    for slug in set(met.values_list("effect__connection__slug", flat=True)) & sick.keys():
        sick.pop(slug).turn({})
    return [f"{slug} was not called" for slug in sick]


def settle_unknown(stage: Stage, expected: Expected) -> list[str]:
    """Say of each message whose outcome is unknown that it arrived, as a person would who has looked."""
    meeting = find_meeting(stage, expected.event)
    if meeting is None:
        return ["Keepsync has no meeting for the booking"]
    for effect in find_effects(meeting).filter(status=Effect.Status.WAITING, cause=Cause.UNKNOWN_OUTCOME):
        effect_actions.confirm_arrival(effect)
    return list(check_effects(meeting))


# --- Webhooks that go astray ------------------------------------------------------------------------------------------


def doubled_webhooks(stage: Stage) -> None:
    """Each webhook comes twice, at the same instant."""
    with webhooks_turned(stage, double=ALWAYS):
        event, guest = stage.book(CALL, EAGER)
        stage.wait(looking_for(stage, confirmed(stage, event, guest)))
    if not find_deliveries(stage, event).filter(duplicates__gt=0).exists():
        raise CaseFailedError("the sandbox sent no webhook twice.")


def reordered_webhooks(stage: Stage) -> None:
    """The reschedule comes before the booking."""
    # Asked for before: the sandbox holds the first webhook back for a few seconds only.
    slot = stage.customer.list_slots(CALL)[-2]
    with webhooks_turned(stage, reorder=ALWAYS):
        event, guest = stage.book(CALL, EAGER)
        stage.customer.reschedule(event["id"], slot)
    moved = stage.customer.read_event(event["id"])
    stage.wait(looking_for(stage, confirmed(stage, moved, guest)))
    if list(find_deliveries(stage, event).values_list("event_type", flat=True)) != DISORDER:
        raise CaseFailedError("the sandbox sent the webhooks in order, or not both of them.")


def dropped_webhooks(stage: Stage) -> None:
    """A webhook gets lost; calendar.live sends it again when it is asked to."""
    with webhooks_turned(stage, drop=ALWAYS):
        event, guest = stage.book(CALL, EAGER)
    for delivery in stage.customer.list_deliveries(event["id"]):
        stage.customer.redeliver(delivery["id"])
    stage.wait(looking_for(stage, confirmed(stage, event, guest)))


def webhooks_turned(stage: Stage, **rates: float) -> Any:
    return stage.customer.calendar.turned(webhooks={**WEBHOOKS, **rates})


# --- A token that was revoked -----------------------------------------------------------------------------------------


def revoked_token(stage: Stage) -> None:
    """A provider refuses the token: its effects wait, and go on when a person has authorised it again."""
    connection = next(iter([*stage.crms, *filter(None, [stage.find("zoom")])]), None)
    if connection is None:
        raise CaseFailedError("there is no connection to a CRM or to Zoom whose token could be revoked.")
    try:
        with stage.played(connection).turned(is_revoked=True):
            event, guest = stage.book(CALL, EAGER)
            stage.wait(lambda: lacks_request(stage, connection, event))
    finally:
        change_status(connection, Connection.Status.ACTIVE)
    stage.wait(looking_for(stage, confirmed(stage, event, guest)))


def lacks_request(stage: Stage, connection: Connection, event: Record) -> list[str]:
    """Until the connection asks to be authorised again, and its effects wait for that without using tries up."""
    connection.refresh_from_db()
    if connection.status != Connection.Status.NEEDS_REAUTHORISATION:
        return [f"{connection.slug} does not ask to be authorised again"]
    meeting = find_meeting(stage, event)
    planned = find_effects(meeting).filter(connection=connection) if meeting else ()
    if any(effect.status == Effect.Status.WAITING for effect in planned):
        return []
    found = ", ".join(f"{effect.kind} is {effect.status}" for effect in planned) or "no effect was planned"
    return [f"nothing waits for {connection.slug}: {found}"]


FAULTS = (
    Case("rate_limits", rate_limits),
    Case("server_errors", server_errors),
    Case("lost_answers", lost_answers),
    Case("doubled_webhooks", doubled_webhooks),
    Case("reordered_webhooks", reordered_webhooks),
    Case("dropped_webhooks", dropped_webhooks),
    Case("revoked_token", revoked_token),
)
