"""Effects: declaring their kinds, planning them, and what operators do with them. drains.py carries them out.

An effect is planned in the transaction of what causes it, so that both are there or neither. A change of state
coalesces with the open one for its subject; all else happens once for its idempotency key, however often it is planned.
"""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from uuid_utils.compat import uuid7

from integrations import correlation, crossings
from integrations.exceptions import KeepsyncError, SetupError, StateError
from integrations.models import Connection, Effect
from integrations.models.deliveries import ERROR_LENGTH
from integrations.models.provenance import current_delivery
from integrations.operations.metrics import EFFECTS, OTHER
from integrations.providers import label_provider
from integrations.providers.base import Account
from integrations.retries import Cause

logger = logging.getLogger(__name__)

Status = Effect.Status
OPEN = (Status.PENDING, Status.RUNNING, Status.RETRYING, Status.WAITING)

# --- Kinds ------------------------------------------------------------------------------------------------------------


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


# --- Planning ---------------------------------------------------------------------------------------------------------

# The connections with effects that were planned in this context, for the edge to wake their drains.
_planned: ContextVar[set[int] | None] = ContextVar("planned", default=None)

INSERT = """
INSERT INTO integrations_effect AS effect (
    id, connection_id, kind, subject, idempotency_key, is_state, revision, tried_revision, parameters, delivery_id,
    correlation_id, status, cause, error, fingerprint, attempts, free_attempts, repeats, external_id, close_reason,
    priority, created_at, due_at
)
SELECT %(id)s, endpoint.id, %(kind)s, %(subject)s, %(key)s, %(is_state)s, 1, 0, %(parameters)s, %(delivery_id)s,
       COALESCE(
           (SELECT NULLIF(led.correlation_id, '') FROM integrations_delivery AS led WHERE led.id = %(delivery_id)s),
           %(correlation_id)s
       ),
       CASE WHEN endpoint.status <> 'active' OR drain.held_until > %(now)s THEN 'waiting' ELSE 'pending' END,
       CASE WHEN endpoint.status = 'needs_reauthorisation' THEN 'reauthorise'
            WHEN drain.held_until > %(now)s THEN drain.hold_cause ELSE '' END,
       '', '', 0, 0, 0, '', '', %(priority)s, %(now)s, %(due_at)s
FROM integrations_connection AS endpoint
LEFT JOIN integrations_drain AS drain ON drain.connection_id = endpoint.id
WHERE endpoint.id = %(connection_id)s AND endpoint.status <> 'disabled'
"""
COALESCE = """
ON CONFLICT (connection_id, kind, subject)
WHERE is_state AND status IN ('pending', 'running', 'retrying', 'waiting')
DO UPDATE SET revision = effect.revision + 1
"""
ONCE = "ON CONFLICT (idempotency_key) DO UPDATE SET repeats = effect.repeats + 1"
# The effect that it came to, whether that is new, by which id its lines in the log are found, and whether a policy says
# what may go there.
PLANNED = """
RETURNING id, xmax = 0, correlation_id,
          (SELECT endpoint.provider FROM integrations_connection AS endpoint WHERE endpoint.id = effect.connection_id),
          EXISTS (SELECT FROM integrations_regionrule) AND EXISTS (
              SELECT FROM integrations_connection AS there WHERE there.id = effect.connection_id AND there.region <> ''
          )
"""


