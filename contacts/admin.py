"""Contacts: found by name, e-mail or phone; their fields edited, with every change's cause in the history."""

import json
import re
import zoneinfo
from collections.abc import Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from contacts import dashboard, detection_admin, import_admin, lead_admin, merge_admin, residency_admin, review_admin  # noqa: F401
from contacts.aliases import find_living
from contacts.consent_admin import RECORD_CONSENT
from contacts.crm_changes import BY_HAND
from contacts.identifiers import hold, list_values, normalise_typed_phone
from contacts.models import Contact, ContactLink, Identifier, Matched
from contacts.normalisation import normalise_email, split_words
from contacts.privacy_admin import ERASE, EXPORT, ErasedFilter
from contacts.region_admin import SET_REGION
from contacts.sync import plan_elsewhere
from contacts.transfer_admin import TransferMixin
from contacts.upserts import save_edited
from integrations.admin.base import DetailAdmin, HistoryAdmin, LongListMixin
from integrations.admin.effect_panels import list_effects_of
from integrations.admin.filters import SeenFilter
from integrations.admin.formats import NOTHING, link_to, read_uuid, show_choice, show_instant, show_label
from integrations.admin.panels import Panel, panel_on
from integrations.admin.subjects import page_of
from integrations.admin.write_panels import list_writes_of
from integrations.jobs import wake_planned
from integrations.privacy import blind_index
from integrations.privacy.encryption import list_unreadable

Kind = Identifier.Kind
LEAD_VARIANTS = {
    Contact.LeadStatus.NEW: "info",
    Contact.LeadStatus.CONTACTED: "primary",
    Contact.LeadStatus.QUALIFIED: "success",
    Contact.LeadStatus.CUSTOMER: "success",
}
TYPED_NUMBER = re.compile(r"[+(]?[\d\s()./-]{5,}")


def find_contacts(contacts: QuerySet[Contact], text: str) -> QuerySet[Contact]:
    """Those with this e-mail or phone, or with names that begin with each of the words."""
    if "@" in text:
        found: QuerySet[Contact] = hold(contacts, Kind.EMAIL, normalise_email(text))
        return found
    if TYPED_NUMBER.fullmatch(text):
        found = hold(contacts, Kind.PHONE, normalise_typed_phone(text))
        return found
    words = split_words(text)
    return contacts.filter(name_words__contains=blind_index.search_words("name", words)) if words else contacts.none()


class ContactForm(forms.ModelForm):
    full_name = forms.CharField(label="Full name", required=False, max_length=300, widget=UnfoldAdminTextInputWidget)
    company = forms.CharField(label="Company", required=False, max_length=300, widget=UnfoldAdminTextInputWidget)
    notes = forms.CharField(label="Notes", required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 4}))

    def clean_timezone(self) -> str:
        name = str(self.cleaned_data["timezone"])
        if name and name not in zoneinfo.available_timezones():
            raise forms.ValidationError("Give an IANA time zone, such as Europe/Paris.")
        return name

    def clean_country(self) -> str:
        country = str(self.cleaned_data["country"]).upper()
        if country and not (len(country) == 2 and country.isascii() and country.isalpha()):
            raise forms.ValidationError("Give two letters, such as FR.")
        return country


class LeadSourceFilter(SeenFilter):
    title = "lead source"
    parameter_name = "lead_source"


