"""What a played authorisation server knows: the people who can sign in, the codes and the grants, and its own rules."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Account:
    """Whom a person signs in as on the consent page, and whose account the tokens open then."""

    key: str
    number: int
    company: str
    person: str
    email: str

    @property
    def label(self) -> str:
        return f"{self.person} at {self.company}"


ACME = Account("acme", 0, "Acme", "Ada Ops", "ops@acme.example")
ACCOUNTS = {
    account.key: account
    for account in (ACME, Account("elsewhere", 1, "Elsewhere", "Somebody Else", "somebody@elsewhere.example"))
}


@dataclass(frozen=True)
class Policy:
    """How a provider's tokens live. `lifetime_s` is an access token's, None for ever.

    `revokes_on_reuse`: a refresh token that comes a second time ends its grant (RFC 9700 4.14.2). `idle_days`: a
    refresh token that nobody uses for so long is dead; each use begins the time anew.
    """

    lifetime_s: int | None
    has_refresh_tokens: bool = True
    rotates: bool = False
    revokes_on_reuse: bool = False
    idle_days: int | None = None
    # Granted where the application asks for nothing by name.
    default_scope: str = ""


@dataclass(frozen=True)
class Code:
    """`challenge` is PKCE's S256, empty without PKCE; `grant_id` is what the code was worth, empty until it is used."""

    client_id: str
    redirect_uri: str
    challenge: str
    scope: str
    account: str
    made_at: datetime
    grant_id: str = ""


@dataclass(frozen=True)
class Grant:
    """What a person allowed a client, or a client got for itself. The tokens are those given last.

    `expires_at` is the end of that access token, None where it has none.
    """

    id: str
    client_id: str
    scope: str
    account: str
    made_at: datetime
    used_at: datetime
    access_token: str = ""
    refresh_token: str = ""
    expires_at: datetime | None = None
    refreshes: int = 0
    ended_at: datetime | None = None
    # Why it ended, to be shown.
    cause: str = ""


@dataclass(frozen=True)
class AccessToken:
    grant_id: str
    expires_at: datetime | None

    def is_alive(self, now: datetime) -> bool:
        return self.expires_at is None or now < self.expires_at


@dataclass
class State:
    """`refresh_tokens` are all that were given, with their grants' ids: a used one is known when it comes again."""

    codes: dict[str, Code] = field(default_factory=dict)
    grants: dict[str, Grant] = field(default_factory=dict)
    access_tokens: dict[str, AccessToken] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Issued:
    """What a token endpoint gives. `refresh_token` is empty where there is none, `expires_in_s` None for no end."""

    grant: Grant
    access_token: str
    refresh_token: str
    expires_in_s: int | None

    def fields(self) -> dict[str, str | int]:
        """As RFC 6749 5.1 has them, without the scope, which providers word each in their own way."""
        shown: dict[str, str | int] = {"access_token": self.access_token, "token_type": "Bearer"}
        if self.expires_in_s is not None:
            shown["expires_in"] = self.expires_in_s
        if self.refresh_token:
            shown["refresh_token"] = self.refresh_token
        return shown


class GrantError(Exception):
    """`code` is one of RFC 6749 5.2's, such as invalid_grant."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
