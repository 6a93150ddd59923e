"""The token endpoint of a played provider (RFC 6749, RFC 7636): the one access token, and refresh tokens that rotate.

    grants = Grants("zoom")

    fields = grants.give(form)      # raises GrantError; for a provider that keeps its refresh token: rotates=False

Any client is known here. A code comes from the consent page, works once, and only with its redirect address and its
PKCE verifier. A refresh token that nobody has used yet is taken, so that one can be written into a connection by hand;
where they rotate, each use makes the next one and kills the old one. While `is_revoked` is on nothing is given.
"""

import base64
import hashlib
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.sandbox import settings
from integrations.sandbox.faults import get_faults

EXPIRES_IN_S = 3600


class GrantError(Exception):
    """`code` is one of RFC 6749 5.2's, such as invalid_grant."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Code:
    redirect_uri: str
    challenge: str


class Grants:
    def __init__(self, provider: str, *, rotates: bool = True) -> None:
        self._faults = get_faults(provider)
        self._rotates = rotates
        self._lock = threading.Lock()
        self._codes: dict[str, Code] = {}
        self._used: set[str] = set()

    def add_code(self, redirect_uri: str, challenge: str) -> str:
        """A new authorisation code; `challenge` is PKCE's S256, empty without PKCE."""
        code = f"code_{secrets.token_hex(12)}"
        with self._lock:
            self._codes[code] = Code(redirect_uri, challenge)
        return code

    def give(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The fields of a token answer. Raises GrantError."""
        if self._faults.knobs.is_revoked:
            raise GrantError("invalid_grant", "The grant was revoked.")
        match form.get("grant_type"):
            case "authorization_code":
                self._use_code(form)
                return self._show(with_refresh=secrets.token_hex(16))
            case "refresh_token":
                return self._show(with_refresh=self._use_refresh_token(form.get("refresh_token", "")))
            case "client_credentials":
                return self._show()
            case "account_credentials":
                if not form.get("account_id"):
                    raise GrantError("invalid_request", "account_id is required.")
                return self._show()
        raise GrantError("unsupported_grant_type", "This grant type is not supported.")

    def _use_code(self, form: Mapping[str, str]) -> None:
        with self._lock:
            code = self._codes.pop(form.get("code", ""), None)
        if code is None or code.redirect_uri != form.get("redirect_uri"):
            raise GrantError("invalid_grant", "The code is unknown, was used, or belongs to another address.")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if code.challenge and base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.challenge:
            raise GrantError("invalid_grant", "The code verifier does not fit.")

    def _use_refresh_token(self, token: str) -> str:
        with self._lock:
            if not token or token in self._used:
                raise GrantError("invalid_grant", "The refresh token is unknown or was used before.")
            if not self._rotates:
                return token
            self._used.add(token)
        return secrets.token_hex(16)

    def _show(self, *, with_refresh: str = "") -> dict[str, Any]:
        shown = {"access_token": settings.ACCESS_TOKEN, "token_type": "bearer", "expires_in": EXPIRES_IN_S}
        return shown | ({"refresh_token": with_refresh} if with_refresh else {})
