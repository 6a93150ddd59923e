"""Payload shapes: which fields each provider sends, what is new among them, and what is not there any more."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, Value
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter

from integrations import payload_shapes
from integrations.admin.alert_buttons import user_of
from integrations.admin.base import Button, DetailAdmin, LongListMixin, ReadOnlyMixin
from integrations.admin.formats import show_instant, show_label
from integrations.admin.panels import Panel, panel_on
from integrations.models import PayloadShape
from integrations.operations.alerts import close_alert
from integrations.operations.rules import Limit, decide_limit, find_rule, read_decisions
from integrations.operations.upkeep_rules import PAYLOAD_DRIFT
from integrations.payload_shapes import Drift
from integrations.providers import PROVIDERS, name_provider

ACCEPT = "integrations.accept_payloadshape"


def read_limit() -> Limit:
    rule = find_rule(PAYLOAD_DRIFT)
    return decide_limit(rule, read_decisions()[PAYLOAD_DRIFT]) if rule else Limit(0, "")


def find_drift(shape: PayloadShape, limit: Limit) -> Drift:
    return payload_shapes.find_drift(shape, learnt=limit.minimum, lacking=limit.opens_at, now=timezone.now())


def explain_accepting(shape: PayloadShape) -> str:
    drift = find_drift(shape, read_limit())
    return (
        f"{len(drift.unseen):,} new fields are known from now on, and {len(shape.absent):,} that are lacking now are "
        "not expected any more. The alert is over. What becomes new or vanishes after that is told again."
    )


def accept(request: HttpRequest, shape: PayloadShape, values: dict[str, Any]) -> str:
    payload_shapes.accept(shape)
    close_alert(PAYLOAD_DRIFT, None, str(shape.pk), user=user_of(request))
    return "It is accepted as it is now."


class ProviderFilter(DropdownFilter):
    title = "provider"
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(key, provider.name) for key, provider in PROVIDERS.items() if provider.signature_header]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        return queryset.filter(provider=self.value()) if self.value() else queryset


@admin.register(PayloadShape)
class PayloadShapeAdmin(ReadOnlyMixin, LongListMixin, DetailAdmin):
    """Names of fields only: what stands in them is not kept here."""

    when_empty = "The shapes of payloads are learned from the webhooks that come. None has come yet."
    list_display = ("kind", "provider_name", "version", "state", "field_count", "payloads", "seen")
    list_filter = (ProviderFilter,)
    fields = ("provider_name", "event_type", "version", "state", "payloads", "seen", "since")
    buttons = (
        Button(
            name="accept",
            label="Accept as it is",
            icon="done_all",
            permission=ACCEPT,
            explain=explain_accepting,
            fits=lambda shape: bool(shape.absent) or shape.accepted_payloads < shape.payloads,
            run=accept,
            log="Accepted as it is",
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[PayloadShape]:
        """With the rule's limit beside each, which is read once."""
        found: QuerySet[PayloadShape] = super().get_queryset(request)
        limit = read_limit()
        return found.annotate(learnt=Value(limit.minimum), lacking=Value(limit.opens_at))

    @admin.display(description="webhook")
    def kind(self, shape: PayloadShape) -> str:
        return shape.event_type or "Webhooks"

    @admin.display(description="provider")
    def provider_name(self, shape: PayloadShape) -> str:
        return name_provider(shape.provider)

    @admin.display(description="state")
    def state(self, shape: PayloadShape) -> SafeString:
        limit = Limit(getattr(shape, "lacking", 0), "", minimum=getattr(shape, "learnt", 0))
        if shape.payloads <= limit.minimum:
            return show_label(f"Learning: {shape.payloads:,} of {limit.minimum:,}", "info")
        drift = find_drift(shape, limit)
        counts = ((len(drift.unseen), "new"), (len(drift.vanished), "vanished"))
        told = ", ".join(f"{count:,} {word}" for count, word in counts if count)
        return show_label(told, "warning") if told else show_label("As known", "success")

    @admin.display(description="fields")
    def field_count(self, shape: PayloadShape) -> str:
        count = len(payload_shapes.list_fields(shape))
        return f"more than {count:,}" if shape.is_full else f"{count:,}"

    @admin.display(description="seen last")
    def seen(self, shape: PayloadShape) -> str:
        return show_instant(shape.seen_at)

    @admin.display(description="seen first")
    def since(self, shape: PayloadShape) -> str:
        return show_instant(shape.created_at)


@panel_on(PayloadShape)
def show_drift(request: HttpRequest, shape: PayloadShape) -> Panel:
    drift = find_drift(shape, read_limit())
    new = [[path, show_label("New", "info"), f"since payload {shape.fields[path]:,}"] for path in drift.unseen]
    gone = [
        [path, show_label("Not there any more", "warning"), f"lacking in the last {shape.absent[path]['count']:,}"]
        for path in drift.vanished
    ]
    note = (
        "See whether what is new matters and what vanished is needed; then accept it as it is." if new or gone else ""
    )
    empty = "Nothing is new, and nothing has vanished."
    return Panel("What is different", ["Field", "What", "Payloads"], [*new, *gone], note=note, empty=empty)


@panel_on(PayloadShape)
def show_fields(request: HttpRequest, shape: PayloadShape) -> Panel:
    constant = set(shape.constant)
    rows = [
        [path, "Always there" if path in constant else "Sometimes there", f"{shape.fields[path]:,}"]
        for path in payload_shapes.list_fields(shape)
    ]
    note = "[] is an item of a list, * any key of a table or of custom fields."
    return Panel("Known fields", ["Field", "How often", "First in payload"], rows, note=note)
