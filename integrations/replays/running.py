"""Working on a plan: as many items as a second allows, in one transaction that holds the plan's row.

1. The row is locked; whoever else comes meanwhile goes away. `next_at` says from when on it may be worked on, which
   holds the rate over all processes, and lets a job that comes twice go away too.
2. The next items are judged once more, as they are now. What runs is made due again, all else is skipped, with why.
3. Items that were replayed earlier are looked after: succeeded, dead again, or closed by a person.
4. The counts, `next_at`, the items and the rows commit together: a process that dies at any line leaves a slice done
   whole or not at all, and the next one goes on.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.utils import timezone

from integrations import effect_actions
from integrations.models import Effect, ReplayItem, ReplayPlan, Verdict
from integrations.replays.forecasts import judge_items
from integrations.replays.kinds import Kind, kind_of

Status = ReplayPlan.Status
State = ReplayItem.State
# How often outcomes are looked for once all is replayed.
SETTLE_S = 5.0
# A plan whose job is lost is taken up again after this.
LOST_AFTER = timedelta(seconds=30)
DEAD = "dead"
DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Slice:
    """The rows that were made due again, and the seconds until the plan is to go on; None where it is not to."""

    kind: Kind
    replayed: Sequence[UUID]
    delay_s: float | None


def take_slice(plan_id: UUID) -> Slice | None:
    """Go on with a plan, in the open transaction. None where another process has it, or where its time has not come."""
    now = timezone.now()
    due = ReplayPlan.objects.filter(pk=plan_id, next_at__lte=now, started_at__isnull=False, finished_at=None)
    plan = due.select_for_update(skip_locked=True).first()
    if plan is None:
        return None
    replayed = replay_next(plan) if plan.status == Status.RUNNING else []
    settle(plan)
    running = count_items(plan)
    delay_s = find_delay(plan, len(replayed), running)
    if not running and not plan.left:
        conclude(plan)
    plan.next_at = None if delay_s is None else now + timedelta(seconds=delay_s)
    plan.save()
    return Slice(kind_of(plan), replayed, delay_s)


def find_delay(plan: ReplayPlan, replayed: int, running: int) -> float | None:
    """What was skipped uses nothing of the rate up."""
    if plan.status == Status.RUNNING and plan.left:
        return replayed / plan.per_second
    return SETTLE_S if running else None


def find_idle(now: datetime) -> list[UUID]:
    """Plans that nobody works on: their job is lost, or their process has died."""
    idle = ReplayPlan.objects.filter(started_at__isnull=False, finished_at=None, next_at__lt=now - LOST_AFTER)
    return list(idle.order_by("next_at").values_list("pk", flat=True))


# --- A slice ----------------------------------------------------------------------------------------------------------


def replay_next(plan: ReplayPlan) -> list[UUID]:
    """The next second's items. Returns the ids of the rows that were made due again."""
    kind = kind_of(plan)
    items = plan.items.filter(state=State.PENDING).order_by("id")[: plan.per_second]
    by_row: dict[UUID, int] = {row: item for item, row in items.values_list("pk", f"{kind.name}_id")}
    replayed = replay_rows(plan, list(by_row))
    plan.items.filter(pk__in=[by_row[row] for row in replayed]).update(state=State.RUNNING)
    skip(plan, {row: item for row, item in by_row.items() if row not in set(replayed)})
    return replayed


def replay_rows(plan: ReplayPlan, ids: Sequence[UUID]) -> list[UUID]:
    """The verdict stands in the query that locks the rows: it holds for what they are at that moment."""
    return kind_of(plan).replay(judge_items(plan, ids).filter(verdict=Verdict.RUNS))


def skip(plan: ReplayPlan, items: dict[UUID, int]) -> None:
    """Say why each was left as it is. One that could run by now has changed at this very moment."""
    if not items:
        return
    verdicts: dict[UUID, str] = dict(judge_items(plan, list(items)).values_list("pk", "verdict"))
    by_reason: dict[str, list[UUID]] = {}
    for row in items:
        verdict = verdicts.get(row, Verdict.GONE)
        by_reason.setdefault(Verdict.OPEN if verdict == Verdict.RUNS else verdict, []).append(row)
    for reason, rows in by_reason.items():
        plan.items.filter(pk__in=[items[row] for row in rows]).update(state=State.SKIPPED, reason=reason)
    effect_actions.close_covered(Effect.objects.filter(pk__in=by_reason.get(Verdict.COVERED, ())))


def settle(plan: ReplayPlan) -> None:
    """Take the outcomes of what was replayed: whatever is over now has become so since."""
    kind = kind_of(plan)
    running = plan.items.filter(state=State.RUNNING)
    status = f"{kind.name}__status"
    running.filter(**{f"{status}__in": kind.arrived}).update(state=State.SUCCEEDED)
    cause = kind.model.objects.filter(pk=OuterRef(kind.name)).values("cause")
    running.filter(**{status: DEAD}).update(state=State.DEAD, cause=Subquery(cause))
    running.filter(**{status: DISCARDED}).update(state=State.SKIPPED, reason=Verdict.CLOSED)
    running.filter(**{f"{status}__isnull": True}).update(state=State.SKIPPED, reason=Verdict.GONE)


def count_items(plan: ReplayPlan) -> int:
    """Set the plan's counts. Returns how many were replayed and have no outcome yet."""
    counts = count_by(plan.items.all(), "state")
    plan.succeeded, plan.dead, plan.skipped = counts[State.SUCCEEDED], counts[State.DEAD], counts[State.SKIPPED]
    plan.replayed = plan.succeeded + plan.dead + counts[State.RUNNING]
    return counts[State.RUNNING]


def count_by(items: QuerySet[ReplayItem], field: str) -> Counter[str]:
    return Counter(dict(items.order_by().values_list(field).annotate(Count("pk"))))


# --- The end ----------------------------------------------------------------------------------------------------------


def conclude(plan: ReplayPlan) -> None:
    """Write the receipt. It stays when items are not kept any more."""
    now = timezone.now()
    plan.status = Status.CANCELLED if plan.status == Status.CANCELLED else Status.DONE
    plan.finished_at = now
    plan.receipt = {
        "total": plan.total,
        "replayed": plan.replayed,
        "succeeded": plan.succeeded,
        "dead": plan.dead,
        "skipped": plan.skipped,
        "by_reason": dict(count_by(plan.items.filter(state=State.SKIPPED), "reason")),
        "by_cause": dict(count_by(plan.items.filter(state=State.DEAD), "cause")),
        "lasted_s": round((now - (plan.started_at or now)).total_seconds()),
    }
