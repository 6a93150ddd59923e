"""What can be typed in for a connection: credentials, which are never shown again, and options, which are no secret."""

from typing import Any, ClassVar

from django import forms
from django.core.validators import RegexValidator
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from integrations.admin.base import ButtonForm
from integrations.connections import ASKED_OPTIONS, asked_credentials, asked_options, client_credentials
from integrations.models import Connection, Region
from integrations.providers import PROVIDERS

LABELS = {"api_key": "API key", "client_id": "Client id", "webhook_url": "Webhook URL"}
CREDENTIALS = {
    "access_token": "What the provider's API is called with, if you have one.",
    "api_key": "The secret key that the provider shows among its developer settings.",
    "bot_token": "The bot's token, xoxb-…: messages go to the channel that is set.",
    "webhook_url": "An incoming webhook's address: messages go to its own channel. Not needed beside a bot's token.",
}
CLIENT = {
    "client_id": "As what Keepsync is registered at the provider.",
    "client_secret": "The provider shows it beside the client's id.",
}
OPTIONS = tuple(dict.fromkeys(name for names in ASKED_OPTIONS.values() for name in names))
PRINTABLE = RegexValidator(r"^[\x21-\x7e]*$", "Give it as the provider shows it, without spaces or line breaks.")


def ask_credential(name: str) -> forms.CharField:
    """A field that shows nothing of what is stored."""
    return forms.CharField(
        required=False,
        max_length=4096,
        label=LABELS.get(name),
        validators=[PRINTABLE],
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text=f"{(CREDENTIALS | CLIENT)[name]} It is never shown.",
    )


def ask_option(help_text: str, *, label: str | None = None) -> forms.CharField:
    widget = UnfoldAdminTextInputWidget()
    return forms.CharField(required=False, max_length=255, widget=widget, label=label, help_text=help_text)


class ConnectionForm(forms.ModelForm):
    channel = ask_option("The channel that messages are posted to: its id, or its name such as #sales.")
    user_id = ask_option("Who hosts the meetings in Zoom: an id or e-mail. Empty: who authorised it.", label="Host")
    object = forms.ChoiceField(
        required=False,
        choices=[("", "As by default: Contact"), ("Contact", "Contact"), ("Lead", "Lead")],
        widget=UnfoldAdminSelectWidget,
        label="Record",
        help_text="What a contact becomes in Salesforce.",
    )
    from_address = ask_option("Whom letters come from, such as Sales <sales@example.com>. Empty: DEFAULT_FROM_EMAIL.")
    send_emails = forms.ChoiceField(
        required=False,
        choices=[("", "Yes"), ("0", "No")],
        widget=UnfoldAdminSelectWidget,
        label="Send letters",
        help_text="Whether attendees get Keepsync's own letters for bookings of this connection.",
    )

    calendar_id = ask_option(
        "Where a sales rep's meeting is booked whose owner has no calendar: calendar.live's id of one.",
        label="Calendar",
    )

    region = forms.ChoiceField(
        required=False,
        choices=lambda: [("", "Open to all"), *((each.code, str(each)) for each in Region.objects.all())],
        widget=UnfoldAdminSelectWidget,
        help_text="Where it keeps its data. Which contacts may go there is set under Residency.",
    )

    class Meta:
        labels: ClassVar = {"base_url": "Base URL"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.keep_options(asked_options(self.instance.provider))

    def keep_options(self, asked: tuple[str, ...]) -> None:
        for name in OPTIONS:
            if name in asked:
                self.fields[name].initial = self.instance.options.get(name, "")
            else:
                del self.fields[name]

    def read_options(self, provider: str) -> dict[str, str]:
        """The options as they are to be: those asked for as given here, the others as they were."""
        asked = asked_options(provider)
        given = {name: self.cleaned_data[name] for name in asked if self.cleaned_data.get(name)}
        return {name: value for name, value in self.instance.options.items() if name not in asked} | given

    def clean_base_url(self) -> str:
        return str(self.cleaned_data["base_url"]).rstrip("/")

    def clean_default_region(self) -> str:
        region = str(self.cleaned_data["default_region"]).upper()
        if region and not (len(region) == 2 and region.isascii() and region.isalpha()):
            raise forms.ValidationError("Give two letters, such as FR.")
        return region


class NewConnectionForm(ConnectionForm):
    provider = forms.ChoiceField(
        choices=lambda: [(key, provider.name) for key, provider in PROVIDERS.items()], widget=UnfoldAdminSelectWidget
    )
    webhook_secret = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="What the provider signs its webhooks with. Empty: one is made, and shown once.",
    )
    access_token = ask_credential("access_token")
    api_key = ask_credential("api_key")
    bot_token = ask_credential("bot_token")
    webhook_url = ask_credential("webhook_url")

    class Meta:
        model = Connection
        fields: ClassVar = ["slug", "provider", "base_url", "default_region", "region"]
        labels: ClassVar = {"base_url": "Base URL"}

    def read_credentials(self, provider: str) -> dict[str, str]:
        """Those that fit the provider: the page hides the other fields."""
        asked = asked_credentials(provider)
        return {name: self.cleaned_data[name] for name in asked if self.cleaned_data.get(name)}


class CredentialsForm(ButtonForm):
    """Empty fields for all that the connection's provider takes. A client is kept where its fields are left empty."""

    def __init__(self, row: Connection, *args: Any, **kwargs: Any) -> None:
        super().__init__(row, *args, **kwargs)
        for name in (*asked_credentials(row.provider), *client_credentials(row.provider)):
            self.fields[name] = ask_credential(name)

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if not self.errors and not any(given.values()):
            raise forms.ValidationError("Give at least one of these.")
        return given


def show_for(provider_names: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """Field → when the add form shows it, as a condition over its chosen provider."""
    takers: dict[str, list[str]] = {}
    for provider, names in provider_names.items():
        for name in names:
            takers.setdefault(name, []).append(provider)
    # On the page of a connection that is there already, the provider cannot be chosen.
    return {
        name: f"typeof provider === 'undefined' || {takers_of!r}.includes(provider)"
        for name, takers_of in takers.items()
    }


CONDITIONS = show_for(
    {
        provider: (
            *asked_credentials(provider),
            *asked_options(provider),
            *(["webhook_secret"] if adapter.signature_header else []),
        )
        for provider, adapter in PROVIDERS.items()
    }
)
