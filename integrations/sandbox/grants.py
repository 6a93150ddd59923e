"""The grants of a played provider: codes and tokens of its own, besides the one fixed access token that always works.

    grants = get_grants("zoom")

    code = grants.add_code(...)             # the consent page: a person allows it
    issued = grants.give(form, client_id)   # the token endpoint; raises GrantError
    grants.find("at_…")                     # an API: the grant of a token that works now, else None
    grants.revoke(token, client_id)

Any client is known here; a code and what comes of it belong to the client_id that asked. A refresh token that was not
given here is refused. While the knob `is_revoked` is on nothing is given. What exists survives a restart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any

from integrations.sandbox.clock import utc_now
from integrations.sandbox.faults import get_faults
from integrations.sandbox.grant_records import ACCOUNTS, ACME, Account, Code, Grant, GrantError, Issued, Policy, State
from integrations.sandbox.granting import Granting, new_token
from integrations.sandbox.persistence import StateFile, encode
from integrations.sandbox.runtime import get_state_file
from integrations.sandbox.store import Store

# Granted as the application was registered with; they are not asked for one by one.
PIPEDRIVE_SCOPE = "base contacts:full contact-fields:full activities:full search:read users:read"
ZOOM_SCOPE = (
    "meeting:read:meeting meeting:write:meeting meeting:read:registrant meeting:write:registrant user:read:user"
)

# Adding a provider with OAuth = its line here, and its addresses in its urls.py.
POLICIES = {
    "calendar_live": Policy(
        900,
        rotates=True,
        revokes_on_reuse=True,
        default_scope="events.read events.write free_busy.read webhooks.read",
    ),
    "hubspot": Policy(1800, default_scope="oauth"),
    # Two hours is the usual session time-out of an org; no answer tells it.
    "salesforce": Policy(7200, default_scope="api refresh_token"),
    "pipedrive": Policy(3599, idle_days=60, default_scope=PIPEDRIVE_SCOPE),
    "zoom": Policy(3600, rotates=True, idle_days=90, default_scope=ZOOM_SCOPE),
    "slack": Policy(None, has_refresh_tokens=False, default_scope="chat:write"),
}
# A provider that is called with a key only.
KEY_ONLY = Policy(None, has_refresh_tokens=False)
SHOWN_OF_A_TOKEN = 4


class Grants:
    def __init__(
        self, provider: str, policy: Policy, file: StateFile, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.policy = policy
        self._faults = get_faults(provider)
        self._store = Store(State, f"{provider}_grants", file)
        self._clock = clock

    def add_code(
        self, client_id: str, redirect_uri: str, *, challenge: str = "", scope: str = "", account: str = ACME.key
    ) -> str:
        """A new authorisation code; `challenge` is PKCE's S256, empty without PKCE. It lives for a minute."""
        name = new_token("code")
        with self._store.change() as state:
            state.codes[name] = Code(client_id, redirect_uri, challenge, scope, account, self._clock())
        return name

    def give(self, form: Mapping[str, str], client_id: str) -> Issued:
        """What a request to the token endpoint gets. Raises GrantError."""
        if not client_id:
            raise GrantError("invalid_client", "The client does not say who it is.")
        if self._faults.knobs.is_revoked:
            raise GrantError("invalid_grant", "The grant was revoked.")
        with self._store.change() as state:
            outcome = self._open(state).exchange(form, client_id)
        if isinstance(outcome, GrantError):
            raise outcome
        return outcome

    def find(self, token: str) -> Grant | None:
        """The grant of an access token that works now."""
        state = self._store.read()
        access = state.access_tokens.get(token)
        return state.grants[access.grant_id] if access and access.is_alive(self._clock()) else None

    def find_account(self, token: str) -> Account:
        """Whose account an access token opens; the fixed token's is Acme."""
        grant = self.find(token)
        return ACCOUNTS[grant.account] if grant else ACME

    def revoke(self, token: str, client_id: str = "") -> bool:
        """Whether the token was known (RFC 7009). Raises GrantError for a token of another client's."""
        with self._store.change() as state:
            outcome = self._open(state).revoke(token, client_id)
        if isinstance(outcome, GrantError):
            raise outcome
        return outcome

    def revoke_all(self) -> None:
        """As when an administrator over there removes the application."""
        with self._store.change() as state:
            granting = self._open(state)
            for grant_id in list(state.grants):
                granting.end(grant_id, "revoked on the sandbox's page")

    def expire_all(self) -> None:
        """All access tokens end now."""
        with self._store.change() as state:
            self._open(state).expire()

    def reset(self) -> None:
        self._store.reset()

    def newest(self) -> Sequence[Grant]:
        """All, newest first."""
        return list(reversed(self._store.read().grants.values()))

    def describe(self) -> list[dict[str, Any]]:
        """All grants as JSON values, newest first; of tokens only the last characters."""
        return [encode(mask_tokens(grant)) for grant in self.newest()]

    def _open(self, state: State) -> Granting:
        lifetime_s = self.policy.lifetime_s
        if lifetime_s is not None:
            lifetime_s = self._faults.knobs.token_lifetime_s or lifetime_s
        return Granting(state, self.policy, self._clock(), lifetime_s)


def mask_tokens(grant: Grant) -> Grant:
    """To be shown: of each token only the last characters."""
    access_token, refresh_token = mask_token(grant.access_token), mask_token(grant.refresh_token)
    return replace(grant, access_token=access_token, refresh_token=refresh_token)


def mask_token(token: str) -> str:
    return f"…{token[-SHOWN_OF_A_TOKEN:]}" if token else ""


@cache
def get_grants(provider: str) -> Grants:
    return Grants(provider, POLICIES.get(provider, KEY_ONLY), get_state_file())
