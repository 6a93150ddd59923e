"""Field mappings: which of our fields is which of a CRM's, one row each."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.widgets import UnfoldAdminSelectWidget

from integrations.admin.base import Admin, HistoryAdmin
from integrations.admin.mapping_files import describe_field
from integrations.mappings import OUR_FIELDS
from integrations.models import FieldMapping
from integrations.providers import PROVIDERS
from integrations.providers.crm import Crm

Record = FieldMapping.Record


def list_our_fields() -> list[tuple[str, Any]]:
    """For a choice, by record: `contact.email` and what it holds."""
    groups = [
        (Record(record).label, [(f"{record}.{ours}", f"{text} ({ours})") for ours, text in fields.items()])
        for record, fields in OUR_FIELDS.items()
    ]
    return [("", "Select a field"), *groups]


def crm_keys() -> list[str]:
    return [key for key, provider in PROVIDERS.items() if isinstance(provider, Crm)]


class FieldMappingForm(forms.ModelForm):
    field = forms.ChoiceField(choices=list_our_fields, widget=UnfoldAdminSelectWidget, label="Our field")

    class Meta:
        model = FieldMapping
        fields: ClassVar = ["connection", "field", "theirs"]
        labels: ClassVar = {"theirs": "Their field"}
        help_texts: ClassVar = {"theirs": "The field's name in the CRM's API, not its label."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields["field"].initial = f"{self.instance.record}.{self.instance.ours}"

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        record, _, ours = values.get("field", "").partition(".")
        taken = Q(connection=values.get("connection"), record=record, theirs=values.get("theirs"))
        if not self.errors and FieldMapping.objects.filter(taken).exclude(pk=self.instance.pk).exists():
            self.add_error("theirs", "This field is mapped already for this connection and record.")
        self.instance.record, self.instance.ours = record, ours
        return values


@admin.register(FieldMapping)
class FieldMappingAdmin(HistoryAdmin, Admin):
    form = FieldMappingForm
    when_empty = "Connect a CRM: its default mapping is made with it. Or add one."
    list_display = ("theirs", "connection", "record", "ours_shown")
    list_filter = (("connection", RelatedDropdownFilter), ("record", ChoicesDropdownFilter))
    list_select_related = ("connection",)
    list_filter_submit = True
    search_fields = ("theirs", "ours")
    show_facets = admin.ShowFacets.NEVER
    fields = ("connection", "field", "theirs")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "connection":
            manager = db_field.remote_field.model.objects
            kwargs["queryset"] = manager.filter(provider__in=crm_keys())
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @admin.display(description="our field", ordering="ours")
    def ours_shown(self, mapping: FieldMapping) -> str:
        return describe_field(mapping)
