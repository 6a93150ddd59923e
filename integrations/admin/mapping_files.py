"""A connection's field mapping on its page, taken out as a file and brought in again, and who its owners are."""

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.admin import TabularInline
from unfold.widgets import UnfoldAdminFileFieldWidget

from integrations.admin.base import ButtonForm
from integrations.admin.formats import address_of, address_of_list, format_json, link
from integrations.admin.panels import Panel, panel_on
from integrations.exceptions import MalformedError
from integrations.mappings import OUR_FIELDS, export_mapping, import_mapping
from integrations.models import Connection, FieldMapping, OwnerMapping
from integrations.providers import PROVIDERS
from integrations.providers.crm import Crm
from integrations.providers.json_body import parse_json

CHANGE = "integrations.change_fieldmapping"
CHANGE_CONNECTION = "integrations.change_connection"
LARGEST_FILE = 256 * 1024


class ImportForm(ButtonForm):
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget,
        help_text="JSON, as “Export” makes it: the provider, and theirs for each of our fields.",
    )

    def clean_file(self) -> Any:
        """The document in it."""
        file = self.cleaned_data["file"]
        if file.size > LARGEST_FILE:
            raise forms.ValidationError("This is no field mapping: it is larger than 256 KiB.")
        try:
            return parse_json(file.read())
        except MalformedError as error:
            raise forms.ValidationError("This is not UTF-8 JSON.") from error


def import_file(request: HttpRequest, connection: Connection, values: dict[str, Any]) -> str:
    count = import_mapping(connection, values["file"])
    return f"{count} fields are mapped as the file says."


def export_file(connection: Connection) -> HttpResponse:
    name = f"{connection.slug}-mapping.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return HttpResponse(format_json(export_mapping(connection)), content_type="application/json", headers=headers)


@panel_on(Connection, rank=2)
def show_mapping(request: HttpRequest, connection: Connection) -> Panel | None:
    if not isinstance(PROVIDERS.get(connection.provider), Crm):
        return None
    rows = [
        [mapping.get_record_display(), describe_field(mapping), mapping.theirs]
        for mapping in connection.field_mappings.order_by("record", "id")
    ]
    links = [link(reverse("admin:integrations_connection_export_mapping", args=[connection.pk]), "Export")]
    if request.user.has_perm(CHANGE):
        edit = link(address_of_list(FieldMapping, connection__id__exact=connection.pk), "Edit")
        links = [edit, *links, link(address_of(connection, "import_mapping"), "Import")]
    if request.user.has_perm(CHANGE_CONNECTION):
        links.append(link(address_of(connection, "prepare"), "Prepare"))
    empty = "Nothing is mapped yet: the provider's default comes with the first pair."
    return Panel("Field mapping", ["Record", "Ours", "Theirs"], rows, empty=empty, links=links)


def describe_field(mapping: FieldMapping) -> str:
    """What our field holds, and its name; one that this version does not know has only its name."""
    known = OUR_FIELDS.get(mapping.record, {}).get(mapping.ours)
    return f"{known} ({mapping.ours})" if known else mapping.ours


class OwnerMappingInline(TabularInline):
    """Who our users are in the CRM, where it cannot find them by their e-mail."""

    model = OwnerMapping
    fields = ("user", "external_id")
    autocomplete_fields = ("user",)
    extra = 0
    verbose_name = "owner over there"
    verbose_name_plural = "owners over there"
