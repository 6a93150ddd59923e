"""Alerts: their list, and the bars at the top of the start page and of a connection's page."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter

from integrations.admin.base import DetailAdmin, LongListMixin, ReadOnlyMixin
from integrations.admin.filters import SeenFilter
from integrations.admin.formats import (
    NOTHING,
    address_of,
    address_of_list,
    link,
    link_to,
    show_choice,
    show_instant,
    show_label,
    show_lines,
)
from integrations.admin.oauth_buttons import CHANGE, PAGE, has_oauth, name_authorise, token_of
from integrations.admin.panels import Panel, panel_on
from integrations.admin.subjects import page_of
from integrations.models import Alert, Connection, Effect
from integrations.operations.alert_messages import EMAIL, SLACK
from integrations.operations.alert_rules import NEEDS_REAUTHORISATION, REFRESH_FAILING, TOKEN_EXPIRING
from integrations.operations.alerts import list_open
from integrations.stoppages import Stoppage, describe_since, find_stoppage

Level = Alert.Level
VIEW = "integrations.view_alert"
LEVEL_VARIANTS = {Level.INFO: "info", Level.WARNING: "warning", Level.CRITICAL: "danger"}
SHOWN_AT_START = 8
# On the connection's own page they are told as they are at that moment.
TOLD_LIVE = (NEEDS_REAUTHORISATION, REFRESH_FAILING, TOKEN_EXPIRING)


# --- Bars -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    level: str
    title: str
    lines: list[str]
    link: SafeString | str = ""


def make_bar(alert: Alert) -> Bar:
    """For the start page: it leads to where something can be done."""
    target = link_to(alert.connection, "Open the connection") if alert.connection else link_to(alert, "Open")
    return Bar(alert.level, alert.title, [], target)


def make_start_bars(request: HttpRequest) -> list[Bar]:
    """The worst first; where there are too many, the list has the others."""
    order = [Level.CRITICAL, Level.WARNING, Level.INFO]
    found = sorted(list_open(), key=lambda one: order.index(Level(one.level))) if request.user.has_perm(VIEW) else []
    bars = [make_bar(alert) for alert in found[:SHOWN_AT_START]]
    if more := len(found) - len(bars):
        target = link(address_of_list(Alert, state="open"), "See all")
        bars.append(Bar(Level.INFO, f"{more:,} more alert{'' if more == 1 else 's'}", [], target))
    return bars


def make_connection_bars(request: HttpRequest, connection: Connection) -> list[Bar]:
    """What stops now, then the other open alerts. Who may see the connection may see them."""
    stoppage = find_stoppage(connection, token_of(connection))
    live = [make_stoppage_bar(request, connection, stoppage)] if stoppage else []
    others = [alert for alert in list_open(connection) if alert.kind not in (TOLD_LIVE if stoppage else ())]
    return [*live, *(Bar(alert.level, alert.title, alert.text.splitlines()) for alert in others)]


def make_stoppage_bar(request: HttpRequest, connection: Connection, stoppage: Stoppage) -> Bar:
    is_needed = connection.status == Connection.Status.NEEDS_REAUTHORISATION
    title = "It needs to be authorised again" if is_needed else "Its token is in trouble"
    may = has_oauth(connection) and request.user.has_perm(CHANGE)
    target = link(address_of(connection, PAGE), name_authorise(connection)) if may else ""
    level = Level.CRITICAL if stoppage.is_stopped else Level.WARNING
    lines = [stoppage.problem.text, describe_since(stoppage.problem), stoppage.describe_waiting()]
    return Bar(level, title, [line for line in lines if line], target)


# --- The list ---------------------------------------------------------------------------------------------------------


class KindFilter(SeenFilter):
    title = "kind"
    parameter_name = "kind"


class StateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("over", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        chosen = {"open": Q(closed_at=None), "over": Q(closed_at__isnull=False)}.get(self.value() or "")
        return queryset.filter(chosen) if chosen else queryset


@admin.register(Alert)
class AlertAdmin(ReadOnlyMixin, LongListMixin, DetailAdmin):
    """Open ones first."""

    list_display = ("title", "level_shown", "state", "connection_link", "kind", "opened", "closed")
    list_filter = (
        StateFilter,
        KindFilter,
        ("level", ChoicesDropdownFilter),
        ("connection", RelatedDropdownFilter),
    )
    list_select_related = ("connection",)
    fields = (
        "title", "level_shown", "state", "kind", "connection_link", "lines",
        "opened", "updated", "closed", "times_seen",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        found: QuerySet[Alert] = super().get_queryset(request)
        return found.select_related("connection").defer("connection__credentials")

    @admin.display(description="level")
    def level_shown(self, alert: Alert) -> str:
        return show_choice(alert, "level", LEVEL_VARIANTS)

    @admin.display(description="state")
    def state(self, alert: Alert) -> str:
        return show_label("Over") if alert.closed_at else show_label("Open", "primary")

    @admin.display(description="connection")
    def connection_link(self, alert: Alert) -> str:
        return link_to(alert.connection) if alert.connection else NOTHING

    @admin.display(description="text")
    def lines(self, alert: Alert) -> str:
        return show_lines(alert.text.splitlines())

    @admin.display(description="opened")
    def opened(self, alert: Alert) -> str:
        return show_instant(alert.opened_at)

    @admin.display(description="seen last")
    def updated(self, alert: Alert) -> str:
        return show_instant(alert.updated_at)

    @admin.display(description="over since")
    def closed(self, alert: Alert) -> str:
        return show_instant(alert.closed_at)


@panel_on(Alert)
def show_told(request: HttpRequest, alert: Alert) -> Panel:
    """To whom it went out, and how far that came."""
    about = Q(subject=f"alert:{alert.pk}") | Q(subject__startswith=f"alert:{alert.pk}:")
    told = Effect.objects.filter(about, kind__in=(SLACK, EMAIL)).select_related("connection").order_by("id")
    rows = [[link_to(effect, effect.kind), effect.connection, effect.get_status_display()] for effect in told]
    return Panel("Told", headers=["Effect", "By", "State"], rows=rows, empty="There was no connection to tell it by.")


@page_of("alert")
def address_of_alert(key: str) -> str:
    """Its letters' subjects name the user too."""
    return address_of(Alert(pk=key.partition(":")[0]))
