"""Regions in the admin: which countries each has, and the one that a person sets for a contact."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from contacts.models import Contact
from contacts.region_setting import REASON_LENGTH, set_region
from contacts.residency import place_of
from contacts.residency_report import read_full_policy
from integrations.admin.base import Admin, Button, ButtonForm, HistoryAdmin
from integrations.admin.formats import NOTHING, show_instant
from integrations.admin.panels import Panel, panel_on
from integrations.jobs import queue_look_at_crossings
from integrations.models import Region

# --- Regions ----------------------------------------------------------------------------------------------------------


class RegionForm(forms.ModelForm):
    countries = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="Two-letter codes, such as FR, DE. Each is in one region; others are of the rest of the world.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["countries"] = ", ".join(self.instance.countries)

    def clean_countries(self) -> list[str]:
        codes = str(self.cleaned_data["countries"]).upper().replace(",", " ").split()
        if wrong := [code for code in codes if not (len(code) == 2 and code.isascii() and code.isalpha())]:
            raise forms.ValidationError(f"{wrong[0][:20]} is no two-letter code.")
        taken = Region.objects.exclude(pk=self.instance.pk).filter(countries__overlap=codes).first()
        if taken:
            both = ", ".join(sorted({*taken.countries} & {*codes}))
            raise forms.ValidationError(f"{both}: in {taken} already. Take it out there first.")
        return sorted(set(codes))


@admin.register(Region)
class RegionAdmin(HistoryAdmin, Admin):
    form = RegionForm
    when_empty = "Add the regions in which your people and your systems are."
    list_display = ("code", "name", "listed")
    fields = ("code", "name", "countries")
    show_facets = admin.ShowFacets.NEVER

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("code",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Contacts, connections and rules name it: take its countries away instead."""
        return False

    @admin.display(description="countries")
    def listed(self, region: Region) -> str:
        return ", ".join(region.countries) or "All that no other region names, where it is world"

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        queue_look_at_crossings()


# --- On a contact's page ----------------------------------------------------------------------------------------------


class RegionSettingForm(ButtonForm):
    region = forms.ChoiceField(
        choices=lambda: [("", "As the country says"), *((each.code, str(each)) for each in Region.objects.all())],
        required=False,
        widget=UnfoldAdminSelectWidget,
    )
    reason = forms.CharField(
        max_length=REASON_LENGTH,
        widget=UnfoldAdminTextInputWidget,
        help_text="It is kept in the contact's history: name no person.",
    )


@transaction.atomic
def run_setting(request: HttpRequest, contact: Contact, values: dict[str, Any]) -> str:
    user: Any = request.user
    set_region(contact, values["region"], reason=values["reason"], user=user)
    queue_look_at_crossings()
    return "The region is set. What waited and may go now goes on by itself."


SET_REGION = Button(
    name="set_region",
    label="Set region",
    icon="public",
    permission="contacts.change_contact",
    explain=lambda contact: (
        "The region decides to which connections this person's data may go, before what the country says. "
        "What may not go from now on waits; what is over there already stays there."
    ),
    fits=lambda contact: not contact.erased_at and not contact.merged_into_id,
    form=RegionSettingForm,
    run=run_setting,
    log="Set the region",
)


@panel_on(Contact, rank=1)
def show_place(request: HttpRequest, contact: Contact) -> Panel | None:
    """Nothing is said about it as long as nothing is set."""
    policy = read_full_policy()
    if contact.erased_at or not (policy.is_on or contact.region):
        return None
    place = place_of(contact, policy)
    set_last = find_last_setting(contact) if contact.region else None
    why = [set_last.history_user or NOTHING, set_last.history_change_reason] if set_last else [NOTHING, NOTHING]
    since = show_instant(set_last.history_date if set_last else None)
    rows = [[policy.name(place.region), str(place.basis).capitalize(), since, *why]]
    return Panel("Region", headers=["Region", "Decided by", "Set", "By", "Because"], rows=rows)


def find_last_setting(contact: Contact) -> Any:
    """The history row in which somebody set the region, and said why; None where a merge brought it."""
    told = contact.history.filter(region=contact.region, history_change_reason__isnull=False)
    return told.select_related("history_user").order_by("-history_date").first()
