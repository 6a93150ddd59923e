"""Pairs: which CRMs a calendar.live connection keeps in step with, in which pattern."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from integrations.admin.base import BulkButton, DetailAdmin, HistoryAdmin, confirm
from integrations.admin.field_rules import list_rules
from integrations.admin.formats import link_to, show_instant
from integrations.admin.mappings import crm_keys
from integrations.admin.panels import Panel, panel_on
from integrations.models import Connection, Pair
from integrations.pairs import CALENDAR, make_pair

LABELS = {"calendar": "calendar.live", "crm": "CRM"}
CONFIRMED = "confirmed"
ALWAYS = (
    ("Bookings at calendar.live", "bring their contacts and meetings to the CRM, from the next one on."),
    ("Contacts that are changed in the CRM", "come in field by field, as the table below says."),
)
CONSEQUENCES = {
    Pair.Pattern.IN: (
        ("Meetings that are made in the CRM", "stay there: calendar.live never hears of them."),
        ("Meetings that are changed in the CRM", "are put right again: calendar.live leads."),
    ),
    Pair.Pattern.OUT: (
        ("Meetings that are made in the CRM", "are booked at calendar.live, if the time is free there."),
        ("Meetings that are changed in the CRM", "are changed at calendar.live: the CRM leads."),
        ("Customers", "may still move and cancel what they have booked. The CRM's meeting follows."),
    ),
    Pair.Pattern.TWO_WAY: (
        ("Meetings that are made in the CRM", "are booked at calendar.live, if the time is free there."),
        ("Meetings that are changed in the CRM", "are changed at calendar.live, if nothing is in the way."),
        ("What both sides have changed", "is decided as the table below says; where a person is asked, in Conflicts."),
    ),
}


@admin.register(Pair)
class PairAdmin(HistoryAdmin, DetailAdmin):
    """A pair's two connections stay; how they are joined can be changed. Before that a page says what will happen."""

    when_empty = "Add a pair of a calendar and a CRM: its bookings and contacts then go there."
    list_display = ("pair", "calendar", "crm", "pattern", "created")
    list_filter = (("pattern", ChoicesDropdownFilter),)
    list_select_related = ("calendar", "crm")
    fields = ("calendar", "crm", "pattern")

    def get_readonly_fields(self, request: HttpRequest, obj: Pair | None = None) -> Any:
        return ("calendar", "crm") if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        providers = {"calendar": [CALENDAR], "crm": crm_keys()}.get(db_field.name)
        if providers is not None:
            kwargs |= {"queryset": Connection.objects.filter(provider__in=providers), "label": LABELS[db_field.name]}
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        if (
            request.method == "POST"
            and CONFIRMED not in request.POST
            and (asked := self.read_asked(request, object_id))
        ):
            return preview(request, asked)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def read_asked(self, request: HttpRequest, object_id: str | None) -> Pair | None:
        """The pair as it would be. None where it may not, or cannot, be: Django's own page says why."""
        row = self.get_object(request, object_id) if object_id else None
        may = self.has_change_permission(request, row) if row else self.has_add_permission(request)
        form = self.get_form(request, row, change=row is not None)(request.POST, instance=row) if may else None
        return form.save(commit=False) if form is not None and form.is_valid() else None

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


def preview(request: HttpRequest, pair: Pair) -> HttpResponse:
    """What will happen, the mapping, and the owner of each field, before it is switched on."""
    happens = Panel("What will happen", rows=[*ALWAYS, *CONSEQUENCES[Pair.Pattern(pair.pattern)]])
    return confirm(
        request,
        button=BulkButton("Switch on"),
        text=f"{pair.calendar} and {pair.crm} will be kept in step: {pair.get_pattern_display()}.",
        back=request.path,
        title=f"Switch on: {pair}",
        panels=[happens, list_rules(pair)],
        hidden=[*((name, request.POST[name]) for name in PairAdmin.fields if name in request.POST), (CONFIRMED, "1")],
    )


@panel_on(Connection, rank=1)
def show_pairs(request: HttpRequest, connection: Connection) -> Panel | None:
    if connection.provider not in (CALENDAR, *crm_keys()):
        return None
    mine = Pair.objects.filter(Q(calendar=connection) | Q(crm=connection)).select_related("calendar", "crm")
    rows = [[link_to(pair), pair.get_pattern_display(), show_instant(pair.created_at)] for pair in mine]
    empty = "It is in no pair, so nothing is synced between it and another connection."
    return Panel("Pairs", headers=["Pair", "Pattern", "Made"], rows=rows, empty=empty)
