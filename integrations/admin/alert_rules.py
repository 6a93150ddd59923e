"""The rules of alerts in the admin: what each watches, from how much on, and by what it is told."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.safestring import SafeString

from integrations.admin.base import Admin, HistoryAdmin
from integrations.admin.formats import NOTHING, address_of_list, link, show_label, show_lines
from integrations.models import Alert, AlertRule
from integrations.operations.rules import Limit, decide_limit, find_rule, list_rules


def describe_limit(limit: Limit) -> str:
    minimum = f", of at least {limit.minimum:,} {limit.counted}" if limit.minimum else ""
    return f"{limit.opens_at:g} {limit.unit}{minimum}"


@admin.register(AlertRule)
class AlertRuleAdmin(HistoryAdmin, Admin):
    """Every rule has a row from the start. One without a limit opens as soon as it is so."""

    when_empty = "Run manage.py migrate: it makes the rules."
    list_display = ("rule", "state", "limit", "told", "opened", "watches")
    list_per_page = 100
    show_facets = admin.ShowFacets.NEVER
    readonly_fields = ("watches", "shipped")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRule]:
        """Those that this version knows."""
        found: QuerySet[AlertRule] = super().get_queryset(request)
        alerts = Alert.objects.filter(kind=OuterRef("kind"), closed_at=None).order_by().values("kind")
        opened = Subquery(alerts.annotate(count=Count("pk")).values("count"))
        return found.filter(kind__in=[rule.kind for rule in list_rules()]).annotate(open_count=opened)

    def get_fields(self, request: HttpRequest, obj: AlertRule | None = None) -> list[str]:
        known = find_rule(obj.kind) if obj else None
        limits = ["shipped", "opens_at"] if known and known.limit else []
        minimum = ["minimum"] if known and known.limit and known.limit.counted else []
        return ["watches", "is_enabled", *limits, *minimum, "to_slack", "to_email"]

    @admin.display(description="rule")
    def rule(self, rule: AlertRule) -> str:
        known = find_rule(rule.kind)
        return known.title if known else rule.kind

    @admin.display(description="what it watches")
    def watches(self, rule: AlertRule) -> str:
        known = find_rule(rule.kind)
        return " ".join(filter(None, (known.watches, known.why_not()))) if known else NOTHING

    @admin.display(description="state")
    def state(self, rule: AlertRule) -> SafeString:
        known = find_rule(rule.kind)
        if not rule.is_enabled:
            return show_label("Off", "warning")
        return show_label("Not applicable") if known and known.why_not() else show_label("On", "success")

    @admin.display(description="opens at")
    def limit(self, rule: AlertRule) -> str:
        known = find_rule(rule.kind)
        return describe_limit(decide_limit(known, rule)) if known and known.limit else NOTHING

    @admin.display(description="as shipped")
    def shipped(self, rule: AlertRule) -> str:
        known = find_rule(rule.kind)
        return describe_limit(known.limit) if known and known.limit else NOTHING

    @admin.display(description="told by")
    def told(self, rule: AlertRule) -> SafeString:
        names = [name for name, is_on in (("Slack", rule.to_slack), ("e-mail", rule.to_email)) if is_on]
        return show_lines(names or ["The admin only"])

    @admin.display(description="open now")
    def opened(self, rule: AlertRule) -> SafeString | str:
        count = getattr(rule, "open_count", None)
        return link(address_of_list(Alert, state="open", kind=rule.kind), f"{count:,}") if count else NOTHING
