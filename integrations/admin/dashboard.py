"""The admin's first page: whether all is well, what waits, and charts of a period. Every figure leads to its list.

Nothing here reads deliveries or effects themselves: charts come from hourly counts, figures of now from indexes.
A package further up adds its own figures with `adds_figures`, and what it charts by itself with `adds_section`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from integrations.admin.charts import Chart
from integrations.admin.dashboard_charts import (
    View,
    chart_backlog,
    chart_dead,
    chart_lag,
    chart_outcomes,
    chart_work_time,
    list_effects,
)
from integrations.admin.dashboard_connections import list_connections, show_connections
from integrations.admin.dashboard_health import examine
from integrations.admin.first_step_cards import list_steps
from integrations.admin.formats import address_of_list, format_utc
from integrations.admin.panels import Panel
from integrations.admin.replaying import DELIVERIES, EFFECTS, Replayable
from integrations.first_steps import is_over
from integrations.models import Connection, Delivery, Effect
from integrations.operations.figures import PERIODS, Period, What, read_backlog, read_cells
from integrations.operations.standing import OPEN, Standing, look_at_deliveries, look_at_effects

VIEW_CONNECTION = "integrations.view_connection"
VIEW_STEPS = "integrations.view_firststep"
DEFAULT_PERIOD = "24h"
# More than so many are not counted.
COUNTED = 10_000


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that stands open now. `tone` is empty where it is nothing to look at."""

    label: str
    value: str
    address: str
    tone: str = ""


type FigureMaker = Callable[[HttpRequest], Iterable[Figure]]
type SectionMaker = Callable[[HttpRequest], SafeString | None]

_figures: list[FigureMaker] = []
_sections: list[SectionMaker] = []


def adds_figures(maker: FigureMaker) -> FigureMaker:
    """Show on the dashboard what the function yields for who looks at it."""
    _figures.append(maker)
    return maker


def adds_section(maker: SectionMaker) -> SectionMaker:
    """Show below the charts what the function returns; None leaves it out."""
    _sections.append(maker)
    return maker


def make_figure(label: str, rows: QuerySet[Any], address: str, *, tone: str = "warn") -> Figure:
    """How many there are of these, as far as it is worth to be counted."""
    count = rows.order_by()[: COUNTED + 1].count()
    return Figure(label, show_count(count), address, tone if count else "")


def show_count(count: int) -> str:
    return f"{count:,}" if count <= COUNTED else f"more than {COUNTED:,}"


# --- The page ---------------------------------------------------------------------------------------------------------


def add_to_start_page(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    period = PERIODS.get(request.GET.get("period", ""), PERIODS[DEFAULT_PERIOD])
    return {**context, "title": "Dashboard", "dashboard": make_dashboard(request, period)}


def make_dashboard(request: HttpRequest, period: Period) -> dict[str, Any]:
    """What the template shows, as far as who looks at it may see it."""
    now = timezone.now()
    kinds = [kind for kind in (DELIVERIES, EFFECTS) if request.user.has_perm(kind.may_view)]
    deliveries = look_at_deliveries(now) if DELIVERIES in kinds else None
    effects = look_at_effects() if EFFECTS in kinds else None
    connections, may_see = list_connections(), request.user.has_perm(VIEW_CONNECTION)
    steps = list_steps(request) if request.user.has_perm(VIEW_STEPS) and not is_over() else []
    figures = [*list_standing(deliveries, effects), *(figure for maker in _figures for figure in maker(request))]
    sections = [section for maker in _sections if (section := maker(request))]
    charts, effect_table = make_charts(period, kinds, connections) if kinds and not steps else ([], [])
    return {
        "health": examine(request, now, deliveries=deliveries, effects=effects),
        "steps": steps,
        "figures": figures,
        "periods": list_periods(period),
        "charts": charts,
        "sections": sections,
        "panels": [*([show_connections(connections, now)] if may_see and connections else []), *effect_table],
        "is_closed": not (kinds or figures or sections or may_see),
        "seen_at": format_utc(now),
    }


def make_charts(
    period: Period, kinds: Sequence[Replayable], connections: Sequence[Connection]
) -> tuple[list[Chart], list[Panel]]:
    """Of the kinds that one may see; and the table of effects."""
    now = timezone.now()
    whats = [what for what, kind in ((What.DELIVERY, DELIVERIES), (What.EFFECT, EFFECTS)) if kind in kinds]
    view = View(period, now, read_cells(period, now, whats))
    charts = [chart_outcomes(view, What.DELIVERY), chart_work_time(view)] if DELIVERIES in kinds else []
    charts += [chart_lag(view), chart_outcomes(view, What.EFFECT)] if EFFECTS in kinds else []
    charts += [chart_backlog(view, read_backlog(period, now), kinds), chart_dead(view)]
    return charts, [list_effects(view, connections)] if EFFECTS in kinds else []


def list_periods(chosen: Period) -> list[dict[str, Any]]:
    start = reverse("admin:index")
    return [
        {"title": each.title, "address": f"{start}?period={each.name}", "is_chosen": each is chosen, "name": each.name}
        for each in PERIODS.values()
    ]


def list_standing(deliveries: Standing | None, effects: Standing | None) -> list[Figure]:
    figures: list[Figure] = []
    dead_letters = reverse("admin:integrations_delivery_dead_letters")
    for model, standing in ((Delivery, deliveries), (Effect, effects)):
        if standing is None:
            continue
        name = str(model._meta.verbose_name_plural)
        address = address_of_list(model, status__in=",".join(OPEN[model]))
        late = "warn" if standing.late else ""
        figures.append(Figure(f"Open {name}", show_count(standing.open_count), address, late))
        tone = "bad" if standing.dead_count else ""
        figures.append(Figure(f"Dead {name}", show_count(standing.dead_count), dead_letters, tone))
    return figures
