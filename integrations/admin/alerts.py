"""Alerts: their list, and the bars at the top of the start page and of a connection's page."""

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter, RelatedDropdownFilter

from integrations.admin.alert_buttons import BUTTONS
from integrations.admin.badge import VIEW
from integrations.admin.base import DetailAdmin, LongListMixin, ReadOnlyMixin
from integrations.admin.filters import SeenFilter
from integrations.admin.formats import (
    NOTHING,
    address_of,
    address_of_list,
    format_utc,
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
from integrations.models import Alert, AlertEntry, Connection, Effect
from integrations.operations.alert_messages import EMAIL, SLACK, subject_of
from integrations.operations.alert_rules import NEEDS_REAUTHORISATION, REFRESH_FAILING, TOKEN_EXPIRING
from integrations.operations.alerts import list_open
from integrations.operations.rules import find_rule, list_rules
from integrations.operations.traffic_rules import DEAD_LETTERS, LATE_DELIVERIES
from integrations.stoppages import Stoppage, describe_since, find_stoppage

Level = Alert.Level
LEVEL_VARIANTS = {Level.INFO: "info", Level.WARNING: "warning", Level.CRITICAL: "danger"}
SHOWN_AT_START = 8
ENTRIES_SHOWN, TOLD_SHOWN = 50, 50
# On the connection's own page they are told as they are at that moment.
TOLD_LIVE = (NEEDS_REAUTHORISATION, REFRESH_FAILING, TOKEN_EXPIRING)
# The start page counts these as they are at that moment, over all connections.
COUNTED_LIVE = (DEAD_LETTERS, LATE_DELIVERIES)


# --- Bars -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    level: str
    title: str
    lines: list[str]
    link: SafeString | str = ""


def make_bar(alert: Alert) -> Bar:
    """For the start page: it leads to where something can be done."""
    return Bar(alert.level, alert.title, [], link_to_deed(alert))


def link_to_deed(alert: Alert) -> SafeString:
    if alert.page:
        return link(alert.page, alert.press or "Open")
    return link_to(alert.connection, "Open the connection") if alert.connection else link_to(alert, "Open")


def make_start_bars(request: HttpRequest) -> list[Bar]:
    """The worst first; where there are too many, the list has the others. What is muted is one reminder."""
    if not request.user.has_perm(VIEW):
        return []
    order = [Level.CRITICAL, Level.WARNING, Level.INFO]
    found = sorted(list_open(), key=lambda one: order.index(Level(one.level)))
    loud = [alert for alert in found if not alert.is_muted and alert.kind not in COUNTED_LIVE]
    bars = [make_bar(alert) for alert in loud[:SHOWN_AT_START]]
    if more := len(loud) - len(bars):
        target = link(address_of_list(Alert, state="loud"), "See all")
        bars.append(Bar(Level.INFO, f"{more:,} more alert{'' if more == 1 else 's'}", [], target))
    if muted := sum(alert.is_muted for alert in found):
        target = link(address_of_list(Alert, state="muted"), "See them")
        bars.append(Bar(Level.INFO, f"{muted:,} alert{' is' if muted == 1 else 's are'} muted", [], target))
    return bars


def make_connection_bars(request: HttpRequest, connection: Connection) -> list[Bar]:
    """What stops now, then the other open alerts. Who may see the connection may see them."""
    stoppage = find_stoppage(connection, token_of(connection))
    live = [make_stoppage_bar(request, connection, stoppage)] if stoppage else []
    others = [alert for alert in list_open(connection) if alert.kind not in (TOLD_LIVE if stoppage else ())]
    return [*live, *map(make_own_bar, others)]


def make_own_bar(alert: Alert) -> Bar:
    """With all that is known of it; muted, it is a reminder."""
    target = link(alert.page, alert.press) if alert.page else ""
    level, muted = (Level.INFO, " (muted)") if alert.is_muted else (alert.level, "")
    return Bar(level, f"{alert.title}{muted}", alert.text.splitlines(), target)


def make_stoppage_bar(request: HttpRequest, connection: Connection, stoppage: Stoppage) -> Bar:
    is_needed = connection.status == Connection.Status.NEEDS_REAUTHORISATION
    title = "It needs to be authorised again" if is_needed else "Its token is in trouble"
    may = has_oauth(connection) and request.user.has_perm(CHANGE)
    target = link(address_of(connection, PAGE), name_authorise(connection)) if may else ""
    level = Level.CRITICAL if stoppage.is_stopped else Level.WARNING
    lines = [stoppage.problem.text, describe_since(stoppage.problem), stoppage.describe_waiting()]
    return Bar(level, title, [line for line in lines if line], target)


# --- The list ---------------------------------------------------------------------------------------------------------


LOUD = Q(closed_at=None, muted_at=None)
STATES = {
    "open": ("Open", Q(closed_at=None)),
    "loud": ("Open, not muted", LOUD),
    "muted": ("Muted", Q(closed_at=None, muted_at__isnull=False)),
    "over": ("Over", Q(closed_at__isnull=False)),
}


class KindFilter(SeenFilter):
    """By the titles of the rules."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        titles = {rule.kind: rule.title for rule in list_rules()}
        return sorted([(kind, titles.get(kind, kind)) for kind, _ in super().lookups(request, model_admin)])


class StateFilter(DropdownFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, label) for name, (label, _) in STATES.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Alert]) -> QuerySet[Alert]:
        chosen = STATES.get(self.value() or "")
        return queryset.filter(chosen[1]) if chosen else queryset


@admin.register(Alert)
class AlertAdmin(ReadOnlyMixin, LongListMixin, DetailAdmin):
    """Open ones first."""

    when_empty = "Nothing needs anybody. What does is opened here by itself, and closed when it is over."
    list_display = ("title", "level_shown", "state", "connection_link", "rule", "holder", "opened", "closed")
    buttons = BUTTONS
    list_filter = (
        StateFilter,
        KindFilter,
        ("level", ChoicesDropdownFilter),
        ("connection", RelatedDropdownFilter),
    )
    list_select_related = ("connection", "taken_by")
    fields = (
        "title", "level_shown", "state", "rule", "watches", "connection_link", "lines", "deed",
        "holder", "muted", "opened", "updated", "closed", "times_seen",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alert]:
        found: QuerySet[Alert] = super().get_queryset(request)
        return found.select_related("connection", "taken_by", "muted_by").defer("connection__credentials")

    @admin.display(description="level")
    def level_shown(self, alert: Alert) -> str:
        return show_choice(alert, "level", LEVEL_VARIANTS)

    @admin.display(description="state")
    def state(self, alert: Alert) -> str:
        if alert.closed_at:
            return show_label("Over")
        return show_label("Muted", "info") if alert.is_muted else show_label("Open", "primary")

    @admin.display(description="rule")
    def rule(self, alert: Alert) -> str:
        known = find_rule(alert.kind)
        return known.title if known else alert.kind.replace("_", " ").capitalize()

    @admin.display(description="what it watches")
    def watches(self, alert: Alert) -> str:
        known = find_rule(alert.kind)
        return known.watches if known else NOTHING

    @admin.display(description="what to do")
    def deed(self, alert: Alert) -> str:
        return NOTHING if alert.closed_at else link_to_deed(alert)

    @admin.display(description="taken by")
    def holder(self, alert: Alert) -> str:
        return str(alert.taken_by or NOTHING)

    @admin.display(description="muted")
    def muted(self, alert: Alert) -> str:
        if not alert.is_muted or alert.closed_at:
            return NOTHING
        until = f"until {format_utc(alert.muted_until)}" if alert.muted_until else "until it is over"
        return show_lines([f"By {alert.muted_by or 'somebody'} {until}: {alert.mute_reason}"])

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


# --- Its page ---------------------------------------------------------------------------------------------------------


@panel_on(Alert)
def show_history(request: HttpRequest, alert: Alert) -> Panel:
    """What happened to it, the newest first."""
    rows = [
        [show_instant(entry.at), entry.get_what_display(), entry.user or "By itself", entry.note or NOTHING]
        for entry in alert.entries.select_related("user").order_by("-pk")[:ENTRIES_SHOWN]
    ]
    return Panel("What happened", ["When", "What", "By", "Words"], rows)


@panel_on(Alert)
def show_told(request: HttpRequest, alert: Alert) -> Panel:
    """To whom it went out, and how far that came."""
    messages = AlertEntry.objects.filter(pk__in=alert.entries.values("told_with"))
    about = reduce(or_, map(in_message, messages), Q(subject=f"alert:{alert.pk}"))
    told = Effect.objects.filter(about, kind__in=(SLACK, EMAIL)).select_related("connection").order_by("id")
    told = told.defer("connection__credentials")
    rows = [
        [link_to(effect, effect.kind), effect.connection, effect.get_status_display(), show_instant(effect.finished_at)]
        for effect in told[:TOLD_SHOWN]
    ]
    empty = "Nobody was told: there was no connection to tell it by, it was muted, or its rule tells nobody."
    return Panel("Told", headers=["Effect", "By", "State", "When"], rows=rows, empty=empty)


def in_message(first: AlertEntry) -> Q:
    """The effects of a message, of which letters name the recipient too."""
    subject = subject_of(first)
    return Q(subject=subject) | Q(subject__startswith=f"{subject}:")


@page_of("alert")
def address_of_alert(key: str) -> str:
    """A message's subject names its first alert and entry, and a letter's the recipient too."""
    return address_of(Alert(pk=key.partition(":")[0]))
