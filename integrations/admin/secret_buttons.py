"""What can be done with a connection's webhook secrets: add one, retire one, verify what was refused again."""

from typing import Any

from django import forms
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldBooleanWidget

from integrations.admin.base import Button, ButtonForm, show_page
from integrations.admin.formats import address_of, format_utc
from integrations.jobs import queue_deliveries
from integrations.models import Connection, WebhookSecret
from integrations.providers import PROVIDERS
from integrations.webhook_secrets import (
    MADE_BY_SENDER,
    VerifiedAgain,
    add_secret,
    count_rejected,
    list_active,
    retire_secret,
    verify_rejected_again,
)

CHANGE = "integrations.change_connection"
OPERATE = "integrations.operate_delivery"
PAGE = "secrets"
# By it the page finds who made a secret.
ADDED = "Added a webhook secret"
SHOWN_ONCE = "The secret is shown once. Copy it now: it is stored encrypted, and no page shows it again."
FORCE = (
    "What the sender still signs with this secret is refused from then on, and waits among the rejected deliveries "
    "until it is verified again."
)


class SecretForm(ButtonForm):
    webhook_secret = forms.CharField(
        required=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Empty: one is made.",
    )

    def __init__(self, row: Connection, *args: Any, **kwargs: Any) -> None:
        super().__init__(row, *args, **kwargs)
        if row.provider in MADE_BY_SENDER:
            field = self.fields["webhook_secret"]
            field.required = True
            field.help_text = "The one that the sender has made: it cannot be chosen here."


class RetireForm(ButtonForm):
    secret = forms.ModelChoiceField(queryset=WebhookSecret.objects.none(), widget=UnfoldAdminSelectWidget)
    force = forms.BooleanField(
        required=False, widget=UnfoldBooleanWidget, label="Also if it is still in use", help_text=FORCE
    )

    def __init__(self, row: Connection, *args: Any, **kwargs: Any) -> None:
        super().__init__(row, *args, **kwargs)
        field: Any = self.fields["secret"]
        field.queryset = list_active(row).defer("secret")
        field.label_from_instance = lambda secret: f"{secret.pk}, made {format_utc(secret.created_at)}"


def webhook_address(connection: Connection) -> str:
    return f"{settings.BASE_URL}/webhooks/{connection.slug}/"


def sends_webhooks(connection: Connection) -> bool:
    """Also of a provider that this version does not know: its secrets are still there."""
    known = PROVIDERS.get(connection.provider)
    return known is None or bool(known.signature_header)


def show_new_secret(request: HttpRequest, connection: Connection, values: dict[str, Any]) -> HttpResponse:
    secret = add_secret(connection, values["webhook_secret"] or None)
    return show_secret(request, connection, secret, back=address_of(connection, PAGE))


def show_secret(request: HttpRequest, connection: Connection, secret: str, *, back: str = "") -> HttpResponse:
    return show_page(
        request,
        "keepsync/secret.html",
        title=f"Webhook secret of {connection}",
        warning=SHOWN_ONCE,
        values=[("Webhook secret", secret), ("Webhook address", webhook_address(connection))],
        back=back or address_of(connection),
    )


def retire(request: HttpRequest, connection: Connection, values: dict[str, Any]) -> str:
    retire_secret(values["secret"], force=values["force"])
    return "The secret is retired: webhooks signed with it are refused from now on."


@transaction.atomic
def verify_rejected(request: HttpRequest, connection: Connection, values: dict[str, Any]) -> str:
    found = verify_rejected_again(connection)
    queue_deliveries(found.accepted)
    return describe_verified(found)


def describe_verified(found: VerifiedAgain) -> str:
    repeats = f" Repeats of accepted deliveries, closed: {found.repeats:,}." if found.repeats else ""
    more = " There are older ones, which were not looked at." if found.has_more else ""
    return f"Accepted now and queued: {len(found.accepted):,}.{repeats} Still refused: {found.refused:,}.{more}"


BUTTONS = [
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
        log=ADDED,
        is_on_top=False,
        back=PAGE,
    ),
    Button(
        name="retire_secret",
        label="Retire secret",
        icon="key_off",
        permission=CHANGE,
        explain=lambda row: (
            "Webhooks that are signed with this secret are refused from now on. It cannot be undone. "
            "One that is still in use is not retired, unless you say so below."
        ),
        fits=sends_webhooks,
        form=RetireForm,
        run=retire,
        log="Retired a webhook secret",
        variant=ActionVariant.DANGER,
        is_on_top=False,
        back=PAGE,
    ),
    Button(
        name="verify_rejected",
        label="Verify refused requests again",
        icon="verified_user",
        permission=OPERATE,
        explain=lambda row: (
            f"All requests of {row} that were refused and kept ({count_rejected(row):,} in the last 24 hours) are "
            "checked against the secrets that are active now. What one of them signed is accepted and worked on."
        ),
        fits=sends_webhooks,
        run=verify_rejected,
        log="Verified refused requests again",
        variant=ActionVariant.PRIMARY,
        is_on_top=False,
        back=PAGE,
    ),
]
