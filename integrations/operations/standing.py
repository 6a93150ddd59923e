"""What stands open now, counted in indexes that hold nothing else: deliveries and effects by status and cause."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from integrations.ids import first_id_at
from integrations.models import Delivery, Effect
from integrations.retries import Cause

# In these somebody still works on them by himself.
OPEN: Mapping[type[Delivery | Effect], tuple[str, ...]] = {
    Delivery: ("received", "processing", "retrying"),
    Effect: ("pending", "running", "retrying", "waiting"),
}
DEAD = "dead"
# So long a delivery waits for its first try only where no worker runs, or too few.
LATE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Standing:
    """Rows by status, dead letters by cause; `late` deliveries wait for their first try since more than `LATE`.

    `unknown` effects wait for a person, because nobody else can find out whether they arrived; `refused` ones because
    of the residency policy.
    """

    by_status: Mapping[str, int]
    dead: Mapping[str, int]
    late: int = 0
    unknown: int = 0
    refused: int = 0

    @property
    def open_count(self) -> int:
        return sum(self.by_status.values()) - self.unknown

    @property
    def dead_count(self) -> int:
        return sum(self.dead.values())


def count_open(model: type[Delivery | Effect]) -> int:
    return model.objects.filter(status__in=OPEN[model]).count()


def look_at_deliveries(now: datetime) -> Standing:
    is_late = Q(status=Delivery.Status.RECEIVED, pk__lt=first_id_at(now - LATE))
    found = Delivery.objects.filter(status__in=OPEN[Delivery]).order_by().values_list("status")
    rows = list(found.annotate(count=Count("*"), late=Count("pk", filter=is_late)))
    by_status = {status: count for status, count, _ in rows}
    return Standing(by_status, count_dead(Delivery), late=sum(late for _, _, late in rows))


def look_at_effects() -> Standing:
    found = Effect.objects.filter(status__in=OPEN[Effect]).order_by().values_list("status")
    waiting = Effect.objects.filter(status=Effect.Status.WAITING).exclude(cause="").order_by().values_list("cause")
    causes = dict(waiting.annotate(count=Count("*")))
    return Standing(
        dict(found.annotate(count=Count("*"))),
        count_dead(Effect),
        unknown=causes.get(Cause.UNKNOWN_OUTCOME, 0),
        refused=causes.get(Cause.RESIDENCY, 0),
    )


def count_dead(model: type[Delivery | Effect]) -> dict[str, int]:
    """By cause, the most frequent first."""
    dead = model.objects.filter(status=DEAD).order_by().values_list("cause")
    return dict(dead.annotate(count=Count("*")).order_by("-count", "cause"))
