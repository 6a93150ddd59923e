"""Making and changing connections. Everything that the webhook intake must see at once raises the generation."""

import logging
from collections.abc import Mapping
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from integrations.endpoints import mark_changed
from integrations.exceptions import SetupError
from integrations.models import Connection, Delivery, Region, Token
from integrations.providers import PROVIDERS, get_provider
from integrations.providers.base import Account
from integrations.providers.oauth import Grant
from integrations.tokens import forget_token, read_token, store_grant
from integrations.webhook_secrets import add_secret

logger = logging.getLogger(__name__)

# What Keepsync is known as, as an application, at a provider that it is authorised at in the browser.
CLIENT = ("client_id", "client_secret")
CREDENTIALS = (*CLIENT, "api_key", "bot_token", "webhook_url")
# What becomes the connection's token; `expires_in` are seconds from now on.
TOKEN = ("access_token", "refresh_token", "expires_in")
OPTIONS = (
    "scope",
    "channel",
    "account_id",
    "default_region",
    "region",
    "calendar_id",
    "authorize_url",
    "token_url",
    "revoke_url",
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
    "calendar_live": ("send_emails", "calendar_id"),
    "email": ("from_address",),
    "hubspot": ("calendar_id",),
    "pipedrive": ("calendar_id",),
    "salesforce": ("object", "calendar_id"),
    "slack": ("channel",),
    "zoom": ("user_id",),
}


def asked_credentials(provider: str) -> tuple[str, ...]:
    return ASKED_CREDENTIALS.get(provider, ("access_token",))


def client_credentials(provider: str) -> tuple[str, ...]:
    """The same for what it is known as there. Empty for one that is called with a key."""
    known = PROVIDERS.get(provider)
    return CLIENT if known and known.oauth else ()


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

    Raises SetupError, naming what is wrong: an unknown provider or option, a slug that is taken or malformed, a token's
    lifetime that is no number of seconds.
    """
    get_provider(provider)
    given = dict(options or {})
    known = (*CREDENTIALS, *TOKEN, *OPTIONS)
    if unknown := given.keys() - set(known):
        raise SetupError(f"unknown option {', '.join(sorted(unknown))}; known are: {', '.join(known)}.")
    grant = read_given_grant(given)
    connection = Connection(
        slug=slug,
        provider=provider,
        base_url=base_url.rstrip("/"),
        default_region=given.pop("default_region", "").upper(),
        region=read_region(given.pop("region", "")),
        credentials={name: given[name] for name in CREDENTIALS if name in given},
        options={name: given[name] for name in OPTIONS if name in given},
    )
    try:
        connection.full_clean()
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        raise SetupError(f"{field}: {' '.join(messages)}") from error
    connection.save()
    if grant:
        store_grant(connection, grant)
    return connection, add_secret(connection, webhook_secret)


def read_region(code: str) -> str:
    """Where a connection keeps its data. Raises SetupError for what is no region."""
    known = list(Region.objects.values_list("code", flat=True))
    if code and code.lower() not in known:
        raise SetupError(f"region {code[:16]!r} is not known; known are: {', '.join(known)}.")
    return code.lower()


def read_given_grant(given: Mapping[str, str]) -> Grant | None:
    """The token that a person gives by hand; None where there is none. Raises SetupError, naming the field."""
    lifetime = given.get("expires_in") or None
    if lifetime is not None and not (lifetime.isascii() and lifetime.isdigit() and len(lifetime) < 10):
        raise SetupError("expires_in is no number of seconds: give how long the access token lives from now on.")
    if not given.get("access_token") and not given.get("refresh_token"):
        if lifetime is not None:
            raise SetupError("expires_in belongs to an access_token: give that as well.")
        return None
    return Grant(
        access_token=given.get("access_token", ""),
        refresh_token=given.get("refresh_token", ""),
        expires_in_s=None if lifetime is None else int(lifetime),
    )


def set_credentials(connection: Connection, values: Mapping[str, str]) -> None:
    """Put credentials that a person gives in the place of those given before: what is left empty is forgotten.

    A client's id and secret are kept where they are left empty; where nothing but them is given, the token stays too.
    With an access token may come its `refresh_token` and `expires_in`. Raises SetupError where nothing is given, or
    something that this provider does not take.
    """
    asked, client = asked_credentials(connection.provider), client_credentials(connection.provider)
    given = {name: value for name, value in values.items() if value}
    if not given or given.keys() - {*asked, *client, *(TOKEN if "access_token" in asked else ())}:
        raise SetupError(f"{connection} takes {' or '.join((*asked, *client)) or 'no credentials'}: give that.")
    grant, has_more = read_given_grant(given), bool(given.keys() - set(client))
    with transaction.atomic():
        latest = Connection.objects.select_for_update().get(pk=connection.pk)
        kept = {name: value for name, value in latest.credentials.items() if not has_more or name not in asked}
        latest.credentials = {**kept, **{name: value for name, value in given.items() if name not in TOKEN}}
        latest.save(update_fields=["credentials", "updated_at"])
        if grant:
            store_grant(connection, grant)
        elif has_more:
            forget_token(connection)
    connection.credentials = latest.credentials


def set_status(connection: Connection, status: Connection.Status) -> list[UUID]:
    """Pause, resume or disable. Returns the deliveries that waited for a resumed connection, to be queued."""
    with transaction.atomic():
        before = lock_status(connection)
        connection.status = status
        if status != before:
            connection.status_changed_at = timezone.now()
        connection.save(update_fields=["status", "status_changed_at", "updated_at"])
        mark_changed(connection)
        if status != Connection.Status.ACTIVE:
            return []
        waiting = Delivery.objects.filter(
            connection=connection, status__in=[Delivery.Status.RECEIVED, Delivery.Status.RETRYING]
        )
        return list(waiting.order_by("id").values_list("pk", flat=True))


def ask_for_authorisation(connection: Connection) -> None:
    """Nothing goes out before a person has authorised it again. One that is paused or disabled stays so."""
    with transaction.atomic():
        status = lock_status(connection)
        if status != Connection.Status.ACTIVE:
            connection.status = status
            return
        set_status(connection, Connection.Status.NEEDS_REAUTHORISATION)
    logger.error("connection needs reauthorisation", extra={"connection": connection.slug})


def lock_status(connection: Connection) -> str:
    """As it is now, until the open transaction ends."""
    rows = Connection.objects.select_for_update(no_key=True).filter(pk=connection.pk)
    return str(rows.values_list("status", flat=True).get())


def account_of(connection: Connection) -> Account:
    """What an adapter needs to call this connection's provider, with the token as it is. calls.py gives a good one."""
    return account_with(connection, read_token(connection.pk))


def account_with(connection: Connection, token: Token | None) -> Account:
    credentials = dict(connection.credentials)
    if token is not None and token.access_token:
        credentials["access_token"] = token.access_token
    origin = connection.base_url or (token.api_url if token else "") or get_provider(connection.provider).origin
    return Account(origin, connection.options, credentials)
