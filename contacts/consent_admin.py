"""What a contact said about being written to: all of it on the contact's page, and what somebody records by hand."""

from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminSplitDateTimeWidget, UnfoldAdminTextareaWidget

from contacts.consent import ConsentSource, Said, find_latest, record_consents
from contacts.models import Consent, Contact
from integrations.admin.base import Button, ButtonForm
from integrations.admin.formats import NOTHING, address_of, link, show_instant, show_label
from integrations.admin.panels import Panel, panel_on
from integrations.exceptions import StateError

BY_HAND = "admin"
MAY_RECORD = "contacts.change_contact"
SHOWN = 100
ANSWERS = [("yes", "Yes, they may be written to"), ("no", "No: refused, or taken back")]


class ConsentForm(ButtonForm):
    purpose = forms.ChoiceField(choices=Consent.Purpose, widget=UnfoldAdminSelectWidget)
    channel = forms.ChoiceField(choices=Consent.Channel, widget=UnfoldAdminSelectWidget)
    answer = forms.ChoiceField(choices=ANSWERS, widget=UnfoldAdminSelectWidget)
    given_at = forms.SplitDateTimeField(
        label="When it was said",
        initial=timezone.now,
        widget=UnfoldAdminSplitDateTimeWidget,
        help_text="In UTC. The latest word counts.",
    )
    wording = forms.CharField(
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="What the person was asked and has answered, in these words, and where: on the phone, at a fair.",
    )

    def clean_given_at(self) -> Any:
        given_at = self.cleaned_data["given_at"]
        if given_at > timezone.now():
            raise forms.ValidationError("Nobody has said anything in the future.")
        return given_at


@transaction.atomic
def record(request: HttpRequest, contact: Contact, values: dict[str, Any]) -> str:
    """On the living contact, locked."""
    living = Contact.objects.select_for_update(no_key=True).get(pk=contact.pk)
    if living.merged_into_id:
        raise StateError("It was merged meanwhile: record it with the contact that it went into.")
    said = Said(
        purpose=Consent.Purpose(values["purpose"]),
        channel=Consent.Channel(values["channel"]),
        is_given=values["answer"] == "yes",
        given_at=values["given_at"],
        wording=values["wording"],
    )
    if not record_consents(living, [said], ConsentSource(BY_HAND)):
        raise StateError("This was recorded before.")
    return "The consent is recorded." if said.is_given else "The refusal is recorded."


RECORD_CONSENT = Button(
    name="record_consent",
    label="Record a consent",
    permission=MAY_RECORD,
    explain=lambda contact: (
        "What the person has said about being written to is kept with its wording and time. It is sent to no other "
        "system."
    ),
    fits=lambda contact: contact.erased_at is None and contact.merged_into_id is None,
    run=record,
    log="Recorded a consent",
    form=ConsentForm,
    variant=ActionVariant.PRIMARY,
    is_on_top=False,
)


@panel_on(Contact)
def show_consents(request: HttpRequest, contact: Contact) -> Panel:
    consents = list(Consent.objects.filter(contact=contact)[:SHOWN])
    latest = {consent.pk for consent in find_latest(consents)}
    rows = [
        [
            consent.get_purpose_display(),
            consent.get_channel_display(),
            show_label("Yes", "success") if consent.is_given else show_label("No", "danger"),
            show_label("Counts", "info") if consent.pk in latest else "Replaced",
            show_instant(consent.given_at),
            consent.source,
            consent.wording or NOTHING,
            show_origin(consent),
        ]
        for consent in consents
    ]
    return Panel(
        "Consents",
        headers=["For", "By", "Answer", "", "Said", "Source", "Wording", "Brought by"],
        rows=rows,
        empty="Nothing was said. Messages about a booking may be sent, anything else may not.",
        links=show_link(request, contact),
    )


def show_link(request: HttpRequest, contact: Contact) -> list[Any]:
    may_record = request.user.has_perm(MAY_RECORD) and RECORD_CONSENT.fits(contact)
    return [link(address_of(contact, RECORD_CONSENT.name), RECORD_CONSENT.label)] if may_record else []


def show_origin(consent: Consent) -> object:
    if consent.delivery_id is None:
        return NOTHING
    return link(reverse("admin:integrations_delivery_change", args=[consent.delivery_id]), "Delivery")
