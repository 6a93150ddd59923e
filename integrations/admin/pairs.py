"""Pairs: which CRMs a calendar.live connection keeps in step with."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from integrations.admin.base import Admin, HistoryAdmin
from integrations.admin.formats import link_to, show_instant
from integrations.admin.mappings import crm_keys
from integrations.admin.panels import Panel, panel_on
from integrations.models import Connection, Pair
from integrations.pairs import CALENDAR, make_pair

LABELS = {"calendar": "calendar.live", "crm": "CRM"}


@admin.register(Pair)
class PairAdmin(HistoryAdmin, Admin):
    """A pair's two connections stay; how they are joined can be changed."""

    list_display = ("pair", "calendar", "crm", "pattern", "created")
    list_filter = (("pattern", ChoicesDropdownFilter),)
    list_select_related = ("calendar", "crm")
    show_facets = admin.ShowFacets.NEVER
    fields = ("calendar", "crm", "pattern")

    def get_readonly_fields(self, request: HttpRequest, obj: Pair | None = None) -> Any:
        return ("calendar", "crm") if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        providers = {"calendar": [CALENDAR], "crm": crm_keys()}.get(db_field.name)
        if providers is not None:
            kwargs |= {"queryset": Connection.objects.filter(provider__in=providers), "label": LABELS[db_field.name]}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def save_model(self, request: HttpRequest, obj: Pair, form: Any, change: bool) -> None:
        """Through the same function as in the shell, which gives the CRM its default mapping."""
        if not change or form.changed_data:
            obj.pk = make_pair(obj.calendar, obj.crm, obj.pattern).pk

    @admin.display(description="pair", ordering="id")
    def pair(self, pair: Pair) -> str:
        return str(pair)

    @admin.display(description="made", ordering="created_at")
    def created(self, pair: Pair) -> str:
        return show_instant(pair.created_at)


@panel_on(Connection, rank=1)
def show_pairs(request: HttpRequest, connection: Connection) -> Panel | None:
    if connection.provider not in (CALENDAR, *crm_keys()):
        return None
    mine = Pair.objects.filter(Q(calendar=connection) | Q(crm=connection)).select_related("calendar", "crm")
    rows = [[link_to(pair), pair.get_pattern_display(), show_instant(pair.created_at)] for pair in mine]
    empty = "It is in no pair, so nothing is synced between it and another connection."
    return Panel("Pairs", headers=["Pair", "Pattern", "Made"], rows=rows, empty=empty)
