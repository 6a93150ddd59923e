"""Effects: what went out, what goes next, and what waits. A log: rows are read, and worked on through their buttons."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import path, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from integrations.admin import attempt_panels  # noqa: F401
from integrations.admin.base import LongListMixin, ReadOnlyMixin
from integrations.admin.dead_letters import replay_dead_letters
from integrations.admin.effect_buttons import BUTTONS
from integrations.admin.effect_outlook import describe_next
from integrations.admin.effect_panels import STATUS_VARIANTS
from integrations.admin.filters import InstantRangeFilter, SeenFilter
from integrations.admin.formats import NOTHING, format_json, link, link_to, read_uuid, show_choice, show_instant
from integrations.admin.replaying import EFFECTS, ReplayAdmin
from integrations.admin.subjects import show_subject
from integrations.models import Effect


class KindFilter(SeenFilter):
    title = "kind"
    parameter_name = "kind"


@admin.register(Effect)
class EffectAdmin(ReadOnlyMixin, LongListMixin, ReplayAdmin):
    when_empty = "What Keepsync does at CRMs, Zoom, Slack and by e-mail stands here. It begins with a booking."
    list_display = (
        "created",
        "connection",
        "kind",
        "subject_in_short",
        "state",
        "cause_shown",
        "attempts",
        "external_id_shown",
        "finished",
    )
    list_filter = (
        ("connection", RelatedDropdownFilter),
        KindFilter,
        ("status", ChoicesDropdownFilter),
        ("cause", ChoicesDropdownFilter),
        ("created_at", InstantRangeFilter),
    )
    list_select_related = ("connection",)
    ordering = ("-id",)
    search_fields = ("id",)
    search_help_text = "Id, subject such as contact:…, external id, or idempotency key"
    replayable = EFFECTS
    buttons = BUTTONS
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "id", "connection_link", "kind", "subject_shown", "state", "cause_shown", "error", "close_reason",
                    "next_step", "external_id_shown", "delivery_link", "correlation_id",
                )
            },
        ),
        (
            "When",
            {"fields": ("created", "due", "finished", "attempts", "repeats")},
        ),
        (
            "Record",
            {"fields": ("idempotency_key", "parameters_shown")},
        ),
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[Effect]:
        found: QuerySet[Effect] = super().get_queryset(request)
        return found.select_related("connection__drain").defer("connection__credentials")

    def get_urls(self) -> list[Any]:
        return [
            path(
                "dead-letters/replay/",
                self.admin_site.admin_view(partial(replay_dead_letters, kind=EFFECTS)),
                name="integrations_effect_replay_dead_letters",
            ),
            *super().get_urls(),
        ]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Effect], search_term: str
    ) -> tuple[QuerySet[Effect], bool]:
        """Exact look-ups only, each with its index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if key := read_uuid(term):
            return queryset.filter(pk=key), False
        return queryset.filter(Q(subject=term) | Q(external_id=term) | Q(idempotency_key=term)), False

    @admin.display(description="planned")
    def created(self, effect: Effect) -> str:
        return show_instant(effect.created_at)

    @admin.display(description="due")
    def due(self, effect: Effect) -> str:
        return show_instant(effect.due_at)

    @admin.display(description="finished")
    def finished(self, effect: Effect) -> str:
        return show_instant(effect.finished_at)

    @admin.display(description="connection")
    def connection_link(self, effect: Effect) -> str:
        return link_to(effect.connection)

    @admin.display(description="subject")
    def subject_shown(self, effect: Effect) -> str:
        return show_subject(effect.subject)

    @admin.display(description="subject")
    def subject_in_short(self, effect: Effect) -> str:
        return show_subject(effect.subject, is_short=True)

    @admin.display(description="status")
    def state(self, effect: Effect) -> str:
        return show_choice(effect, "status", STATUS_VARIANTS)

    @admin.display(description="cause")
    def cause_shown(self, effect: Effect) -> str:
        return effect.get_cause_display() or NOTHING

    @admin.display(description="external id")
    def external_id_shown(self, effect: Effect) -> str:
        return effect.external_id or NOTHING

    @admin.display(description="what happens next")
    def next_step(self, effect: Effect) -> str:
        return describe_next(effect)

    @admin.display(description="led to by")
    def delivery_link(self, effect: Effect) -> str:
        """Under its id: the page says so where the delivery is not kept any more."""
        if effect.delivery_id is None:
            return "A person or a job"
        address = reverse("admin:integrations_delivery_change", args=[effect.delivery_id])
        return link(address, f"Delivery {effect.delivery_id}")

    @admin.display(description="parameters")
    def parameters_shown(self, effect: Effect) -> str:
        return format_json(effect.parameters) if effect.parameters else NOTHING
