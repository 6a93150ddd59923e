"""The dashboard's charts and its table of effects: what came in, how fast, what went out, and what failed."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from urllib.parse import urlencode

from integrations.admin.charts import Chart, Key, Mark, Stack, draw
from integrations.admin.formats import NOTHING, address_of_list, link
from integrations.admin.panels import Panel
from integrations.admin.replaying import DELIVERIES, EFFECTS, Replayable
from integrations.models import Connection, Delivery, Effect
from integrations.operations.figures import Cell, Period, What
from integrations.operations.histograms import add, find_quantile, share_below
from integrations.providers import name_provider
from integrations.retries import Cause

OBJECTIVE_S = 30.0
# The good ones stand at the bottom, what needs somebody on top.
TONES: Mapping[What, Mapping[str, str]] = {
    What.DELIVERY: {
        "processed": "good",
        "stale": "quiet",
        "ignored": "faint",
        "discarded": "spent",
        "received": "new",
        "processing": "new",
        "retrying": "warn",
        "rejected": "odd",
        "dead": "bad",
    },
    What.EFFECT: {
        "succeeded": "good",
        "suppressed": "quiet",
        "discarded": "spent",
        "pending": "new",
        "running": "new",
        "retrying": "warn",
        "waiting": "odd",
        "dead": "bad",
    },
}
CAUSE_TONES = ("bad", "warn", "odd", "new", "quiet", "faint")


@dataclass(frozen=True, slots=True)
class View:
    """The counts of a period, as they were seen at one moment."""

    period: Period
    now: datetime
    cells: Sequence[Cell]

    def of(self, what: What) -> list[Cell]:
        return [cell for cell in self.cells if cell.what == what]

    def begin_of(self, slot: int) -> datetime:
        return self.period.begin(self.now) + slot * self.period.step

    def name_slot(self, slot: int) -> str:
        is_day = self.period.step >= timedelta(days=1)
        return f"{self.begin_of(slot):%Y-%m-%d}" if is_day else f"{self.begin_of(slot):%Y-%m-%d %H:%M} UTC"

    def address(self, kind: Replayable, **filters: object) -> str:
        """Of the list of what came about in the whole period."""
        return make_address(kind, filters, begin=self.begin_of(0), end=self.period.end(self.now))

    def address_of_slot(self, kind: Replayable, number: int, **filters: object) -> str:
        begin = self.begin_of(number)
        return make_address(kind, filters, begin=begin, end=begin + self.period.step)


def make_address(kind: Replayable, filters: Mapping[str, object], *, begin: datetime, end: datetime) -> str:
    """Of the list of what came about from `begin` until before `end`."""
    last = end - timedelta(seconds=1)
    bounds = {
        f"{kind.since}_from_0": f"{begin:%Y-%m-%d}",
        f"{kind.since}_from_1": f"{begin:%H:%M:%S}",
        f"{kind.since}_to_0": f"{last:%Y-%m-%d}",
        f"{kind.since}_to_1": f"{last:%H:%M:%S}.999999",
    }
    return f"{find_list(kind.model)}?{urlencode({**filters, **bounds})}"


@cache
def find_list(model: type[Delivery | Effect]) -> str:
    """Looked up once: a page has hundreds of links to it."""
    return address_of_list(model)


KINDS: Mapping[What, Replayable] = {What.DELIVERY: DELIVERIES, What.EFFECT: EFFECTS}


# --- By outcome -------------------------------------------------------------------------------------------------------


def chart_outcomes(view: View, what: What) -> Chart:
    cells, kind = view.of(what), KINDS[what]
    totals = count_by(cells, lambda cell: cell.outcome)
    outcomes = [outcome for outcome in TONES[what] if totals[outcome]]
    labels = dict(kind.model.Status.choices)
    keys = [
        Key(
            str(labels[outcome]),
            TONES[what][outcome],
            f"{totals[outcome]:,}",
            view.address(kind, status__exact=outcome),
        )
        for outcome in outcomes
    ]
    title = f"{kind.plural.capitalize()} by outcome"
    stacks = stack(view, kind, cells=cells, names=outcomes, name=lambda cell: cell.outcome)
    return draw(title, stacks, keys=keys, summary=f"{sum(totals.values()):,} in {view.period.title}.")


def count_by(cells: Iterable[Cell], name: Callable[[Cell], str]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for cell in cells:
        totals[name(cell)] += cell.count
    return totals


def stack(
    view: View,
    kind: Replayable,
    *,
    cells: Iterable[Cell],
    names: Sequence[str],
    name: Callable[[Cell], str],
    **filters: str,
) -> list[Stack]:
    """One for each slot, with a value for each of the names; it leads to the list of that time."""
    counts: list[Counter[str]] = [Counter() for _ in range(view.period.count)]
    for cell in cells:
        counts[cell.slot][name(cell)] += cell.count
    return [
        Stack(view.name_slot(slot), [each[one] for one in names], view.address_of_slot(kind, slot, **filters))
        for slot, each in enumerate(counts)
    ]


# --- How long ---------------------------------------------------------------------------------------------------------


def chart_work_time(view: View) -> Chart:
    title = "Answer time: webhook received to worked on"
    return chart_times(view, What.DELIVERY, title=title, mark=None, status__exact="processed")


def chart_lag(view: View) -> Chart:
    mark = Mark(OBJECTIVE_S, f"objective {OBJECTIVE_S:.0f} s")
    title = "Sync lag: webhook received to CRM in step"
    return chart_times(view, What.EFFECT, title=title, mark=mark, status__exact="succeeded")


def chart_times(view: View, what: What, *, title: str, mark: Mark | None, **filters: str) -> Chart:
    """The half (p50) and nearly all (p95) of each slot; the column's second part is what p95 is above p50."""
    slots: list[list[Sequence[int]]] = [[] for _ in range(view.period.count)]
    for cell in view.of(what):
        slots[cell.slot].append(cell.times)
    histograms = [add(times) for times in slots]
    whole = add(histograms)
    keys = [
        Key(label, tone, show_seconds(find_quantile(whole, share)), view.address(KINDS[what], **filters))
        for label, tone, share in (("p50", "good", 0.5), ("p95", "soft", 0.95))
    ]
    stacks = [
        Stack(view.name_slot(slot), split_times(times), view.address_of_slot(KINDS[what], slot, **filters), tell(times))
        for slot, times in enumerate(histograms)
    ]
    return draw(title, stacks, keys=keys, summary=sum_up(whole, mark), show=show_seconds, mark=mark)