@admin.register(Contact)
class ContactAdmin(TransferMixin, LongListMixin, HistoryAdmin, DetailAdmin):
    form = ContactForm
    when_empty = "People come with their bookings. Import those that you have, from a CSV file or a CRM."
    list_display = ("name", "company", "emails", "phones", "lead_state", "lead_source", "updated")
    list_filter = (("lead_status", ChoicesDropdownFilter), LeadSourceFilter, ErasedFilter)
    buttons = (RECORD_CONSENT, SET_REGION, EXPORT, ERASE)
    ordering = ("-id",)
    search_fields = ("id",)
    search_help_text = "Beginning of a name, e-mail, or phone"
    readonly_fields = ("id", "lead_source", "lead_score", "merged", "created", "updated")
    autocomplete_fields = ("owner",)
    fieldsets = (
        (None, {"fields": ("full_name", "company", ("country", "timezone"), "notes")}),
        ("Lead", {"fields": ("lead_status", "owner", "lead_source", "lead_score")}),
        ("Record", {"fields": ("id", "merged", "created", "updated")}),
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """People become contacts by booking."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Contact | None = None) -> bool:
        """Nothing is written about somebody who was erased."""
        return not (obj and obj.erased_at) and super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Contact | None = None) -> Any:
        """Texts whose key is missing are not typed over: they are back with their key."""
        texts = ("full_name", "company", "notes") if obj is not None and list_unreadable(obj) else ()
        return (*texts, *self.readonly_fields)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Contact]:
        found: QuerySet[Contact] = super().get_queryset(request)
        return found.prefetch_related("identifiers")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Contact], search_term: str
    ) -> tuple[QuerySet[Contact], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        if key := read_uuid(text):
            return queryset.filter(pk=key), False
        return find_contacts(queryset, text), False

    def save_model(self, request: HttpRequest, obj: Contact, form: Any, change: bool) -> None:
        """Only what was changed here, on the row's latest state: a delivery may have changed the rest meanwhile."""
        latest = Contact.objects.select_for_update().get(pk=obj.pk)
        for field in form.changed_data:
            setattr(latest, field, getattr(obj, field))
            # A state that a provider had before this moment must not undo it.
            latest.provenance[field] = [timezone.now().isoformat(), BY_HAND]
        if form.changed_data:
            save_edited(latest, form.changed_data)
            bring_to_crms(latest)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> LogEntry:
        """Under the contact's id: names are encrypted, and the log is not."""
        return LogEntry.objects.create(
            user=cast(User, request.user),
            content_type=ContentType.objects.get_for_model(obj),
            object_id=obj.pk,
            object_repr=f"Contact {obj.pk}",
            action_flag=CHANGE,
            change_message=message if isinstance(message, str) else json.dumps(message),
        )

    @admin.display(description="name")
    def name(self, contact: Contact) -> str:
        return str(contact) if contact.erased_at else contact.full_name or "(no name)"

    @admin.display(description="e-mail")
    def emails(self, contact: Contact) -> str:
        return show_lines(list_values(contact, Kind.EMAIL))

    @admin.display(description="phone")
    def phones(self, contact: Contact) -> str:
        return show_lines(list_values(contact, Kind.PHONE))

    @admin.display(description="lead status")
    def lead_state(self, contact: Contact) -> str:
        return show_choice(contact, "lead_status", LEAD_VARIANTS)

    @admin.display(description="merged into")
    def merged(self, contact: Contact) -> str:
        """The contact that it is part of by now, over any number of merges."""
        return link_to(Contact.objects.get(pk=find_living(contact.pk))) if contact.merged_into_id else NOTHING

    @admin.display(description="created")
    def created(self, contact: Contact) -> str:
        return show_instant(contact.created_at)

    @admin.display(description="updated")
    def updated(self, contact: Contact) -> str:
        return show_instant(contact.updated_at)


def bring_to_crms(contact: Contact) -> None:
    """An edit goes where the contact is already. In the open transaction."""
    plan_elsewhere(contact)
    wake_planned()


@page_of("contact")
def find_contact_page(key: str) -> str:
    return reverse("admin:contacts_contact_change", args=[key])


def show_lines(texts: Sequence[str]) -> str:
    return format_html_join("", "<div>{}</div>", ((text,) for text in texts)) or NOTHING


@panel_on(Contact)
def show_identifiers(request: HttpRequest, contact: Contact) -> Panel:
    return Panel(
        "E-mails, phones and ids",
        headers=["Kind", "Value", "Connection", "State", "How it came here", "Since"],
        rows=[
            [
                identifier.get_kind_display(),
                identifier.value or NOTHING,
                identifier.connection or NOTHING,
                describe_identifier(identifier),
                describe_match(identifier),
                show_instant(identifier.created_at),
            ]
            for identifier in contact.identifiers.select_related("connection")
        ],
    )


def describe_identifier(identifier: Identifier) -> str:
    if not identifier.value:
        return show_label("Forgotten, known by its hash")
    if not identifier.is_current:
        return show_label("Given up")
    if identifier.index is None:
        return show_label("As typed, never matched", "warning")
    return show_label("Shared, identifies nobody", "warning") if identifier.is_shared else show_label("Held", "success")


def describe_match(row: Matched) -> SafeString | str:
    """How the person who brought it was matched with this contact, and why."""
    return show_lines([row.get_matched_by_display(), row.matched_because]) if row.matched_by else NOTHING


@panel_on(Contact, rank=1)
def show_links(request: HttpRequest, contact: Contact) -> Panel:
    links = ContactLink.objects.filter(contact=contact).select_related("connection")
    rows = [
        [
            link_to(link.connection),
            link.external_id,
            describe_match(link),
            show_instant(link.pushed_at),
            show_instant(link.created_at),
        ]
        for link in links.defer("connection__credentials")
    ]
    headers = ["Connection", "External id", "How it came here", "Last sent", "Since"]
    return Panel("At CRMs", headers=headers, rows=rows, empty="It is at no CRM.")


@panel_on(Contact, rank=2)
def show_writes(request: HttpRequest, contact: Contact) -> Panel | None:
    return list_writes_of(f"contact:{contact.pk}")


@panel_on(Contact, rank=2)
def show_effects(request: HttpRequest, contact: Contact) -> Panel:
    return list_effects_of([f"contact:{contact.pk}"])
