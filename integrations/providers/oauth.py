"""The words of OAuth that adapters declare and return: where to authorise, what was granted, and to whom."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from integrations.payloads import PayloadReader


@dataclass(frozen=True, slots=True)
class OAuth:
    """A provider's authorisation server at its own hosts (RFC 6749; the addresses are named as in RFC 8414).

    `scopes` are those that Keepsync needs. `asks_scopes` False: the provider grants those that the application was
    registered with, so they are not asked for, only compared.
    `has_basic_auth`: the client's id and secret go into the Authorization header (RFC 6749 2.3.1), else into the body.
    `account_option`: the connection's option with which a server-to-server application gets tokens without a person.
    `parameters` go along to the authorisation endpoint.
    `purposes`: scope → what it is needed for, in a word.
    """

    authorize_url: str
    token_url: str
    revoke_url: str = ""
    scopes: tuple[str, ...] = ()
    asks_scopes: bool = True
    scope_separator: str = " "
    has_basic_auth: bool = False
    account_option: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    purposes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token endpoint answers. `refresh_token` empty: the one before stays. `expires_in_s` None: it does not say.

    `scope` None: as it was asked for (RFC 6749 5.1). `api_url`: the origin of this account's API, where it names one.
    """

    access_token: str
    refresh_token: str = ""
    expires_in_s: int | None = None
    scope: str | None = None
    api_url: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose account a token opens, so that nobody connects the wrong one."""

    account_id: str
    name: str


def read_grant(answer: PayloadReader) -> Grant:
    """A successful answer of a token endpoint (RFC 6749 5.1). Raises PayloadError, naming the field."""
    lifetime = answer.value.get("expires_in")
    return Grant(
        access_token=answer.text("access_token"),
        refresh_token=answer.optional_text("refresh_token"),
        expires_in_s=None if lifetime is None else answer.integer("expires_in", minimum=0),
        scope=None if answer.value.get("scope") is None else answer.text("scope"),
    )
