"""How a meeting stands, in one sentence: whether all of it arrived everywhere, and if not, what is in the way."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.http import HttpRequest

from bookings.models import Meeting
from bookings.reconciliation_admin import MEETING_BUTTON
from bookings.sync import UPSERT
from bookings.tracing.reading import Trace
from integrations.admin.formats import format_span, relate
from integrations.admin.halts import list_ways
from integrations.admin.timeline import Origin, Step, Way
from integrations.effect_actions import is_unknown
from integrations.models import Attempt, Connection, Effect
from integrations.providers import name_provider

Status = Effect.Status
RESTING = {
    Connection.Status.NEEDS_REAUTHORISATION: "it waits for reauthorisation",
    Connection.Status.PAUSED: "its connection is paused",
    Connection.Status.DISABLED: "its connection is disabled",
}
# What a person decides, of the kinds of steps.
DECIDED = ("Conflict", "Reconciliation")


@dataclass(frozen=True, slots=True)
class Matter:
    """Something that stands still, in a sentence; `step` is the name of the one that tells of it, empty for none."""

    text: str
    step: str
    ways: Sequence[Way]
    is_bad: bool


@dataclass(frozen=True, slots=True)
class Standing:
    text: str
    tone: str
    matters: Sequence[Matter]


def find_standing(
    trace: Trace, steps: Iterable[Step], lags: Mapping[int, timedelta], missing: Sequence[Matter]
) -> Standing:
    """`lags`: connection id → how long after the last change it was there too."""
    sentences = {f"effect-{effect.pk}": say_of_effect(trace, effect) for effect in trace.effects}
    open_ones = [
        Matter(sentences.get(step.name) or say_of_step(step), step.name, step.halt.ways, step.halt.is_bad)
        for step in steps
        if step.halt
    ]
    matters = sorted([*open_ones, *missing], key=lambda matter: not matter.is_bad)
    if not matters:
        return Standing(say_arrived(trace, lags), "good", ())
    worst, more = matters[0], len(matters) - 1
    others = f" And {more} more {'thing stands' if more == 1 else 'things stand'} open." if more else ""
    return Standing(f"{worst.text}{others}", "bad" if worst.is_bad else "warn", matters)


def say_arrived(trace: Trace, lags: Mapping[int, timedelta]) -> str:
    if not (trace.links or trace.effects):
        return "It is here, and nothing of it is to go anywhere."
    if not lags:
        return "All of it arrived everywhere."
    return f"All of it arrived everywhere, {format_span(max(lags.values()))} after the change over there."


def say_of_step(step: Step) -> str:
    return f"{step.title}: {'a person decides' if step.what in DECIDED else step.state.lower()}."


def say_of_effect(trace: Trace, effect: Effect) -> str:
    provider, reason = name_provider(effect.connection.provider), give_reason(effect)
    if effect.kind != UPSERT:
        return f"{effect.kind} at {provider} has not happened yet: {reason}."
    is_there = any(link.connection_id == effect.connection_id and not link.is_gone for link in trace.links)
    return f"{provider} does not have {'its latest state' if is_there else 'it'} yet: {reason}."


def give_reason(effect: Effect) -> str:
    """Why an open effect has not happened, in short."""
    if effect.status == Status.DEAD:
        return f"it was given up ({effect.get_cause_display().lower() or 'no cause is known'})"
    if is_unknown(effect):
        return "nobody knows whether it arrived"
    if resting := RESTING.get(Connection.Status(effect.connection.status)):
        return resting
    if effect.status == Status.RETRYING and effect.due_at:
        return f"a try failed ({effect.get_cause_display().lower()}), the next one comes {relate(effect.due_at)}"
    if effect.status == Status.WAITING:
        return f"its connection rests ({effect.get_cause_display().lower() or 'for a moment'})"
    return "it is on its way"


# --- What has arrived, and when ---------------------------------------------------------------------------------------


def measure_lags(trace: Trace, origins: Mapping[UUID, Origin]) -> dict[int, timedelta]:
    """Connection id → from the last change that calendar.live told of until it was there too."""
    ended = {
        attempt.effect_id: attempt.finished_at
        for attempt in trace.attempts
        if attempt.effect_id and attempt.outcome == Attempt.Outcome.SUCCEEDED
    }
    lags: dict[int, timedelta] = {}
    for effect in sorted(trace.effects, key=lambda each: each.pk):
        origin = origins.get(effect.delivery_id) if effect.delivery_id else None
        at = ended.get(effect.pk) or effect.finished_at
        if effect.kind == UPSERT and effect.status == Status.SUCCEEDED and origin and origin.is_change and at:
            lags[effect.connection_id] = at - origin.at
    return lags


def find_missing(request: HttpRequest, trace: Trace, crms: Iterable[Connection]) -> Iterator[Matter]:
    """Paired CRMs to which the meeting never was on its way: paired later, or something was lost."""
    if trace.meeting.status == Meeting.Status.CANCELLED or trace.is_cut:
        return
    known = {row.connection_id for row in trace.links} | {row.connection_id for row in trace.effects}
    for crm in crms:
        if crm.pk not in known:
            ways = list(list_ways(request, trace.meeting, (MEETING_BUTTON,), (MEETING_BUTTON.name,)))
            text = f"{name_provider(crm.provider)} does not have it, and nothing is on its way there."
            yield Matter(text, "", ways, is_bad=True)
