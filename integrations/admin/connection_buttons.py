"""What can be done with a connection: test, pause, resume, disable, give it credentials, and rotate its secrets."""

from typing import Any

from django import forms
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from integrations.admin.base import Button, ButtonForm, show_page
from integrations.admin.connection_forms import CredentialsForm
from integrations.admin.formats import address_of, format_utc, name_provider, relate
from integrations.admin.mapping_files import CHANGE as CHANGE_MAPPING
from integrations.admin.mapping_files import ImportForm, import_file
from integrations.connections import add_secret, asked_credentials, check_connection, retire_secret, set_credentials
from integrations.jobs import change_status
from integrations.models import Connection, WebhookSecret
from integrations.pairs import prepare
from integrations.providers import PROVIDERS
from integrations.providers.crm import Crm

Status = Connection.Status
CHANGE = "integrations.change_connection"
TEST_THEM = "Test the connection to see whether they are right."
SHOWN_ONCE = "The secret is shown once. Copy it now: it is stored encrypted, and no page shows it again."


class SecretForm(ButtonForm):
    webhook_secret = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Empty: one is made.",
    )


class RetireForm(ButtonForm):
    secret = forms.ModelChoiceField(queryset=WebhookSecret.objects.none(), widget=UnfoldAdminSelectWidget)

    def __init__(self, row: Connection, *args: Any, **kwargs: Any) -> None:
        super().__init__(row, *args, **kwargs)
        field: Any = self.fields["secret"]
        field.queryset = active_secrets(row)
        field.label_from_instance = lambda secret: f"made {relate(secret.created_at)} ({format_utc(secret.created_at)})"


def active_secrets(connection: Connection) -> QuerySet[WebhookSecret]:
    return connection.webhook_secrets.filter(retired_at=None).defer("secret")


def webhook_address(connection: Connection) -> str:
    return f"{settings.BASE_URL}/webhooks/{connection.slug}/"


def sends_webhooks(connection: Connection) -> bool:
    """Also of a provider that this version does not know: its secrets are still there."""
    known = PROVIDERS.get(connection.provider)
    return known is None or bool(known.signature_header)


def is_crm(connection: Connection) -> bool:
    return isinstance(PROVIDERS.get(connection.provider), Crm)


def needs_credentials(connection: Connection) -> bool:
    return connection.status == Status.NEEDS_REAUTHORISATION


def set_and_report(connection: Connection, status: Connection.Status) -> str:
    waiting = change_status(connection, status)
    queued = f" {len(waiting)} waiting deliveries are queued." if waiting else ""
    return f"{connection} is {status.label.lower()}.{queued}"


def show_new_secret(request: HttpRequest, connection: Connection, values: dict[str, Any]) -> HttpResponse:
    return show_secret(request, connection, add_secret(connection, values["webhook_secret"] or None))


def show_secret(request: HttpRequest, connection: Connection, secret: str) -> HttpResponse:
    return show_page(
        request,
        "keepsync/secret.html",
        title=f"Webhook secret of {connection}",
        warning=SHOWN_ONCE,
        values=[("Webhook secret", secret), ("Webhook address", webhook_address(connection))],
        back=address_of(connection),
    )


def retire(request: HttpRequest, connection: Connection, values: dict[str, Any]) -> str:
    retire_secret(values["secret"])
    return "The secret is retired: webhooks signed with it are refused from now on."


@transaction.atomic
def set_new_credentials(request: HttpRequest, connection: Connection, values: dict[str, Any]) -> str:
    """What waited for reauthorisation goes on."""
    set_credentials(connection, values)
    is_waiting = needs_credentials(connection)
    return f"The credentials are set. {set_and_report(connection, Status.ACTIVE) if is_waiting else TEST_THEM}"


BUTTONS = [
    Button(
        name="test",
        label="Test",
        icon="network_check",
        permission=CHANGE,
        explain=lambda row: f"Keepsync calls {row.provider} once as {row}, and says what it found. Nothing is changed.",
        run=lambda request, row, values: check_connection(row),
        log="Tested the connection",
    ),
    Button(
        name="pause",
        label="Pause",
        icon="pause",
        permission=CHANGE,
        explain=lambda row: (
            f"Webhooks of {row} are still accepted and stored, but not worked on, and nothing goes out there. "
            "Both wait until it is resumed."
        ),
        fits=lambda row: row.status == Status.ACTIVE,
        run=lambda request, row, values: set_and_report(row, Status.PAUSED),
        log="Paused",
    ),
    Button(
        name="resume",
        label="Resume",
        icon="play_arrow",
        permission=CHANGE,
        explain=lambda row: (
            f"{row} becomes active: all deliveries that waited are queued, and what was to go out goes on."
            + (" Its credentials were refused: set new ones first." if needs_credentials(row) else "")
        ),
        fits=lambda row: row.status != Status.ACTIVE,
        run=lambda request, row, values: set_and_report(row, Status.ACTIVE),
        log="Resumed",
        variant=ActionVariant.PRIMARY,
    ),
    Button(
        name="disable",
        label="Disable",
        icon="block",
        permission=CHANGE,
        explain=lambda row: (
            f"Webhooks of {row} are refused with 404 from now on, and what waits is not worked on. "
            "To take webhooks in and let them wait, pause the connection instead."
        ),
        fits=lambda row: row.status != Status.DISABLED,
        run=lambda request, row, values: set_and_report(row, Status.DISABLED),
        log="Disabled",
        variant=ActionVariant.DANGER,
    ),
    Button(
        name="set_credentials",
        label="Set credentials",
        icon="passkey",
        permission=CHANGE,
        explain=lambda row: (
            f"They take the place of those that {name_provider(row.provider)} was called with until now; "
            "what you leave empty is forgotten. They are stored encrypted, and no page shows them."
            + (" What waits for reauthorisation goes on." if needs_credentials(row) else "")
        ),
        fits=lambda row: bool(asked_credentials(row.provider)),
        form=CredentialsForm,
        run=set_new_credentials,
        log="Set new credentials",
    ),
    Button(
        name="prepare",
        label="Prepare",
        icon="construction",
        permission=CHANGE,
        explain=lambda row: (
            f"Keepsync makes the fields that {name_provider(row.provider)} lacks for it, as {row}, "
            "and says what it made. Repeating it is harmless."
        ),
        fits=is_crm,
        run=lambda request, row, values: prepare(row),
        log="Prepared the CRM",
    ),
    Button(
        name="import_mapping",
        label="Import mapping",
        icon="upload_file",
        permission=CHANGE_MAPPING,
        explain=lambda row: (
            f"The file takes the place of all that is mapped for {row} now. "
            "Where anything in it is wrong, nothing changes."
        ),
        fits=is_crm,
        form=ImportForm,
        run=import_file,
        log="Imported the field mapping",
        is_on_top=False,
    ),
    Button(
        name="add_secret",
        label="Add secret",
        icon="add",
        permission=CHANGE,
        explain=lambda row: (
            "A second webhook secret becomes active beside those there are, so that a rotation has no gap. "
            "It is shown once."
        ),
        fits=sends_webhooks,
        form=SecretForm,
        run=show_new_secret,
        log="Added a webhook secret",
    ),
    Button(
        name="retire_secret",
        label="Retire secret",
        icon="key_off",
        permission=CHANGE,
        explain=lambda row: "Webhooks that are signed with this secret are refused from now on. It cannot be undone.",
        fits=sends_webhooks,
        form=RetireForm,
        run=retire,
        log="Retired a webhook secret",
    ),
]
