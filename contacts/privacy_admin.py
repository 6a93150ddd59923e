"""A person's right to see what is held about them and to be forgotten: the contact's buttons, and the receipts."""

import json
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import DropdownFilter
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminTextInputWidget

from contacts.erasure import ErasurePreview, erase, preview_erasure
from contacts.models import Contact, Erasure
from contacts.personal_data import export_person
from integrations.admin.base import Admin, Button, ButtonForm, DetailAdmin, LongListMixin, ReadOnlyMixin
from integrations.admin.formats import NOTHING, link_to, show_instant
from integrations.admin.panels import Panel, panel_on

MAY_ERASE = "contacts.erase_contact"
MAY_EXPORT = "contacts.access_contact_data"
WORD = "ERASE"
# Payloads that a preview reads: hundreds of thousands would take minutes.
MOST_READ = 2_000
NOTHING_ELSEWHERE = "Nothing: this person is in no other system that is connected here."
DELETE_THERE = (
    "Keepsync forgets this person; these systems do not. Delete each of these records there, or what they send next "
    "may be somebody new to Keepsync. Letters and messages that have gone out cannot be called back."
)


class ErasedFilter(DropdownFilter):
    """Erased people are left out unless they are asked for."""

    title = "erased people"
    parameter_name = "erased"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("only", "Only erased people"), ("too", "Erased people too")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Contact]) -> QuerySet[Contact]:
        match self.value():
            case "too":
                return queryset
            case "only":
                return queryset.filter(erased_at__isnull=False)
        return queryset.filter(erased_at=None)


# --- Exporting --------------------------------------------------------------------------------------------------------


def run_export(request: HttpRequest, contact: Contact, values: dict[str, Any]) -> HttpResponse:
    text = json.dumps(export_person(contact), ensure_ascii=False, indent=2)
    headers = {
        "Content-Disposition": f'attachment; filename="person-{contact.pk}.json"',
        "Cache-Control": "no-store",
    }
    return HttpResponse(text, content_type="application/json", headers=headers)


EXPORT = Button(
    name="export_person",
    label="Export data",
    icon="download",
    permission=MAY_EXPORT,
    explain=lambda contact: (
        "All that is held about this person is put into one JSON file, in clear: fields, identifiers, consents, "
        "meetings, payments, the payloads that tell of nobody else, and every change. That you have exported it is "
        "written down."
    ),
    run=run_export,
    log="Exported all that is held about this person",
)


# --- Erasing ----------------------------------------------------------------------------------------------------------


class EraseForm(ButtonForm):
    word = forms.CharField(
        label="Confirmation",
        help_text=f"Type {WORD}, in capitals. There is no way back.",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}),
    )

    def clean_word(self) -> str:
        if self.cleaned_data["word"] != WORD:
            raise forms.ValidationError(f"Type {WORD}, in capitals.")
        return WORD


def run_erasure(request: HttpRequest, contact: Contact, values: dict[str, Any]) -> str:
    count = len(erase(contact, user=cast(User, request.user)).elsewhere)
    stays = f" {count} records stay in other systems: the receipt lists them." if count else ""
    return f"The person is erased.{stays}"


def show_preview(contact: Contact) -> list[Panel]:
    found = preview_erasure(contact, most_read=MOST_READ)
    rows = [[kind.capitalize(), count] for kind, count in found.counts.items() if count]
    return [
        Panel("What is forgotten here", headers=["What", "How many"], rows=rows, note=describe_payloads(found)),
        show_elsewhere([[each.connection, each.what, each.external_id] for each in found.elsewhere]),
    ]


def describe_payloads(found: ErasurePreview) -> str:
    said = []
    if found.is_partial:
        said.append(
            f"Of the payloads that no booking or record leads to, the newest {MOST_READ:,} were looked through for "
            "this page: erasing looks through them all."
        )
    if found.waiting:
        said.append(f"{found.waiting} of the payloads wait to be worked on, and are emptied after that.")
    if found.stuck:
        said.append(
            f"{found.stuck} were refused or have failed for good, and are closed: replay them first if they are news "
            "of others too."
        )
    return " ".join(said)


def show_elsewhere(rows: list[list[str]]) -> Panel:
    return Panel(
        "What stays elsewhere",
        headers=["Connection", "Record", "Id there"],
        rows=rows,
        empty=NOTHING_ELSEWHERE,
        note=DELETE_THERE if rows else "",
    )


ERASE = Button(
    name="erase",
    label="Erase this person",
    icon="person_remove",
    permission=MAY_ERASE,
    explain=lambda contact: (
        "All that this person is recognised by, said and did is forgotten for good, with its history and the payloads "
        "that brought it. An empty row stays, so that an older message brings nobody back. A new booking by the same "
        "person makes a new contact."
    ),
    fits=lambda contact: contact.erased_at is None,
    run=run_erasure,
    log="Erased the person",
    form=EraseForm,
    variant=ActionVariant.DANGER,
    preview=show_preview,
)


# --- Receipts ---------------------------------------------------------------------------------------------------------


@panel_on(Contact, rank=-1)
def show_receipt(request: HttpRequest, contact: Contact) -> Panel | None:
    """Only of somebody who was erased."""
    if contact.erased_at is None:
        return None
    receipts = Erasure.objects.filter(contact=contact).select_related("user")
    rows = [[link_to(each, "Receipt"), show_instant(each.made_at), each.user or "In the shell"] for each in receipts]
    empty = "It went into another contact, which was erased: see there."
    return Panel("This person was erased", headers=["Receipt", "When", "By"], rows=rows, empty=empty)


@panel_on(Erasure)
def show_counts(request: HttpRequest, erasure: Erasure) -> Panel:
    rows = [[kind.capitalize(), count] for kind, count in sorted(erasure.counts.items()) if count]
    return Panel("What was forgotten", headers=["What", "How many"], rows=rows, empty="Nothing was left.")


@panel_on(Erasure)
def show_what_stays(request: HttpRequest, erasure: Erasure) -> Panel:
    return show_elsewhere([[each["connection"], each["what"], each["external_id"]] for each in erasure.elsewhere])


@admin.register(Erasure)
class ErasureAdmin(ReadOnlyMixin, LongListMixin, DetailAdmin, Admin):
    when_empty = "Nobody was erased. A contact's page has a button for it; the receipt stands here."
    list_display = ("made", "user", "contact_link", "records_elsewhere")
    list_select_related = ("user", "contact")
    ordering = ("-id",)
    fields = ("contact_link", "user", "made")

    @admin.display(description="when")
    def made(self, erasure: Erasure) -> str:
        return show_instant(erasure.made_at)

    @admin.display(description="contact")
    def contact_link(self, erasure: Erasure) -> str:
        return link_to(erasure.contact, erasure.contact_id)

    @admin.display(description="records elsewhere")
    def records_elsewhere(self, erasure: Erasure) -> object:
        return len(erasure.elsewhere) or NOTHING
