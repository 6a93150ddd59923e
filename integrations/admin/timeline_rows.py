"""Deliveries, effects, attempts at them and writes of fields as steps of a timeline. Nothing of a payload is shown."""

from collections.abc import Iterator, Sequence

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from integrations.admin.attempt_panels import OUTCOME_VARIANTS, describe_call, show_duration
from integrations.admin.deliveries import STATUS_VARIANTS as DELIVERY_VARIANTS
from integrations.admin.effect_outlook import EarlierFinder
from integrations.admin.effect_panels import STATUS_VARIANTS as EFFECT_VARIANTS
from integrations.admin.field_rules import name_field
from integrations.admin.formats import NOTHING, address_of, show_folded
from integrations.admin.halts import find_delivery_halt, find_effect_halt
from integrations.admin.subjects import show_subject
from integrations.admin.timeline import Step, finish
from integrations.admin.write_panels import VARIANTS as WRITE_VARIANTS
from integrations.models import Attempt, Delivery, Effect, FieldWrite
from integrations.providers import name_provider

CALLS_SHOWN = 3
# Where the last attempt does not say how it ended.
CLOSED_BY_HAND = (Effect.Status.SUPPRESSED, Effect.Status.DISCARDED)


def tell_delivery(request: HttpRequest, delivery: Delivery) -> Step:
    """Its status is the one that it has now."""
    return Step(
        at=delivery.received_at,
        what="Delivery",
        title=f"{delivery.event_type or 'A message'} from {delivery.connection}",
        name=f"delivery-{delivery.pk}",
        state=delivery.get_status_display(),
        variant=DELIVERY_VARIANTS.get(Delivery.Status(delivery.status), ""),
        address=address_of(delivery),
        lines=list(describe_delivery(delivery)),
        delivery_id=delivery.pk,
        halt=find_delivery_halt(request, delivery),
    )


def describe_delivery(delivery: Delivery) -> Iterator[object]:
    yield f"Its id there: {delivery.delivery_id or NOTHING}. " + (
        "Its signature was verified." if delivery.is_accepted else "It was refused."
    )
    if delivery.duplicates:
        times = "once" if delivery.duplicates == 1 else f"{delivery.duplicates} times"
        yield f"It came again {times}: nothing was done for that."
    if delivery.error:
        yield f"{delivery.get_cause_display()}: {delivery.error}"
    yield from map(str, delivery.notes)
    if delivery.discard_reason:
        yield f"Discarded: {delivery.discard_reason}"


def tell_attempt(attempt: Attempt, parent: Delivery | Effect) -> Step:
    is_inbound = isinstance(parent, Delivery)
    about = parent.event_type or "the message" if isinstance(parent, Delivery) else describe_effect(parent)
    return Step(
        at=attempt.started_at,
        what="Handlers" if is_inbound else "Attempt",
        title=f"Try {attempt.number} at {about}",
        name=f"attempt-{attempt.pk}",
        state=attempt.get_outcome_display(),
        variant=OUTCOME_VARIANTS.get(Attempt.Outcome(attempt.outcome), ""),
        address=address_of(parent),
        lines=list(describe_attempt(attempt)),
        delivery_id=attempt.delivery_id or (None if isinstance(parent, Delivery) else parent.delivery_id),
    )


def describe_attempt(attempt: Attempt) -> Iterator[object]:
    if attempt.finished_at:
        yield f"Took {show_duration(attempt)}."
    if attempt.error:
        yield f"{attempt.get_cause_display()}: {attempt.error}" if attempt.cause else attempt.error
    yield from show_calls([describe_call(call) for call in attempt.calls])


def show_calls(lines: Sequence[str]) -> Iterator[SafeString | str]:
    if len(lines) > CALLS_SHOWN:
        yield show_folded(f"{len(lines)} calls", "\n".join(lines))
    else:
        yield from lines


def tell_effect(request: HttpRequest, effect: Effect, earlier_than: EarlierFinder, home: str) -> Iterator[Step]:
    """That it was planned, with its status of now; and its end, where no attempt tells it.

    `home` is the subject that the page is about: only others are named.
    """
    planned = Step(
        at=effect.created_at,
        what="Effect",
        title=f"Planned: {describe_effect(effect)}",
        name=f"effect-{effect.pk}",
        state=effect.get_status_display(),
        variant=EFFECT_VARIANTS.get(Effect.Status(effect.status), ""),
        address=address_of(effect),
        lines=[*name_other(effect.subject, home), *describe_plan(effect)],
        delivery_id=effect.delivery_id,
        halt=find_effect_halt(request, effect, earlier_than),
    )
    yield planned
    if effect.finished_at and (effect.status in CLOSED_BY_HAND or effect.close_reason):
        title = f"{effect.get_status_display()}: {describe_effect(effect)}"
        yield finish(planned, effect.finished_at, title, effect.close_reason)


def describe_effect(effect: Effect) -> str:
    return f"{effect.kind} at {effect.connection} ({name_provider(effect.connection.provider)})"


def describe_plan(effect: Effect) -> Iterator[object]:
    if effect.revision > 1:
        yield f"{effect.revision} changes went into it."
    if effect.repeats:
        yield f"It was planned again {effect.repeats}×: nothing was done for that."
    if effect.error and effect.status not in (Effect.Status.SUCCEEDED, Effect.Status.SUPPRESSED):
        yield f"{effect.get_cause_display()}: {effect.error}"
    if effect.external_id:
        yield f"External id: {effect.external_id}"


def name_other(subject: str, home: str) -> list[SafeString | str]:
    return [] if subject == home else [show_subject(subject, is_short=True)]


def tell_write(write: FieldWrite, home: str) -> Step:
    fields = ", ".join(name_field(field) for field in write.fields)
    return Step(
        at=write.created_at,
        what="Write of fields",
        title=capfirst(f"{fields}, written by {write.connection}"),
        name=f"write-{write.pk}",
        state=write.get_verdict_display(),
        variant=WRITE_VARIANTS.get(FieldWrite.Verdict(write.verdict), ""),
        lines=name_other(write.subject, home),
        delivery_id=write.delivery_id,
    )