def plan(
    kind: str,
    *,
    connection_id: int,
    subject: str,
    key: str = "",
    parameters: Mapping[str, Any] | None = None,
    delay_s: float = 0,
) -> None:
    """Plan a change outside, in the open transaction. A disabled connection gets none.

    `key` says what happens only once, such as `slack.message:<meeting>`; a change of state needs none. `delay_s` is for
    what may turn out to be unneeded within that time.
    """
    declared = find_kind(kind)
    effect_id, now = uuid7(), timezone.now()
    if bool(key) == declared.is_state:
        raise ValueError(f"{kind}: give a key to what happens once, and none to a change of state")
    values: dict[str, Any] = {
        "id": effect_id,
        "connection_id": connection_id,
        "kind": kind,
        "subject": subject,
        "key": key or f"{kind}:{subject}:{effect_id}",
        "is_state": declared.is_state,
        "parameters": json.dumps(parameters or {}),
        "delivery_id": current_delivery.get(),
        "correlation_id": correlation.current_id() or correlation.accept(""),
        "priority": declared.priority,
        "now": now,
        "due_at": now + timedelta(seconds=delay_s),
    }
    with database.cursor() as cursor:
        cursor.execute(INSERT + (COALESCE if declared.is_state else ONCE) + PLANNED, values)
        planned = cursor.fetchone()
    if planned:
        *told, has_policy = planned
        transaction.on_commit(partial(note_planned, kind, *told, caller=correlation.current_ids()))
        if has_policy:
            crossings.look_at_planned(told[0])
    planned_here().add(connection_id)


def note_planned(
    kind: str, effect_id: UUID, is_new: bool, correlation_id: str, provider: str, *, caller: tuple[str, ...]
) -> None:
    """In the log, for whoever planned it and for the effect that it came to; and in the metrics."""
    outcome = "planned" if is_new else "repeated"
    EFFECTS.labels(provider=label_provider(provider), kind=kind, outcome=outcome).inc()
    with correlation.carrying(correlation_id, *caller):
        logger.info("effect planned", extra={"effect_id": str(effect_id), "kind": kind, "status": outcome})


def planned_here() -> set[int]:
    """The ids of the connections for which effects were planned in this context and those copied from it."""
    planned = _planned.get()
    if planned is None:
        planned = set()
        _planned.set(planned)
    return planned


def take_planned() -> set[int]:
    """The same since the last call, to be woken by an edge."""
    planned = planned_here()
    _planned.set(None)
    return planned


# --- Operators' actions -----------------------------------------------------------------------------------------------

REPLAYABLE = (Status.DEAD, Status.DISCARDED)
DISCARDABLE = (Status.DEAD,)
SUPPRESSIBLE = (Status.PENDING, Status.RETRYING, Status.WAITING)


def is_unknown(effect: Effect) -> bool:
    """Whether nobody but a person can find out if it happened."""
    return effect.status == Status.WAITING and effect.cause == Cause.UNKNOWN_OUTCOME


def may_replay(effect: Effect) -> bool:
    return effect.status in REPLAYABLE or (effect.is_state and effect.status in (Status.SUCCEEDED, Status.SUPPRESSED))


def replayable(chosen: QuerySet[Effect]) -> QuerySet[Effect]:
    """Those of which `may_replay` is true."""
    return chosen.filter(Q(status__in=REPLAYABLE) | Q(is_state=True, status__in=(Status.SUCCEEDED, Status.SUPPRESSED)))


def replay(chosen: QuerySet[Effect]) -> list[UUID]:
    """Make effects due again with a new retry schedule; returns the ids of those that were.

    What has succeeded once and for all is left alone. Of the changes of state of one subject one is enough, the open
    one or else the newest; dead ones beside it are suppressed.
    """
    with transaction.atomic():
        rows = [effect for effect in chosen.order_by("-id").select_for_update(of=("self",)) if may_replay(effect)]
        taken = find_open_subjects(rows)
        ids: list[UUID] = []
        for effect in rows:
            if subject_of(effect) not in taken:
                ids.append(effect.pk)
            if effect.is_state:
                taken.add(subject_of(effect))
        reopen(Effect.objects.filter(pk__in=ids))
        close_covered(Effect.objects.filter(pk__in=[effect.pk for effect in rows]))
        planned_here().update(effect.connection_id for effect in rows)
    return ids


def close_covered(effects: QuerySet[Effect]) -> None:
    """Suppress those of them that wait for a person: another effect brings what they were to bring."""
    covered = effects.filter(status__in=REPLAYABLE)
    covered.update(status=Status.SUPPRESSED, close_reason="Another effect brings the same state.")


