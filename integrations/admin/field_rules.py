"""Who decides about which field: the rules of a pair, as tables, and an administrator's own ones."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import prefetch_related_objects
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget

from integrations.admin.base import Admin, HistoryAdmin
from integrations.admin.formats import NOTHING, address_of, link, show_label
from integrations.admin.panels import Panel, panel_on
from integrations.mappings import get_crm
from integrations.models import FieldMapping, FieldRule, Pair
from integrations.ownership import PARTS, Rule, read_rules

Record = FieldMapping.Record
CHANGE, ADD = "integrations.change_fieldrule", "integrations.add_fieldrule"
LABELS = {"full_name": "Name", "email": "E-mail", "timezone": "Time zone", "time": "Start and end"}


def name_field(field: str) -> str:
    return LABELS.get(field) or field.replace("_", " ").capitalize()


def list_fields() -> list[tuple[str, Any]]:
    """For a choice, by record."""
    groups = [
        (Record(record).label, [(f"{record}.{field}", name_field(field)) for field in fields])
        for record, fields in PARTS.items()
    ]
    return [("", "Select a field"), *groups]


class FieldRuleForm(forms.ModelForm):
    about = forms.ChoiceField(choices=list_fields, widget=UnfoldAdminSelectWidget, label="Field")

    class Meta:
        model = FieldRule
        fields: ClassVar = ["pair", "about", "owner", "mode", "policy"]
        help_texts: ClassVar = {
            "owner": "Its writes always count.",
            "mode": "What the other side's writes do.",
            "policy": "Since both sides last agreed.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["about"].initial = f"{self.instance.record}.{self.instance.field}"

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        record, _, field = values.get("about", "").partition(".")
        taken = FieldRule.objects.filter(pair=values.get("pair"), record=record, field=field)
        if not self.errors and taken.exclude(pk=self.instance.pk).exists():
            self.add_error("about", "This field of the pair has a rule already: change that one.")
        self.instance.record, self.instance.field = record, field
        return values


@admin.register(FieldRule)
class FieldRuleAdmin(HistoryAdmin, Admin):
    """What an administrator has decided otherwise than the pattern does. Without a rule the pattern's own holds."""

    form = FieldRuleForm
    when_empty = "The pattern of each pair says who owns which field. Add a rule to change that for one of them."
    list_display = ("rule", "owner", "mode", "policy")
    list_filter = (("pair", RelatedDropdownFilter), ("record", ChoicesDropdownFilter))
    list_select_related = ("pair__calendar", "pair__crm")
    list_filter_submit = True
    show_facets = admin.ShowFacets.NEVER
    fields = ("pair", "about", "owner", "mode", "policy")

    @admin.display(description="field")
    def rule(self, rule: FieldRule) -> str:
        return f"{name_field(rule.field)} of {rule.get_record_display().lower()}s, {rule.pair}"


# --- Tables -----------------------------------------------------------------------------------------------------------


@panel_on(Pair)
def show_rules(request: HttpRequest, pair: Pair) -> Panel:
    return list_rules(pair, request=request)


def list_rules(pair: Pair, *, request: HttpRequest | None = None) -> Panel:
    """Each field with its fields at the CRM and its rule, also of a pair that is not stored yet."""
    mapped = read_mapped(pair)
    if pair.pk:
        prefetch_related_objects([pair], "field_rules")
    own = {(row.record, row.field): row for row in pair.field_rules.all()} if pair.pk else {}
    rows = [
        [
            Record(record).label,
            name_field(field),
            show_names(mapped[record], parts),
            *describe_rule(rule),
            press_link(request, pair, record, field, own.get((record, field))),
        ]
        for record, fields in PARTS.items()
        for field, parts in fields.items()
        for rule in [read_rules(pair, record)[field]]
    ]
    headers = ["Record", "Field", "At the CRM", "Who owns it", "A write of the other side", "Where both changed it", ""]
    return Panel("Who decides about which field", headers=headers, rows=rows)


def read_mapped(pair: Pair) -> dict[str, list[tuple[str, str]]]:
    """Record → our field and theirs: of the CRM's own mapping, or of the one that it will get."""
    stored = list(pair.crm.field_mappings.values_list("record", "ours", "theirs"))
    if stored:
        return {record: [(ours, theirs) for each, ours, theirs in stored if each == record] for record in Record.values}
    return {record: list(fields.items()) for record, fields in get_crm(pair.crm).default_mapping.items()}


def show_names(mapped: list[tuple[str, str]], parts: tuple[str, ...]) -> SafeString | str:
    names = [(theirs,) for ours, theirs in mapped if ours in parts]
    return format_html_join("", "<div>{}</div>", names) or NOTHING


def describe_rule(rule: Rule) -> list[str]:
    owner = "calendar.live" if rule.owner == FieldRule.Side.CALENDAR else "The CRM"
    return [show_label(owner, "info"), rule.mode.label, rule.policy.label]


def press_link(
    request: HttpRequest | None, pair: Pair, record: str, field: str, row: FieldRule | None
) -> SafeString | str:
    """To the rule, or to a new one that begins as the pattern has it."""
    if request is None or not request.user.has_perm(CHANGE if row else ADD):
        return ""
    if row:
        return link(address_of(row), "Changed by hand")
    rule = read_rules(pair, record)[field]
    values: Mapping[str, Any] = {
        "pair": pair.pk,
        "about": f"{record}.{field}",
        "owner": rule.owner.value,
        "mode": rule.mode.value,
        "policy": rule.policy.value,
    }
    return link(f"{reverse('admin:integrations_fieldrule_add')}?{urlencode(values)}", "Change")
