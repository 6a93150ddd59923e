"""The items of replay plans: what became of each delivery or effect."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from integrations.admin.base import Admin, LongListMixin, ReadOnlyMixin
from integrations.admin.formats import NOTHING, link_to, show_choice
from integrations.models import Delivery, Effect, ReplayItem, ReplayPlan
from integrations.replays.kinds import KINDS, kind_of

State = ReplayItem.State
VARIANTS = {State.RUNNING: "info", State.SUCCEEDED: "success", State.DEAD: "danger", State.SKIPPED: "warning"}
VIEW = "integrations.view_replayplan"


def with_rows(items: QuerySet[ReplayItem]) -> QuerySet[ReplayItem]:
    """With their deliveries and effects, as far as those are kept, but nothing that is encrypted."""
    related = items.select_related("plan", "delivery__connection", "effect__connection")
    return related.defer(
        "delivery__body",
        "delivery__headers",
        "delivery__connection__credentials",
        "effect__connection__credentials",
    )


def find_row(item: ReplayItem) -> Delivery | Effect | None:
    return item.delivery if item.delivery_id else item.effect


def show_row(item: ReplayItem) -> SafeString | str:
    row = find_row(item)
    return link_to(row) if row else f"{item}, which is not kept any more"


def show_what(item: ReplayItem) -> str:
    row = find_row(item)
    return str(getattr(row, kind_of(item.plan).what)) or NOTHING if row else NOTHING


def show_connection(item: ReplayItem) -> str:
    row = find_row(item)
    return str(row.connection) if row else NOTHING


def show_now(item: ReplayItem) -> str:
    """The row's own status by now."""
    row = find_row(item)
    return row.get_status_display() if row else NOTHING


def show_why(item: ReplayItem) -> str:
    if item.state == State.DEAD:
        row = find_row(item)
        return ": ".join(filter(None, [item.get_cause_display(), row.error if row else ""])) or NOTHING
    return item.get_reason_display() or NOTHING


@admin.register(ReplayItem)
class ReplayItemAdmin(ReadOnlyMixin, LongListMixin, Admin):
    when_empty = "Make a replay plan from a list of deliveries or effects: what it will replay stands here."
    list_display = ("row", "what", "connection", "outcome", "why", "now")
    list_display_links = None
    list_filter = (("state", ChoicesDropdownFilter), ("reason", ChoicesDropdownFilter))
    ordering = ("id",)
    fields = ("plan", "state", "reason", "cause")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(VIEW) and bool(list_visible(request))

    def get_queryset(self, request: HttpRequest) -> QuerySet[ReplayItem]:
        """Of the kinds that this user may see."""
        found: QuerySet[ReplayItem] = super().get_queryset(request)
        return with_rows(found).filter(plan__kind__in=list_visible(request))

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest) -> bool:
        return lookup == "plan__id__exact" or super().lookup_allowed(lookup, value, request)

    @admin.display(description="row")
    def row(self, item: ReplayItem) -> str:
        return show_row(item)

    @admin.display(description="type")
    def what(self, item: ReplayItem) -> str:
        return show_what(item)

    @admin.display(description="connection")
    def connection(self, item: ReplayItem) -> str:
        return show_connection(item)

    @admin.display(description="outcome")
    def outcome(self, item: ReplayItem) -> str:
        return show_choice(item, "state", VARIANTS)

    @admin.display(description="because")
    def why(self, item: ReplayItem) -> str:
        return show_why(item)

    @admin.display(description="status by now")
    def now(self, item: ReplayItem) -> str:
        return show_now(item)


def list_visible(request: HttpRequest) -> list[ReplayPlan.Kind]:
    return [name for name, kind in KINDS.items() if request.user.has_perm(kind.may_view)]
