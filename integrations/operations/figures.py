"""What the dashboard's charts are made of: the hourly counts of a period, in a few dozen slots of time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection as database

from integrations.ids import EPOCH
from integrations.models import CountedHour, HourlyCount
from integrations.operations.histograms import EMPTY

What = HourlyCount.What


@dataclass(frozen=True, slots=True)
class Period:
    """`count` slots of `step` each, of which the last one goes on now."""

    name: str
    title: str
    step: timedelta
    count: int

    def begin(self, now: datetime) -> datetime:
        return self.end(now) - self.count * self.step

    def end(self, now: datetime) -> datetime:
        return EPOCH + ((now - EPOCH) // self.step + 1) * self.step


PERIODS = {
    period.name: period
    for period in (
        Period("24h", "24 hours", timedelta(hours=1), 24),
        Period("7d", "7 days", timedelta(hours=6), 28),
        Period("30d", "30 days", timedelta(days=1), 30),
    )
}


@dataclass(frozen=True, slots=True)
class Cell:
    """So many deliveries or effects of one slot, connection, outcome and cause; `times` is their histogram."""

    slot: int
    what: What
    connection_id: int
    outcome: str
    cause: str
    count: int
    times: Sequence[int]


# One row for each slot, not for each hour: histograms are added up where they lie.
CELLS = """
SELECT date_bin(%(step)s, hour, %(begin)s), what, connection_id, outcome, cause, sum(count), ARRAY[{sums}]
FROM integrations_hourlycount
WHERE hour >= %(begin)s AND hour < %(end)s AND what = ANY(%(whats)s)
GROUP BY 1, 2, 3, 4, 5
""".format(sums=", ".join(f"sum(times[{number}])" for number in range(1, len(EMPTY) + 1)))


def read_cells(period: Period, now: datetime, whats: Sequence[What]) -> list[Cell]:
    """In one query."""
    if not whats:
        return []
    begin = period.begin(now)
    values: dict[str, Any] = {
        "step": period.step,
        "begin": begin,
        "end": period.end(now),
        "whats": [str(what) for what in whats],
    }
    with database.cursor() as cursor:
        cursor.execute(CELLS, values)
        rows = cursor.fetchall()
    return [
        Cell((at - begin) // period.step, What(what), connection_id, outcome, cause, int(count), tuple(map(int, times)))
        for at, what, connection_id, outcome, cause, count, times in rows
    ]


def read_backlog(period: Period, now: datetime) -> list[tuple[int, int]]:
    """The most open deliveries and effects of each slot."""
    begin, most = period.begin(now), [(0, 0)] * period.count
    hours = CountedHour.objects.filter(hour__gte=begin, hour__lt=period.end(now)).order_by()
    for hour, deliveries, effects in hours.values_list("hour", "open_deliveries", "open_effects"):
        slot = (hour - begin) // period.step
        most[slot] = (max(most[slot][0], deliveries or 0), max(most[slot][1], effects or 0))
    return most
