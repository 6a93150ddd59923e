"""The missed-webhook rate: of the changes that reconciliations looked at, how many no webhook had told, by day."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from integrations.models import ChangeCount

DAYS = 30
# The chart's own units: each day is as wide, and the highest bar as high.
WIDTH, HEIGHT, GAP = 20, 80, 6
# What fills the chart at least: below that a bar would look like a disaster.
LOWEST_TOP = 0.02


@dataclass(frozen=True, slots=True)
class Bar:
    """One day. `title` is said where somebody points at it."""

    x: int
    y: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Of one connection, the last days from left to right."""

    title: str
    summary: str
    top: str
    first: date
    last: date
    bars: Sequence[Bar]
    width: int = WIDTH * DAYS
    height: int = HEIGHT
    bar_width: int = WIDTH - GAP


def list_charts(today: date) -> list[Chart]:
    """One for each connection that was looked at in these days, in one query."""
    since = today - timedelta(days=DAYS - 1)
    found: dict[str, dict[date, ChangeCount]] = defaultdict(dict)
    for count in ChangeCount.objects.filter(day__gte=since).select_related("connection").order_by("connection__slug"):
        found[count.connection.slug][count.day] = count
    return [make_chart(slug, counts, since) for slug, counts in found.items()]


def make_chart(slug: str, counts: dict[date, ChangeCount], since: date) -> Chart:
    top = max([LOWEST_TOP, *(rate(each.missed, each.checked) for each in counts.values())])
    days = [since + timedelta(days=number) for number in range(DAYS)]
    missed, checked = (sum(getattr(each, name) for each in counts.values()) for name in ("missed", "checked"))
    return Chart(
        title=slug,
        summary=f"{missed:,} of {checked:,} changes in {DAYS} days: {show_rate(missed, checked)}.",
        top=f"{top:.1%}",
        first=since,
        last=days[-1],
        bars=[make_bar(number, day, counts.get(day), top) for number, day in enumerate(days) if day in counts],
    )


def make_bar(number: int, day: date, count: ChangeCount | None, top: float) -> Bar:
    missed, checked = (count.missed, count.checked) if count else (0, 0)
    height = round(max(1.0, HEIGHT * rate(missed, checked) / top), 1)
    title = f"{day:%Y-%m-%d}: {missed:,} of {checked:,} changes missed ({show_rate(missed, checked)})"
    return Bar(number * WIDTH + GAP // 2, HEIGHT - height, height, title)


def rate(missed: int, checked: int) -> float:
    return min(1.0, missed / checked) if checked else 0.0


def show_rate(missed: int, checked: int) -> str:
    return f"{rate(missed, checked):.1%}"
