"""Making and changing connections. Everything that the webhook intake must see at once raises the generation."""

import secrets
from collections.abc import Mapping
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from integrations.exceptions import SetupError, StateError
from integrations.models import Connection, Delivery, WebhookSecret
from integrations.providers import get_provider
from integrations.providers.base import Account

CREDENTIALS = (
    "client_id",
    "client_secret",
    "access_token",
    "refresh_token",
    "expires_in",
    "api_key",
    "bot_token",
    "webhook_url",
)
OPTIONS = (
    "scope",
    "channel",
    "account_id",
    "default_region",
    "calendar_id",
    "authorize_url",
    "token_url",
    "user_id",
    "object",
    "from_address",
    "send_emails",
)
# What a person is asked for in the admin, by provider; the shell takes all of the above. A token where none is named.
ASKED_CREDENTIALS = {
    "email": (),
    "pipedrive": ("access_token", "api_key"),
    "slack": ("bot_token", "webhook_url"),
    "stripe": ("api_key",),
}
ASKED_OPTIONS = {
    "calendar_live": ("send_emails",),
    "email": ("from_address",),
    "salesforce": ("object",),
    "slack": ("channel",),
    "zoom": ("user_id",),
}


def asked_credentials(provider: str) -> tuple[str, ...]:
    return ASKED_CREDENTIALS.get(provider, ("access_token",))


def asked_options(provider: str) -> tuple[str, ...]:
    return ASKED_OPTIONS.get(provider, ())


@transaction.atomic
def add_connection(
    *,
    provider: str,
    slug: str,
    base_url: str = "",
    webhook_secret: str | None = None,
    options: Mapping[str, str] | None = None,
) -> tuple[Connection, str]:
    """A new connection and its webhook secret, which is made where none is given.

    Raises SetupError, naming what is wrong: an unknown provider or option, a slug that is taken or malformed.
    """
    get_provider(provider)
    given = dict(options or {})
    unknown = given.keys() - {*CREDENTIALS, *OPTIONS}
    if unknown:
        known = ", ".join((*CREDENTIALS, *OPTIONS))
        raise SetupError(f"unknown option {', '.join(sorted(unknown))}; known are: {known}.")
    connection = Connection(
        slug=slug,
        provider=provider,
        base_url=base_url.rstrip("/"),
        default_region=given.pop("default_region", "").upper(),
        credentials={name: given[name] for name in CREDENTIALS if name in given},
        options={name: given[name] for name in OPTIONS if name in given},
    )
    try:
        connection.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise SetupError(f"{field}: {' '.join(messages)}") from error
    connection.save()
    return connection, add_secret(connection, webhook_secret)


def add_secret(connection: Connection, secret: str | None = None) -> str:
    """Make a webhook secret active beside those there are, and return it: this is the only time that it is shown."""
    secret = secret or f"whsec_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        WebhookSecret.objects.create(connection=connection, secret=secret)
        mark_changed(connection)
    return secret


def retire_secret(secret: WebhookSecret) -> None:
    """Raises StateError for the last active secret, without which no webhook could be verified."""
    active = WebhookSecret.objects.filter(connection=secret.connection, retired_at=None)
    with transaction.atomic():
        others = active.exclude(pk=secret.pk).select_for_update()
        if not others:
            raise StateError("This is the only active secret: add the new one first.")
        active.filter(pk=secret.pk).update(retired_at=timezone.now())
        mark_changed(secret.connection)


def set_credentials(connection: Connection, values: Mapping[str, str]) -> None:
    """Put credentials that a person gives in the place of those given before: what is left empty is forgotten.

    What a person is not asked for (a client's id and secret) stays. Raises SetupError where nothing is given, or
    something that this provider does not take.
    """
    asked, given = asked_credentials(connection.provider), {name: value for name, value in values.items() if value}
    if not given or given.keys() - set(asked):
        raise SetupError(f"{connection} takes {' or '.join(asked) or 'no credentials'}: give that.")
    with transaction.atomic():
        latest = Connection.objects.select_for_update().get(pk=connection.pk)
        kept = {name: value for name, value in latest.credentials.items() if name not in asked}
        latest.credentials = {**kept, **given}
        latest.save(update_fields=["credentials", "updated_at"])
    connection.credentials = latest.credentials


def set_status(connection: Connection, status: Connection.Status) -> list[UUID]:
    """Pause, resume or disable. Returns the deliveries that waited for a resumed connection, to be queued."""
    with transaction.atomic():
        connection.status = status
        connection.save(update_fields=["status", "updated_at"])
        mark_changed(connection)
        if status != Connection.Status.ACTIVE:
            return []
        waiting = Delivery.objects.filter(
            connection=connection, status__in=[Delivery.Status.RECEIVED, Delivery.Status.RETRYING]
        )
        return list(waiting.order_by("id").values_list("pk", flat=True))


def mark_changed(connection: Connection) -> None:
    """Make every process's memory of this connection's endpoint invalid."""
    Connection.objects.filter(pk=connection.pk).update(generation=F("generation") + 1)


def check_connection(connection: Connection) -> str:
    """Call the provider and say what was found. Raises a KeepsyncError that says what to do."""
    provider = get_provider(connection.provider)
    return provider.test(account_of(connection))


def account_of(connection: Connection) -> Account:
    """What an adapter needs to call this connection's provider."""
    origin = connection.base_url or get_provider(connection.provider).origin
    return Account(origin, connection.options, connection.credentials)
