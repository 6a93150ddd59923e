"""What can be done with a connection: test, pause, resume, disable, and the rotation of its webhook secrets."""

from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from integrations.admin.base import Button, ButtonForm, show_page
from integrations.admin.formats import address_of, format_utc, relate
from integrations.connections import add_secret, check_connection, retire_secret
from integrations.jobs import change_status
from integrations.models import Connection, WebhookSecret

Status = Connection.Status
CHANGE = "integrations.change_connection"
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
            f"Webhooks of {row} are still accepted and stored, but not worked on. They wait until it is resumed."
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
        explain=lambda row: f"{row} becomes active, and all deliveries that waited are queued.",
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
        name="add_secret",
        label="Add secret",
        icon="add",
        permission=CHANGE,
        explain=lambda row: (
            "A second webhook secret becomes active beside those there are, so that a rotation has no gap. "
            "It is shown once."
        ),
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
        form=RetireForm,
        run=retire,
        log="Retired a webhook secret",
    ),
]