type Subject = tuple[int, str, str]


def subject_of(effect: Effect) -> Subject:
    return effect.connection_id, effect.kind, effect.subject


def find_open_subjects(effects: Sequence[Effect]) -> set[Subject]:
    """Of these effects' subjects, those for which a change of state is open."""
    subjects = {effect.subject for effect in effects if effect.is_state}
    found = Effect.objects.filter(is_state=True, subject__in=subjects, status__in=OPEN)
    return set(found.values_list("connection_id", "kind", "subject"))


def reopen(effects: QuerySet[Effect]) -> None:
    effects.update(
        status=Status.PENDING,
        cause="",
        free_attempts=F("attempts"),
        due_at=timezone.now(),
        finished_at=None,
        close_reason="",
    )


def hurry(kind: str) -> None:
    """Somebody waits for effects of this kind: what failed by an outage is tried again now, and has burnt no try."""
    late = Effect.objects.filter(kind=kind, status=Status.RETRYING, cause=Cause.TRANSIENT, due_at__gt=timezone.now())
    connections = set(late.values_list("connection", flat=True))
    late.update(due_at=timezone.now(), free_attempts=F("attempts"))
    planned_here().update(connections)


def try_now(effect: Effect) -> None:
    """Let what would be tried later be due at once, with a new retry schedule. Raises StateError for anything else."""
    with transaction.atomic():
        late = Effect.objects.select_for_update().filter(pk=effect.pk, status=Status.RETRYING)
        if not late.exists():
            raise StateError("It does not wait for its next try any more.")
        reopen(late)
        planned_here().add(effect.connection_id)


def suppress(effect: Effect, reason: str) -> None:
    """Close what has not happened yet, for good. Raises StateError where it runs or is over."""
    close(effect, reason, allowed=SUPPRESSIBLE, status=Status.SUPPRESSED)


def discard(effect: Effect, reason: str) -> None:
    """Close a dead letter, with the reason. Raises StateError where it is none."""
    close(effect, reason, allowed=DISCARDABLE, status=Status.DISCARDED)


def close_all(chosen: QuerySet[Effect], reason: str) -> int:
    """Close whatever of these has not happened yet, for good. What runs at this moment is left. Returns how many."""
    now, closed = timezone.now(), 0
    for allowed, status in ((SUPPRESSIBLE, Status.SUPPRESSED), (DISCARDABLE, Status.DISCARDED)):
        closed += chosen.filter(status__in=allowed).update(
            status=status, close_reason=reason, due_at=None, finished_at=now
        )
    return closed


def close(effect: Effect, reason: str, *, allowed: Sequence[Status], status: Status) -> None:
    if not reason.strip():
        raise StateError("Say why: the reason is kept with the effect.")
    closed = Effect.objects.filter(pk=effect.pk, status__in=allowed).update(
        status=status, close_reason=reason.strip()[:ERROR_LENGTH], due_at=None, finished_at=timezone.now()
    )
    if not closed:
        raise StateError(f"This does not fit an effect that is {effect.status}.")


def confirm_arrival(effect: Effect) -> None:
    """A person found that it happened. Raises StateError where that was not the question."""
    now = timezone.now()
    unknown = Effect.objects.filter(pk=effect.pk, status=Status.WAITING, cause=Cause.UNKNOWN_OUTCOME)
    if not unknown.update(status=Status.SUCCEEDED, close_reason="A person found that it arrived.", finished_at=now):
        raise StateError("Nobody asks whether this effect arrived.")


def send_again(effect: Effect) -> None:
    """A person found that it did not happen. Raises StateError where that was not the question."""
    with transaction.atomic():
        unknown = Effect.objects.select_for_update().filter(
            pk=effect.pk, status=Status.WAITING, cause=Cause.UNKNOWN_OUTCOME
        )
        if not unknown.exists():
            raise StateError("Nobody asks whether this effect arrived.")
        reopen(unknown)
        planned_here().add(effect.connection_id)