def split_times(times: Sequence[int]) -> tuple[float, float]:
    half, most = (find_quantile(times, share) or 0.0 for share in (0.5, 0.95))
    return half, most - half


def tell(times: Sequence[int]) -> str:
    p50, p95 = (show_seconds(find_quantile(times, share)) for share in (0.5, 0.95))
    return f"p50 {p50}, p95 {p95}, of {sum(times):,}" if sum(times) else "none"


def sum_up(times: Sequence[int], mark: Mark | None) -> str:
    count = sum(times)
    within = share_below(times, mark.value) if mark else None
    return f"{count:,} measured" + (
        "." if within is None or mark is None else f": {within:.1%} within {mark.value:.0f} s."
    )


def show_seconds(seconds: float | None) -> str:
    if seconds is None:
        return NOTHING
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


# --- What waits, and what failed --------------------------------------------------------------------------------------


def chart_backlog(view: View, backlog: Sequence[tuple[int, int]], kinds: Sequence[Replayable]) -> Chart:
    """The most that was open at any time of a slot, of the kinds that one may see."""
    chosen = [(0, Key("Deliveries", "new", "", address_of_list(Delivery)))] if DELIVERIES in kinds else []
    chosen += [(1, Key("Effects", "odd", "", address_of_list(Effect)))] if EFFECTS in kinds else []
    stacks = [Stack(view.name_slot(slot), [most[number] for number, _ in chosen]) for slot, most in enumerate(backlog)]
    highest = max((sum(each.values) for each in stacks), default=0)
    summary = f"At most {highest:,.0f} open at once."
    return draw("Backlog", stacks, keys=[key for _, key in chosen], summary=summary)


def chart_dead(view: View) -> Chart:
    """Of deliveries and effects together, in the hour in which they came about."""
    cells = [cell for cell in view.cells if cell.outcome == "dead"]
    totals = count_by(cells, lambda cell: cell.cause)
    causes = [cause for cause, _ in totals.most_common()]
    kind = DELIVERIES if any(cell.what == What.DELIVERY for cell in cells) else EFFECTS
    keys = [
        Key(name_cause(cause), CAUSE_TONES[min(rank, len(CAUSE_TONES) - 1)], f"{totals[cause]:,}", view.address(
            find_kind(cells, cause), status__exact="dead", cause__exact=cause))
        for rank, cause in enumerate(causes)
    ]  # fmt: skip
    stacks = stack(view, kind, cells=cells, names=causes, name=lambda cell: cell.cause, status__exact="dead")
    return draw(
        "Dead letters by cause", stacks, keys=keys, summary=f"{sum(totals.values()):,} not yet replayed or closed."
    )


def find_kind(cells: Iterable[Cell], cause: str) -> Replayable:
    """The list that has most of the dead letters of a cause."""
    counts = count_by((cell for cell in cells if cell.cause == cause), lambda cell: cell.what)
    return KINDS[What(counts.most_common(1)[0][0])]


def name_cause(cause: str) -> str:
    return str(Cause(cause).label) if cause in Cause.values else "Unknown"


# --- By provider ------------------------------------------------------------------------------------------------------


def list_effects(view: View, connections: Iterable[Connection]) -> Panel:
    """A row for each connection that had any, the columns are outcomes."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for cell in view.of(What.EFFECT):
        counts[cell.connection_id][cell.outcome] += cell.count
    outcomes = [one for one in TONES[What.EFFECT] if any(each[one] for each in counts.values())]
    labels = dict(Effect.Status.choices)
    rows = [
        [
            f"{connection} ({name_provider(connection.provider)})",
            *(
                show_count(view, connection, outcome=outcome, count=counts[connection.pk][outcome])
                for outcome in outcomes
            ),
        ]
        for connection in connections
        if connection.pk in counts
    ]
    headers = ["Provider", *(str(labels[outcome]) for outcome in outcomes)]
    return Panel("Effects by provider and outcome", headers, rows, empty=f"None in {view.period.title}.")


def show_count(view: View, connection: Connection, *, outcome: str, count: int) -> object:
    if not count:
        return NOTHING
    return link(view.address(EFFECTS, connection__id__exact=connection.pk, status__exact=outcome), f"{count:,}")
