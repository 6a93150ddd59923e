"""What can be planned to be replayed, deliveries and effects: the rules that say what a replay would do with each."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet, Value, When

from integrations import deliveries, effect_actions, effects
from integrations.models import Connection, Delivery, Effect, ReplayPlan, Verdict
from integrations.retries import Cause

IS_DISABLED = Q(connection__status=Connection.Status.DISABLED)


@dataclass(frozen=True, slots=True)
class Question:
    """What rules are asked about. `peers` are the ids of all rows that are replayed together."""

    peers: QuerySet[Any]
    includes_done: bool


@dataclass(frozen=True, slots=True)
class Kind:
    """`rules` are tried in their order; a row that none fits will run. `arrived` are the statuses of a success."""

    name: ReplayPlan.Kind
    model: type[Delivery | Effect]
    what: str
    since: str
    rules: Callable[[Question], Sequence[When]]
    replay: Callable[[QuerySet[Any]], list[UUID]]
    replayable: Callable[[QuerySet[Any]], QuerySet[Any]]
    arrived: Collection[str]

    @property
    def plural(self) -> str:
        return str(self.model._meta.verbose_name_plural)

    @property
    def may_view(self) -> str:
        return f"integrations.view_{self.name}"

    @property
    def may_operate(self) -> str:
        return f"integrations.operate_{self.name}"


def judge_deliveries(question: Question) -> Sequence[When]:
    status = Delivery.Status
    over = When(status__in=(status.PROCESSED, status.STALE), then=Value(Verdict.DONE))
    return [
        When(is_accepted=False, then=Value(Verdict.REFUSED)),
        When(status__in=(status.RECEIVED, status.PROCESSING), then=Value(Verdict.OPEN)),
        *(() if question.includes_done else (over,)),
        When(erased_at__isnull=False, then=Value(Verdict.ERASED)),
        When(emptied_at__isnull=False, then=Value(Verdict.EMPTIED)),
        When(IS_DISABLED, then=Value(Verdict.DISABLED)),
    ]


def judge_effects(question: Question) -> Sequence[When]:
    """What happens once is never repeated. Of the changes of state of one subject the newest is enough."""
    status = Effect.Status
    over = Q(status__in=(status.SUCCEEDED, status.SUPPRESSED))
    return [
        When(status=status.WAITING, cause=Cause.UNKNOWN_OUTCOME, then=Value(Verdict.UNKNOWN)),
        When(status__in=effects.OPEN, then=Value(Verdict.OPEN)),
        When(over & Q(is_state=False) if question.includes_done else over, then=Value(Verdict.DONE)),
        When(Q(is_state=True) & is_covered(question.peers), then=Value(Verdict.COVERED)),
        When(IS_DISABLED, then=Value(Verdict.DISABLED)),
    ]


def is_covered(peers: QuerySet[Any]) -> Q:
    """Another effect of the same state is open, or a newer one is over or replayed together with it."""
    same = Effect.objects.filter(
        connection=OuterRef("connection"), kind=OuterRef("kind"), subject=OuterRef("subject"), is_state=True
    )
    newer = same.filter(pk__gt=OuterRef("pk"))
    over = newer.filter(status__in=(Effect.Status.SUCCEEDED, Effect.Status.SUPPRESSED))
    return Q(Exists(same.filter(status__in=effects.OPEN))) | Q(Exists(over)) | Q(Exists(newer.filter(pk__in=peers)))


KINDS = {
    ReplayPlan.Kind.DELIVERY: Kind(
        name=ReplayPlan.Kind.DELIVERY,
        model=Delivery,
        what="event_type",
        since="received_at",
        rules=judge_deliveries,
        replay=deliveries.replay,
        replayable=deliveries.replayable,
        arrived=(Delivery.Status.PROCESSED, Delivery.Status.STALE, Delivery.Status.IGNORED),
    ),
    ReplayPlan.Kind.EFFECT: Kind(
        name=ReplayPlan.Kind.EFFECT,
        model=Effect,
        what="kind",
        since="created_at",
        rules=judge_effects,
        replay=effect_actions.replay,
        replayable=effect_actions.replayable,
        arrived=(Effect.Status.SUCCEEDED, Effect.Status.SUPPRESSED),
    ),
}


def kind_of(plan: ReplayPlan) -> Kind:
    return KINDS[ReplayPlan.Kind(plan.kind)]
