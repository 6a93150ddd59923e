"""Plans as people make, approve, start, pause, resume and cancel them. running.py works on them."""

from typing import Any

from django.conf import settings
from django.db import connection as database
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.exceptions import StateError
from integrations.models import ReplayItem, ReplayPlan, Verdict
from integrations.models.deliveries import ERROR_LENGTH
from integrations.replays.kinds import Kind
from integrations.replays.running import conclude, count_items

Status = ReplayPlan.Status
CANCELLABLE = (Status.DRAFT, Status.RUNNING, Status.PAUSED)
# Of more rows than this one plan is not made.
LARGEST = 200_000
# One statement, so one moment: in the order in which the rows came.
FREEZE = """
INSERT INTO integrations_replayitem (plan_id, {name}_id, state, reason, cause)
SELECT %s, chosen.id, 'pending', '', '' FROM ({chosen}) AS chosen (id) ORDER BY chosen.id
"""


@transaction.atomic
def make(
    kind: Kind,
    chosen: QuerySet[Any],
    *,
    words: str,
    user: Any = None,
    per_second: int | None = None,
    includes_done: bool = False,
) -> ReplayPlan:
    """Freeze what is chosen. `words` say how it was. Raises StateError where that is nothing, or too much."""
    plan = ReplayPlan.objects.create(
        kind=kind.name,
        chosen=words[:ERROR_LENGTH],
        per_second=per_second or settings.REPLAY_PER_SECOND,
        includes_done=includes_done,
        created_by=user,
    )
    plan.total = freeze(plan, kind, chosen)
    if not plan.total:
        raise StateError(f"There are no such {kind.plural}.")
    if plan.total > LARGEST:
        raise StateError(describe_limit(kind))
    plan.needs_approval = plan.total > settings.REPLAY_APPROVAL_ABOVE
    plan.save(update_fields=["total", "needs_approval"])
    return plan


def describe_limit(kind: Kind) -> str:
    return f"These are more than {LARGEST:,} {kind.plural}: narrow the filter, and make several plans."


def freeze(plan: ReplayPlan, kind: Kind, chosen: QuerySet[Any]) -> int:
    """Returns how many there are; no more than one too many is written."""
    ids = kind.model.objects.filter(pk__in=chosen.order_by().values("pk")).order_by("pk").values("pk")
    sql, parameters = ids[: LARGEST + 1].query.sql_with_params()
    with database.cursor() as cursor:
        cursor.execute(FREEZE.format(name=kind.name, chosen=sql), [plan.pk, *parameters])
        return int(cursor.rowcount)


def approve(plan: ReplayPlan, user: Any) -> None:
    """Raises StateError where it needs no approval, or by whom it was planned."""
    if user.pk == plan.created_by_id:
        raise StateError("Somebody else than who has planned it has to approve it.")
    waiting = ReplayPlan.objects.filter(pk=plan.pk, status=Status.DRAFT, needs_approval=True, approved_at=None)
    if not waiting.exclude(created_by=user).update(approved_by=user, approved_at=timezone.now()):
        raise StateError("It does not wait for an approval.")


def may_start(plan: ReplayPlan) -> bool:
    return plan.status == Status.DRAFT and not plan.awaits_approval


def start(plan: ReplayPlan, user: Any = None) -> None:
    """Raises StateError where it is started already, or waits for an approval."""
    drafts, now = ReplayPlan.objects.filter(pk=plan.pk, status=Status.DRAFT), timezone.now()
    approved = drafts.filter(needs_approval=False) | drafts.filter(approved_at__isnull=False)
    if not approved.update(status=Status.RUNNING, started_by=user, started_at=now, next_at=now):
        raise StateError(
            f"A plan of more than {settings.REPLAY_APPROVAL_ABOVE:,} rows needs the approval of a second person."
            if drafts.exists()
            else "It is started already."
        )


def may_pause(plan: ReplayPlan) -> bool:
    return plan.status == Status.RUNNING and plan.left > 0


def pause(plan: ReplayPlan) -> None:
    """Nothing more is replayed from now on. Raises StateError where it does not run."""
    if not ReplayPlan.objects.filter(pk=plan.pk, status=Status.RUNNING, finished_at=None).update(status=Status.PAUSED):
        raise StateError("Only a plan that runs can be paused.")


def resume(plan: ReplayPlan) -> None:
    """Let it go on where it was. Raises StateError where it is not paused."""
    paused = ReplayPlan.objects.filter(pk=plan.pk, status=Status.PAUSED)
    if not paused.update(status=Status.RUNNING, next_at=timezone.now()):
        raise StateError("Only a plan that is paused can be resumed.")


@transaction.atomic
def cancel(plan: ReplayPlan) -> None:
    """What was not replayed yet never is by this plan; what was goes on. Raises StateError where it is over."""
    now = timezone.now()
    locked = ReplayPlan.objects.select_for_update().filter(pk=plan.pk, status__in=CANCELLABLE).first()
    if locked is None:
        raise StateError("The plan is over already.")
    pending = locked.items.filter(state=ReplayItem.State.PENDING)
    pending.update(state=ReplayItem.State.SKIPPED, reason=Verdict.CANCELLED)
    locked.status, locked.next_at = Status.CANCELLED, now
    if not count_items(locked):
        conclude(locked)
    locked.save()
