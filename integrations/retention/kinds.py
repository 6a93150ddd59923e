"""The kinds of rows that are not kept for ever: how long each is kept, and which of them are over.

What is still open is never over, whatever its age. What the dashboard may count once more is not deleted either: rows
that it reads stay until their hour is out of its reach, so that a purge changes no count.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Model, QuerySet

from integrations.models import RetentionTime
from integrations.operations import counting

# Above this many it is only said that there are more.
COUNTED_TO = 10_000


@dataclass(frozen=True, slots=True)
class Kind:
    """`days` are those of a new installation; None is for ever, `shortest` the fewest that may be set.

    `find` gives the rows that were over at an instant, `purge` deletes or empties those with these keys. `keeps` says
    what stays.
    """

    name: str
    title: str
    days: int | None
    find: Callable[[datetime], QuerySet[Any]]
    purge: Callable[[Sequence[Any]], None]
    keeps: str
    is_counted: bool = False
    shortest: int = 1

    def find_cut(self, days: int, now: datetime) -> datetime:
        """What is older is over."""
        cut = now - timedelta(days=days)
        return min(cut, counting.begin_of(now - counting.REACH) - counting.HOUR) if self.is_counted else cut


_kinds: dict[str, Kind] = {}


def keeps_for_a_time(kind: Kind) -> Kind:
    _kinds[kind.name] = kind
    return kind


def list_kinds() -> list[Kind]:
    """In the order in which they are purged."""
    return list(_kinds.values())


def delete_rows(model: type[Model]) -> Callable[[Sequence[Any]], None]:
    """A `purge` for rows to which no other table's rows belong."""

    def delete(keys: Sequence[Any]) -> None:
        rows = model._base_manager.filter(pk__in=keys)
        rows._raw_delete(rows.db)

    return delete


# --- How long ---------------------------------------------------------------------------------------------------------


def read_days() -> dict[str, int | None]:
    """Kind → the days that hold now; None: for ever."""
    changed = dict(RetentionTime.objects.values_list("name", "days"))
    return {kind.name: changed.get(kind.name, kind.days) for kind in list_kinds()}


def find_cut(name: str, now: datetime) -> datetime | None:
    """What is older of one kind is over; None where all is kept."""
    days = read_days()[name]
    return None if days is None else _kinds[name].find_cut(days, now)


def set_days(days: Mapping[str, int | None], *, user: Any = None) -> list[str]:
    """Change how long these kinds are kept. Returns the titles of those for which that is new."""
    before, changed = read_days(), []
    for name, value in days.items():
        if value == before[name]:
            continue
        row: Any = RetentionTime.objects.filter(pk=name).first() or RetentionTime(name=name)
        row.days, row._history_user = value, user
        row.save()
        changed.append(_kinds[name].title)
    return changed


# --- What is over -----------------------------------------------------------------------------------------------------


def find_due(kind: Kind, days: int | None, now: datetime) -> QuerySet[Any] | None:
    """None where all is kept."""
    return None if days is None else kind.find(kind.find_cut(days, now))


def count_due(now: datetime) -> dict[str, int]:
    """Kind → how many rows are over; no more than COUNTED_TO are looked at."""
    days, counts = read_days(), {}
    for kind in list_kinds():
        due = find_due(kind, days[kind.name], now)
        counts[kind.name] = 0 if due is None else due.order_by("pk").values("pk")[:COUNTED_TO].count()
    return counts
