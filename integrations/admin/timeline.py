"""A timeline: steps of any kind in the order of their times, each with what has passed since the one before it.

A step that belongs to a message also says how long after the change it happened that the message tells of.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from django.utils.safestring import SafeString

from integrations.admin.formats import format_span

# How colours are called by labels, and by the dot beside a step.
TONES = {"success": "good", "warning": "warn", "danger": "bad", "info": "new", "primary": "new"}


@dataclass(frozen=True, slots=True)
class Way:
    """To what a person can do about something: a confirmation, or a page."""

    label: str
    address: str
    is_primary: bool = False


@dataclass(frozen=True, slots=True)
class Halt:
    """Why something stands still, and the ways on. `is_bad`: nothing goes on before somebody has done something."""

    why: SafeString | str
    ways: Sequence[Way] = ()
    is_bad: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. `what` is its kind, `state` and `variant` what became of it, in words and as a colour.

    `name` is unique on its page, `address` leads to the row's own one. `delivery_id` is the message that led to it.
    """

    at: datetime
    what: str
    title: SafeString | str
    name: str
    state: str = ""
    variant: str = ""
    address: str = ""
    lines: Sequence[object] = ()
    delivery_id: UUID | None = None
    halt: Halt | None = None

    @property
    def tone(self) -> str:
        return TONES.get(self.variant, "quiet")


def finish(step: Step, at: datetime, title: str, *lines: str, name: str = "end") -> Step:
    """How something went on, whose beginning is told by another step. Empty lines are left out."""
    told = [line for line in lines if line]
    return replace(step, at=at, title=title, name=f"{step.name}-{name}", lines=told, delivery_id=None, halt=None)


@dataclass(frozen=True, slots=True)
class Origin:
    """When what a message tells of happened over there; where nobody knows, when the message came in."""

    at: datetime
    is_change: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A step with its distances in words; empty where there is nothing to count from."""

    step: Step
    since_previous: str = ""
    since_origin: str = ""


def lay_out(steps: Iterable[Step], origins: Mapping[UUID, Origin]) -> list[Line]:
    """Oldest first; of two at the same time, in the order in which they were given."""
    ordered = sorted(steps, key=lambda step: step.at)
    gaps = ["", *(f"{format_span(later.at - earlier.at)} later" for earlier, later in pairwise(ordered))]
    return [Line(step, gap, tell_since_origin(step, origins)) for step, gap in zip(ordered, gaps, strict=False)]


def tell_since_origin(step: Step, origins: Mapping[UUID, Origin]) -> str:
    origin = origins.get(step.delivery_id) if step.delivery_id else None
    if origin is None or step.at == origin.at:
        return ""
    since = "the change over there" if origin.is_change else "it came in"
    return f"{format_span(step.at - origin.at)} after {since}"
