"""What a replay would do, before it runs: the same rules choose what is counted, shown and run."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, QuerySet, Value

from integrations.models import ReplayItem, ReplayPlan, Verdict
from integrations.replays.kinds import Kind, Question, kind_of

State = ReplayItem.State
DONE = (Verdict.DONE, Verdict.COVERED)


@dataclass(frozen=True, slots=True)
class Forecast:
    """How many rows there are of each verdict."""

    counts: Mapping[Verdict, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def runs(self) -> int:
        return self.counts.get(Verdict.RUNS, 0)

    @property
    def done(self) -> int:
        return sum(self.counts.get(verdict, 0) for verdict in DONE)

    @property
    def conflicts(self) -> int:
        return self.total - self.runs - self.done


def foretell(kind: Kind, chosen: QuerySet[Any], *, includes_done: bool = False) -> Forecast:
    """Of rows that are not frozen yet."""
    question = Question(peers=chosen.order_by().values("pk"), includes_done=includes_done)
    return Forecast(count_verdicts(judge(kind, kind.model.objects.filter(pk__in=question.peers), question)))


def foretell_plan(plan: ReplayPlan) -> Forecast:
    """Of the items that wait for their turn."""
    kind, pending = kind_of(plan), plan.items.filter(state=State.PENDING)
    counts = count_verdicts(judge_items(plan, pending.values(kind.name)))
    gone = pending.count() - counts.total()
    if gone > 0:
        counts[Verdict.GONE] = gone
    return Forecast(counts)


def judge_items(plan: ReplayPlan, ids: Any) -> QuerySet[Any]:
    """The rows with these ids, each with its `verdict`."""
    kind = kind_of(plan)
    peers = plan.items.exclude(state=State.SKIPPED).values(kind.name)
    question = Question(peers=peers, includes_done=plan.includes_done)
    return judge(kind, kind.model.objects.filter(pk__in=ids), question)


def judge(kind: Kind, rows: QuerySet[Any], question: Question) -> QuerySet[Any]:
    judged: QuerySet[Any] = rows.annotate(verdict=Case(*kind.rules(question), default=Value(Verdict.RUNS)))
    return judged


def count_verdicts(judged: QuerySet[Any]) -> Counter[Verdict]:
    rows = judged.order_by().values_list("verdict").annotate(Count("pk"))
    return Counter({Verdict(verdict): count for verdict, count in rows})
