"""What can be done with a connection's grant: refresh its token now, end it at the provider, forget all its secrets."""

from unfold.enums import ActionVariant

from integrations import authorisations, refreshes
from integrations.admin.base import Button, PageLink
from integrations.admin.formats import relate
from integrations.connections import asked_credentials, client_credentials
from integrations.exceptions import StateError
from integrations.models import Connection, Token
from integrations.privacy.encryption import UnreadableValueError
from integrations.providers import PROVIDERS, name_provider
from integrations.stoppages import IN_USE, find_partners, is_refreshable, list_flows

CHANGE = "integrations.change_connection"
PAGE = "authorise"
# How long a page waits for a refresh that another process has begun.
WAIT_S = 10.0


def token_of(connection: Connection) -> Token | None:
    """Read once for each page."""
    return getattr(connection, "token", None)


def has_oauth(connection: Connection) -> bool:
    return bool(client_credentials(connection.provider))


def was_authorised(connection: Connection) -> bool:
    return token_of(connection) is not None


def name_authorise(connection: Connection) -> str:
    return "Reauthorise" if was_authorised(connection) else "Authorise"


# --- What a button says before ----------------------------------------------------------------------------------------


def can_refresh(connection: Connection) -> bool:
    token = token_of(connection)
    return token is not None and connection.status in IN_USE and is_refreshable(connection, token)


def has_grant(connection: Connection) -> bool:
    """Also where it cannot be read: revoking says so."""
    token = token_of(connection)
    try:
        return has_oauth(connection) and token is not None and bool(token.access_token or token.refresh_token)
    except UnreadableValueError:
        return True


def has_secrets(connection: Connection) -> bool:
    """Whether there can be something to forget."""
    known = PROVIDERS.get(connection.provider)
    return known is not None and bool(asked_credentials(connection.provider) or known.signature_header)


def explain_revoking(connection: Connection) -> str:
    name = name_provider(connection.provider)
    return (
        f"{name} ends the grant, so that its tokens are worth nothing, and they are forgotten here. "
        f"{tell_stops(connection)} What is to go out waits until {connection} is authorised again. "
        "Webhooks still come in."
    )


def explain_forgetting(connection: Connection) -> str:
    return (
        f"The grant is ended at {name_provider(connection.provider)} as far as it lets Keepsync do so. Deleted here: "
        "the tokens, the credentials, the client's id and secret, and the webhook secrets. The connection is disabled: "
        f"its webhooks are refused with 404, and nothing goes out. {tell_stops(connection)} What it has received "
        "and sent, its pairs, mappings, options and history stay. To use it again, set all of these anew and resume it."
    )


def tell_stops(connection: Connection) -> str:
    partners = find_partners([connection.pk]).get(connection.pk, [])
    paired = [f"It is paired with {', '.join(partners)}."] if partners else []
    return " ".join(["What stops:", *list_flows(connection), *paired])


# --- What it does -----------------------------------------------------------------------------------------------------


def refresh_now(connection: Connection) -> str:
    """Raises StateError where there is no token, else as `refreshes.refresh` does."""
    token = token_of(connection)
    if token is None:
        raise StateError(f"{connection} has no token: authorise it.")
    refreshes.refresh(connection.pk, seen_generation=token.generation, wait_s=WAIT_S)
    ends_at = Token.objects.values_list("expires_at", flat=True).get(pk=connection.pk)
    return f"The token is refreshed: {f'it runs out {relate(ends_at)}.' if ends_at else 'its end is not known.'}"


LINKS = (
    PageLink(
        name=PAGE,
        label="Authorise",
        icon="lock_open",
        permission=CHANGE,
        fits=lambda row: has_oauth(row) and not was_authorised(row),
        variant=ActionVariant.PRIMARY,
    ),
    PageLink(
        name=PAGE,
        label="Reauthorise",
        icon="lock_reset",
        permission=CHANGE,
        fits=lambda row: has_oauth(row) and was_authorised(row),
        variant=ActionVariant.PRIMARY,
    ),
)
BUTTONS = [
    Button(
        name="refresh_token",
        label="Refresh now",
        icon="refresh",
        permission=CHANGE,
        explain=lambda row: (
            f"Keepsync asks {name_provider(row.provider)} for a new access token as {row}, as it does by itself before "
            "the old one runs out, and says what came of it."
        ),
        fits=can_refresh,
        run=lambda request, row, values: refresh_now(row),
        log="Refreshed the token",
        is_on_top=False,
    ),
    Button(
        name="revoke",
        label="Revoke",
        icon="link_off",
        permission=CHANGE,
        explain=explain_revoking,
        fits=has_grant,
        run=lambda request, row, values: authorisations.revoke(row),
        log="Revoked the grant",
        variant=ActionVariant.DANGER,
        is_on_top=False,
    ),
    Button(
        name="forget",
        label="Forget",
        icon="delete_forever",
        permission=CHANGE,
        explain=explain_forgetting,
        fits=has_secrets,
        run=lambda request, row, values: authorisations.forget(row),
        log="Forgot tokens, credentials and webhook secrets",
        variant=ActionVariant.DANGER,
        is_on_top=False,
    ),
]
