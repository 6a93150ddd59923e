"""Filters for long tables: none of them reads more than a bounded part of the table."""

from datetime import datetime
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.contrib.filters.admin import DropdownFilter, RangeDateTimeFilter

# How many of the newest rows are looked through for the values that a filter offers.
SEEN_IN = 10_000


class SeenFilter(DropdownFilter):
    """A choice among the values that the newest rows have. Name the field in `parameter_name`, and the `title`."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        newest = model_admin.model._default_manager.order_by("-id").values(self.parameter_name)[:SEEN_IN]
        values = {row[self.parameter_name] for row in newest} | {self.value() or ""}
        return [(value, value) for value in sorted(values - {""})]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**{self.parameter_name: self.value()}) if self.value() else queryset


class InstantRangeFilter(RangeDateTimeFilter):
    """From and to, in UTC. A missing time means the day's beginning, or its end."""

    times: ClassVar = {"from": ("gte", "00:00:00"), "to": ("lte", "23:59:59.999999")}

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        for bound, (lookup, time) in self.times.items():
            moment = read_moment(
                self.used_parameters.get(f"{self.parameter_name}_{bound}_0"),
                self.used_parameters.get(f"{self.parameter_name}_{bound}_1") or time,
            )
            if moment:
                queryset = queryset.filter(**{f"{self.parameter_name}__{lookup}": moment})
        return queryset


def read_moment(day: str | None, time: str) -> Any:
    """An aware instant, or None where the texts are none: a filter that cannot be read filters nothing."""
    try:
        naive = datetime.fromisoformat(f"{day}T{time}")
    except ValueError:
        return None
    return naive if naive.tzinfo else timezone.make_aware(naive, timezone.get_default_timezone())
