"""What can happen to grants: a code is exchanged, a token refreshed, a grant ended (RFC 6749 4.1.3, 6; RFC 7636).

An error is returned, not raised: what it did, such as ending a grant whose token came twice, is to be kept.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from integrations.sandbox.grant_records import ACME, AccessToken, Code, Grant, GrantError, Issued, Policy, State

CODE_LIFETIME = timedelta(seconds=60)
# How long a code is remembered, so that using it again can end what it gave.
CODE_MEMORY = timedelta(hours=1)
REUSED = "The refresh token is unknown, was used before, or is too old."


@dataclass(frozen=True)
class Granting:
    """One change at `now`; `lifetime_s` is that of the access tokens given in it, None for no end."""

    state: State
    policy: Policy
    now: datetime
    lifetime_s: int | None

    def exchange(self, form: Mapping[str, str], client_id: str) -> Issued | GrantError:
        self.forget()
        match form.get("grant_type"):
            case "authorization_code":
                return self.use_code(form, client_id)
            case "refresh_token" if self.policy.has_refresh_tokens:
                return self.use_refresh_token(form.get("refresh_token", ""), client_id)
            case "client_credentials":
                return self.give_client(client_id)
            case "account_credentials":
                return self.give_client(client_id) if form.get("account_id") else invalid("account_id is required.")
        return GrantError("unsupported_grant_type", "This grant type is not supported.")

    # --- Codes --------------------------------------------------------------------------------------------------------

    def use_code(self, form: Mapping[str, str], client_id: str) -> Issued | GrantError:
        """A code works once; the second time ends what it gave (RFC 6749 4.1.2)."""
        name = form.get("code", "")
        code = self.state.codes.get(name)
        if code is None:
            return refused("The code is unknown, was used, or is too old.")
        if code.grant_id:
            self.end(code.grant_id, "its code was used twice")
            return refused("The code was used before; what it gave is revoked.")
        # Whoever shows it with anything wrong does not get a second guess.
        del self.state.codes[name]
        if problem := self.find_problem(code, form, client_id):
            return refused(problem)
        issued = self.issue(self.make_grant(client_id, code.scope, code.account))
        self.state.codes[name] = replace(code, grant_id=issued.grant.id)
        return issued

    def find_problem(self, code: Code, form: Mapping[str, str], client_id: str) -> str:
        if self.now - code.made_at > CODE_LIFETIME:
            return "The code is unknown, was used, or is too old."
        if code.client_id != client_id:
            return "The code belongs to another client."
        if code.redirect_uri != form.get("redirect_uri"):
            return "redirect_uri is not the one that the code was asked for with."
        verifier = form.get("code_verifier", "")
        # A verifier where no challenge was sent: somebody took the challenge away (RFC 9700 4.8.2).
        if (code.challenge or verifier) and challenge_of(verifier) != code.challenge:
            return "The code verifier does not fit."
        return ""

    # --- Refresh tokens -----------------------------------------------------------------------------------------------

    def use_refresh_token(self, token: str, client_id: str) -> Issued | GrantError:
        grant = self.state.grants.get(self.state.refresh_tokens.get(token, ""))
        if grant is None or grant.client_id != client_id or grant.ended_at:
            return refused(REUSED)
        if token != grant.refresh_token:
            if self.policy.revokes_on_reuse:
                self.end(grant.id, "a refresh token was used twice")
            return refused(REUSED)
        if self.policy.idle_days and self.now - grant.used_at > timedelta(days=self.policy.idle_days):
            self.end(grant.id, "nobody used it for too long")
            return refused(REUSED)
        return self.issue(replace(grant, used_at=self.now, refreshes=grant.refreshes + 1), rotates=self.policy.rotates)

    def give_client(self, client_id: str) -> Issued:
        """A client for itself: one grant, however often it asks, and no refresh token (RFC 6749 4.4.3)."""
        own = (item for item in self.state.grants.values() if item.client_id == client_id and not item.ended_at)
        grant = next((item for item in own if not item.refresh_token), None)
        return self.issue(grant or replace(self.make_grant(client_id, "", ACME.key), refresh_token=""))

    # --- Grants -------------------------------------------------------------------------------------------------------

    def make_grant(self, client_id: str, scope: str, account: str) -> Grant:
        refresh_token = new_token("rt") if self.policy.has_refresh_tokens else ""
        scope = scope or self.policy.default_scope
        grant_id = f"gr_{secrets.token_hex(6)}"
        return Grant(grant_id, client_id, scope, account, self.now, self.now, refresh_token=refresh_token)

    def issue(self, grant: Grant, *, rotates: bool = False) -> Issued:
        """A new access token; with `rotates` also a new refresh token, which kills the one before."""
        token, refresh_token = new_token("at"), new_token("rt") if rotates else grant.refresh_token
        expires_at = None if self.lifetime_s is None else self.now + timedelta(seconds=self.lifetime_s)
        grant = replace(grant, access_token=token, refresh_token=refresh_token, expires_at=expires_at)
        self.state.grants[grant.id] = grant
        self.state.access_tokens[token] = AccessToken(grant.id, expires_at)
        if refresh_token:
            self.state.refresh_tokens[refresh_token] = grant.id
        return Issued(grant, token, refresh_token, self.lifetime_s)

    def end(self, grant_id: str, cause: str) -> None:
        """Its tokens are worth nothing from now on. Ending it again changes nothing."""
        grant = self.state.grants[grant_id]
        if grant.ended_at:
            return
        self.state.grants[grant_id] = replace(grant, ended_at=self.now, cause=cause)
        for token in [token for token, item in self.state.access_tokens.items() if item.grant_id == grant_id]:
            del self.state.access_tokens[token]

    def expire(self) -> None:
        """All access tokens end now; what they can be refreshed with stays."""
        self.state.access_tokens.clear()
        for grant in list(self.state.grants.values()):
            if not grant.ended_at:
                self.state.grants[grant.id] = replace(grant, expires_at=self.now)

    def revoke(self, token: str, client_id: str) -> bool | GrantError:
        """Whether the token was known. A refresh token takes its grant along, an access token only where it is all
        that there is (RFC 7009 2.1). An empty `client_id` is not compared."""
        access = self.state.access_tokens.get(token)
        grant = self.state.grants.get(access.grant_id if access else self.state.refresh_tokens.get(token, ""))
        if grant is None:
            return False
        if client_id not in ("", grant.client_id):
            return refused("The token belongs to another client.")
        if access and grant.refresh_token:
            del self.state.access_tokens[token]
        else:
            self.end(grant.id, "the application revoked it")
        return True

    def forget(self) -> None:
        """What can never matter again, so that a long run does not grow without end."""
        for name in [name for name, code in self.state.codes.items() if self.now - code.made_at > CODE_MEMORY]:
            del self.state.codes[name]
        for token in [token for token, item in self.state.access_tokens.items() if not item.is_alive(self.now)]:
            del self.state.access_tokens[token]


def new_token(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(20)}"


def challenge_of(verifier: str) -> str:
    """S256 of RFC 7636 4.2; empty for no verifier."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode() if verifier else ""


def refused(message: str) -> GrantError:
    return GrantError("invalid_grant", message)


def invalid(message: str) -> GrantError:
    return GrantError("invalid_request", message)
