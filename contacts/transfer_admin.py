"""Contacts as files, from their list: those that it shows taken out as CSV, and a CSV file brought in."""

from collections.abc import Sequence
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from contacts.import_admin import send_csv
from contacts.import_buttons import ADD, CsvImportForm, begin_csv
from contacts.imports.columns import IDENTIFYING
from contacts.imports.csv_files import FileError
from contacts.imports.exports import export_contacts
from contacts.models import Contact
from integrations.admin.base import BulkButton, confirm
from integrations.admin.formats import address_of

EXPORT = "contacts.export_contact"
ABOUT_EXPORT = (
    "The file is CSV in UTF-8, with commas, and holds names, addresses, numbers and notes in clear: keep it safe, and "
    "delete it when it is no longer needed. A text that a spreadsheet would take for a formula gets an apostrophe "
    "before it; an import takes it away. Imported again, the file finds each contact by its id. That you took it is "
    "written down."
)
ABOUT_IMPORT = (
    "The first line names the columns, in any order and case: "
    f"{', '.join(IDENTIFYING)}, other_emails, other_phones, company, country, timezone, notes, lead_source, "
    "lead_score, lead_status, owner, marketing_email (yes or no) with marketing_email_at and "
    "marketing_email_wording, updated_at. Each row is brought to the contact that it matches, and fills in what is not "
    "known of it, or makes a new one. A row with the id of an exported contact changes that contact, unless it has "
    "changed here since the row's updated_at. Columns of other names are ignored."
)


class TransferMixin:
    """For the list of contacts."""

    admin_site: Any
    actions: Sequence[str] = ("export_selected",)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(EXPORT)

    def get_urls(self) -> list[Any]:
        pages = {"import": self.import_csv, "export": self.export_found}
        mine = [
            path(f"{name}/", self.admin_site.admin_view(view), name=f"contacts_contact_{name}")
            for name, view in pages.items()
        ]
        return [*mine, *super().get_urls()]  # type: ignore[misc]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        response: HttpResponse = super().changelist_view(request, extra_context)  # type: ignore[misc]
        if isinstance(response, TemplateResponse) and response.context_data:
            response.context_data["actions_list"] = list_links(request)
        return response

    # --- Out ----------------------------------------------------------------------------------------------------------

    def export_found(self, request: HttpRequest) -> HttpResponseBase:
        """Those that the list's filters and search find: GET asks, POST sends the file."""
        mine = cast(Any, self)
        if not (mine.has_view_permission(request) and self.has_export_permission(request)):
            raise PermissionDenied
        back = f"{reverse('admin:contacts_contact_changelist')}?{request.GET.urlencode()}"
        if request.method != "POST":
            what = "The contacts that the list shows with its filters and search" if request.GET else "All contacts"
            text = f"{what} are exported. {ABOUT_EXPORT}"
            return confirm(request, button=BulkButton("Export CSV"), text=text, back=back)
        try:
            found = mine.get_changelist_instance(request).get_queryset(request)
        except IncorrectLookupParameters:
            return HttpResponseRedirect(reverse("admin:contacts_contact_changelist"))
        log_export(request, f"those found by {', '.join(sorted(request.GET))}" if request.GET else "all")
        return send_file(found)

    @admin.action(description="Export the selected contacts", permissions=["export"])
    def export_selected(self, request: HttpRequest, queryset: QuerySet[Contact]) -> HttpResponseBase:
        keys = list(queryset.values_list("pk", flat=True))
        if "confirmed" in request.POST:
            log_export(request, f"{len(keys)} selected ones")
            return send_file(Contact.objects.filter(pk__in=keys))
        return confirm(
            request,
            button=BulkButton(f"Export {len(keys)}"),
            text=f"{len(keys)} contacts are exported. {ABOUT_EXPORT}",
            back=request.get_full_path(),
            hidden=[
                ("action", "export_selected"),
                ("confirmed", "yes"),
                *((ACTION_CHECKBOX_NAME, key) for key in keys),
            ],
        )

    # --- In -----------------------------------------------------------------------------------------------------------

    def import_csv(self, request: HttpRequest) -> HttpResponse:
        """GET shows the form, POST begins the import and leads to its page."""
        if not request.user.has_perm(ADD):
            raise PermissionDenied
        form = CsvImportForm(*((request.POST, request.FILES) if request.method == "POST" else ()))
        if form.is_valid():
            try:
                return HttpResponseRedirect(address_of(begin_csv(request, form.cleaned_data)))
            except FileError as error:
                form.add_error("file", str(error))
        back = reverse("admin:contacts_contact_changelist")
        return confirm(request, button=BulkButton("Import CSV"), text=ABOUT_IMPORT, form=form, back=back)


def list_links(request: HttpRequest) -> list[dict[str, Any]]:
    """The buttons on top of the list, for those who may press them."""
    query = request.GET.urlencode()
    offered = [
        ("import", "Import CSV", "upload_file", ADD, ""),
        ("export", "Export CSV", "download", EXPORT, f"?{query}" if query else ""),
    ]
    return [
        {
            "title": title,
            "icon": icon,
            "variant": BulkButton(title).variant.DEFAULT,
            "path": f"{reverse(f'admin:contacts_contact_{name}')}{parameters}",
            "attrs": {},
        }
        for name, title, icon, permission, parameters in offered
        if request.user.has_perm(permission)
    ]


def send_file(contacts: QuerySet[Contact]) -> HttpResponseBase:
    return send_csv(export_contacts(contacts), f"contacts-{timezone.now():%Y-%m-%d}.csv")


def log_export(request: HttpRequest, what: str) -> None:
    """Without what was searched for, which may be a name."""
    LogEntry.objects.create(
        user=cast(User, request.user),
        content_type=ContentType.objects.get_for_model(Contact),
        object_repr="Contacts",
        action_flag=CHANGE,
        change_message=f"Exported contacts: {what}.",
    )
