"""The kinds of effects: each is declared by the function that carries it out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from integrations.exceptions import KeepsyncError, SetupError
from integrations.models import Connection
from integrations.operations.metrics import OTHER
from integrations.providers.base import Account


@dataclass(frozen=True, slots=True)
class Task:
    """One effect to carry out. `is_repeat`: an earlier try may have done it, so look for it before doing it."""

    effect_id: UUID
    key: str
    subject: str
    parameters: Mapping[str, Any]
    connection: Connection
    account: Account
    is_repeat: bool
    # The delivery that led to it.
    delivery_id: UUID | None = None

    @property
    def subject_id(self) -> str:
        """`<id>` of a subject like `contact:<id>`."""
        return self.subject.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Done:
    """It is so over there. `record` writes what came back, in the transaction that marks the effect succeeded."""

    external_id: str = ""
    record: Callable[[], None] = field(default=lambda: None)
    # What a reader of the effect should know, such as what was left out.
    note: str = ""


@dataclass(frozen=True, slots=True)
class Together[Item]:
    """A `record` for the effects of one batch: `write` takes the items of all of them at once."""

    write: Callable[[Sequence[Item]], None]
    item: Item

    def __call__(self) -> None:
        self.write([self.item])


@dataclass(frozen=True, slots=True)
class Skipped:
    """There is nothing to do (any more), for this reason."""

    reason: str


type Result = Done | Skipped | KeepsyncError
type Run = Callable[[Sequence[Task]], Sequence[Result]]


@dataclass(frozen=True, slots=True)
class Kind:
    """`is_state`: it brings something to the state it has here, whenever it runs. `is_findable`: a try whose answer was
    lost can be found out; otherwise it is never repeated by itself. `priority` 1 builds on effects of priority 0, such
    as a meeting on its contacts.
    """

    name: str
    run: Run
    is_state: bool
    is_findable: bool
    is_batched: bool
    priority: int


_kinds: dict[str, Kind] = {}


def carries_out(
    name: str, *, is_state: bool = False, is_findable: bool = True, priority: int = 0
) -> Callable[[Callable[[Task], Result]], Callable[[Task], Result]]:
    """Register what carries out one effect of a kind. It runs outside any transaction, and may raise KeepsyncErrors."""

    def register(run: Callable[[Task], Result]) -> Callable[[Task], Result]:
        _kinds[name] = Kind(name, lambda tasks: [run(task) for task in tasks], is_state, is_findable, False, priority)
        return run

    return register


def carries_out_together(name: str, *, is_state: bool, priority: int = 0) -> Callable[[Run], Run]:
    """The same for a kind whose effects go out in batches: one result for each task, in their order."""

    def register(run: Run) -> Run:
        _kinds[name] = Kind(name, run, is_state, True, True, priority)
        return run

    return register


def find_kind(name: str) -> Kind:
    """Raises SetupError for a kind that this version does not know."""
    try:
        return _kinds[name]
    except KeyError:
        raise SetupError(f"This version knows no effect of the kind {name}.") from None


def is_batched(kind: str) -> bool:
    return kind in _kinds and _kinds[kind].is_batched


def is_findable(kind: str) -> bool:
    """Whether a try whose answer was lost may be repeated. A kind that this version does not know never ran here."""
    return kind not in _kinds or _kinds[kind].is_findable


def label_kind(kind: str) -> str:
    """A kind as a label of the metrics: one word for all that this version does not know."""
    return kind if kind in _kinds else OTHER


def list_messages() -> list[str]:
    """The kinds of what goes to people, by Slack or e-mail."""
    return sorted(name for name, kind in _kinds.items() if not kind.is_findable)
