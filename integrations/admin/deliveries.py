"""Deliveries: what came in, and what became of it. A log: rows are read, and worked on through their buttons."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import path
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from integrations.admin import attempt_panels, delivery_panels  # noqa: F401
from integrations.admin.base import LongListMixin, ReadOnlyMixin
from integrations.admin.dead_letters import list_dead_letters, replay_dead_letters
from integrations.admin.delivery_buttons import BUTTONS
from integrations.admin.filters import InstantRangeFilter, SeenFilter
from integrations.admin.formats import NOTHING, link_to, read_uuid, show_choice, show_instant
from integrations.admin.replaying import DELIVERIES, ReplayAdmin
from integrations.deliveries import sent_as
from integrations.models import Connection, Delivery

Status = Delivery.Status
STATUS_VARIANTS = {
    Status.RECEIVED: "info",
    Status.PROCESSING: "info",
    Status.PROCESSED: "success",
    Status.RETRYING: "warning",
    Status.DEAD: "danger",
    Status.REJECTED: "danger",
}


class EventTypeFilter(SeenFilter):
    title = "type"
    parameter_name = "event_type"


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyMixin, LongListMixin, ReplayAdmin):
    when_empty = "Webhooks stand here as soon as they come. Go through First steps to connect a calendar."
    list_display = (
        "received",
        "connection",
        "delivery_id",
        "type_shown",
        "state",
        "cause_shown",
        "attempts",
        "duplicates",
    )
    list_filter = (
        ("connection", RelatedDropdownFilter),
        EventTypeFilter,
        ("status", ChoicesDropdownFilter),
        ("cause", ChoicesDropdownFilter),
        ("received_at", InstantRangeFilter),
    )
    list_select_related = ("connection",)
    ordering = ("-id",)
    search_fields = ("id",)
    search_help_text = "Delivery id, event uid, or id"
    replayable = DELIVERIES
    buttons = BUTTONS
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "id", "connection_link", "delivery_id", "event_type", "subject", "state", "cause_shown", "error",
                    "discard_reason", "notes_shown", "correlation_id",
                )
            },
        ),
        (
            "When",
            {"fields": ("received", "processed", "next_attempt", "attempts", "duplicates")},
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        found: QuerySet[Delivery] = super().get_queryset(request)
        return found.select_related("connection").defer("body", "headers", "connection__credentials")

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view
        return [
            path("dead-letters/", view(list_dead_letters), name="integrations_delivery_dead_letters"),
            path(
                "dead-letters/replay/",
                view(partial(replay_dead_letters, kind=DELIVERIES)),
                name="integrations_delivery_replay_dead_letters",
            ),
            *super().get_urls(),
        ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Delivery], search_term: str
    ) -> tuple[QuerySet[Delivery], bool]:
        """Exact look-ups only, each with its index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if key := read_uuid(term):
            return queryset.filter(pk=key), False
        connections = list(Connection.objects.values_list("pk", flat=True))
        return queryset.filter(sent_as(term, connections) | Q(subject=term)), False

    @admin.display(description="received")
    def received(self, delivery: Delivery) -> str:
        return show_instant(delivery.received_at)

    @admin.display(description="processed")
    def processed(self, delivery: Delivery) -> str:
        return show_instant(delivery.processed_at)

    @admin.display(description="next try")
    def next_attempt(self, delivery: Delivery) -> str:
        return show_instant(delivery.next_attempt_at)

    @admin.display(description="connection")
    def connection_link(self, delivery: Delivery) -> str:
        return link_to(delivery.connection)

    @admin.display(description="type")
    def type_shown(self, delivery: Delivery) -> str:
        return delivery.event_type or NOTHING

    @admin.display(description="status")
    def state(self, delivery: Delivery) -> str:
        return show_choice(delivery, "status", STATUS_VARIANTS)

    @admin.display(description="cause")
    def cause_shown(self, delivery: Delivery) -> str:
        return delivery.get_cause_display() or NOTHING

    @admin.display(description="notes")
    def notes_shown(self, delivery: Delivery) -> str:
        return "\n".join(map(str, delivery.notes)) or NOTHING
