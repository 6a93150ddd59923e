"""What operators do with effects: try them again, close them, and say what became of those whose outcome is unknown."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from integrations.effects import OPEN, Status, planned_here
from integrations.exceptions import StateError
from integrations.models import Effect
from integrations.models.deliveries import ERROR_LENGTH
from integrations.retries import Cause

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
