"""Authorising a connection: an administrator's walk to the provider's consent page and back, and the end of a grant.

1. `start` remembers the walk (digests of state and session, PKCE's verifier) and says where the browser goes.
2. `finish` claims the walk with the state that came back: once, in the same session, within ten minutes.
3. The code is exchanged for a grant, the grant's account is looked at, and the grant is stored.

Codes and tokens stand in no message. HTTP happens outside transactions.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from integrations import http, oauth, tokens
from integrations.connections import account_with, ask_for_authorisation, set_status
from integrations.exceptions import (
    AuthorisationError,
    KeepsyncError,
    OutageError,
    PermanentError,
    ReauthoriseError,
    StateError,
    TransientError,
)
from integrations.models import Authorisation, Connection, Token, WebhookSecret
from integrations.oauth_errors import describe_refusal
from integrations.payloads import cut
from integrations.providers import get_provider
from integrations.providers.oauth import Grant, Identity

Outcome = Authorisation.Outcome

VALID_FOR = timedelta(minutes=10)
# RFC 7636 4.1 wants 43 to 128 characters: these are 86.
VERIFIER_BYTES = 64
STATE_BYTES = 32
ERROR_LENGTH = 500
# A code whose answer is not waited for is lost, and the person has to begin again. A web process has 30 s.
EXCHANGE_S = 20
IDENTIFY_S = 8
OTHER_ACCOUNT = "Nothing was authorised: it was another account than the one that the connection belongs to."
AGAIN = "Press Authorise on the connection's page again."


@dataclass(frozen=True, slots=True)
class Result:
    """How a walk ended, and what its administrator is told."""

    authorisation: Authorisation
    message: str

    @property
    def is_granted(self) -> bool:
        return self.authorisation.outcome == Outcome.GRANTED


# --- The way there ----------------------------------------------------------------------------------------------------


def start(connection: Connection, *, user: User, session_key: str, may_change_account: bool = False) -> str:
    """The address to lead the browser to. Raises SetupError, naming what has to be set first."""
    state, verifier = secrets.token_urlsafe(STATE_BYTES), secrets.token_urlsafe(VERIFIER_BYTES)
    url = oauth.make_consent_url(connection, state=state, verifier=verifier)
    forget_verifiers(connection)
    Authorisation.objects.create(
        connection=connection,
        user=user,
        state_digest=digest(state),
        session_digest=digest(session_key),
        verifier=verifier,
        scope=" ".join(oauth.wanted_scopes(connection)),
        may_change_account=may_change_account,
    )
    return url


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def forget_verifiers(connection: Connection) -> None:
    """Of walks that nobody has come back from in time."""
    late = Authorisation.objects.filter(connection=connection, started_at__lt=timezone.now() - VALID_FOR)
    late.filter(outcome=Outcome.STARTED).update(verifier="")


# --- The way back -----------------------------------------------------------------------------------------------------


def finish(query: Mapping[str, str], *, session_key: str, user: User) -> Result:
    """What became of the walk that `query`, the provider's answer through the browser, belongs to.

    Raises AuthorisationError where there is none: a state that is unknown, another session's, used, or too old.
    """
    walk = claim(query.get("state", ""), session_key=session_key, user=user)
    adapter = get_provider(walk.connection.provider)
    if code := query.get("error"):
        known = (walk.verifier, walk.connection.credentials.get("client_secret", ""))
        hidden = [query.get("state", ""), query.get("code", ""), *known]
        told = describe_refusal(code, query.get("error_description", ""), name=adapter.name, secrets=hidden)
        return close(walk, Outcome.REFUSED, told)
    if not query.get("code"):
        return close(walk, Outcome.FAILED, f"{adapter.name} answered without a code. {AGAIN}")
    try:
        grant = exchange(walk, query["code"])
        identity, problem = identify(walk.connection, grant)
        store(walk, grant, identity)
    except AuthorisationError as error:
        return close(walk, Outcome.FAILED, f"Nothing was authorised. {error}", kept=OTHER_ACCOUNT)
    except KeepsyncError as error:
        return close(walk, Outcome.FAILED, f"Nothing was authorised. {error}")
    return close(walk, Outcome.GRANTED, describe_grant(walk, identity, problem))


def claim(state: str, *, session_key: str, user: User) -> Authorisation:
    """The walk that begins to end now; a state works once. Raises AuthorisationError."""
    own = Authorisation.objects.filter(session_digest=digest(session_key), user=user)
    walk = own.select_related("connection").filter(state_digest=digest(state)).first()
    if walk is None:
        raise AuthorisationError(f"This answer belongs to no authorisation that you began in this session. {AGAIN}")
    now = timezone.now()
    fresh = Authorisation.objects.filter(pk=walk.pk, finished_at=None, started_at__gte=now - VALID_FOR)
    if not fresh.update(finished_at=now, verifier=""):
        raise AuthorisationError(f"This authorisation was finished already, or took more than ten minutes. {AGAIN}")
    return walk


def exchange(walk: Authorisation, code: str) -> Grant:
    """The grant, with its scopes: those asked for where the provider names none (RFC 6749 5.1), if any were."""
    with http.limit_time(EXCHANGE_S, read_timeout_s=EXCHANGE_S):
        grant = oauth.exchange_code(walk.connection, code=code, verifier=walk.verifier)
    asked = walk.scope if oauth.asks_scopes(walk.connection) else ""
    return grant if grant.scope is not None else replace(grant, scope=asked)


def identify(connection: Connection, grant: Grant) -> tuple[Identity | None, str]:
    """Whose account was authorised; None with the reason where the provider does not say.

    The grant is kept all the same: it cannot be had again without a person.
    """
    given = Token(connection=connection, access_token=grant.access_token, api_url=grant.api_url)
    try:
        with http.limit_time(IDENTIFY_S):
            return get_provider(connection.provider).identify(account_with(connection, given)), ""
    except KeepsyncError as error:
        return None, str(error)


def store(walk: Authorisation, grant: Grant, identity: Identity | None) -> None:
    """Raises AuthorisationError for another account than before, unless that was meant.

    Such a grant is left as it is, not revoked: at some providers that would end other connections of that account.
    """
    known = Token.objects.filter(connection=walk.connection).only("account_id", "account_name").first()
    if known and not walk.may_change_account and is_another(known, identity):
        raise AuthorisationError(
            f"Another account was authorised ({name_account(identity)}) than the one that {walk.connection} belongs to "
            f"({name_account(Identity(known.account_id, known.account_name))}). Sign in there with the right account "
            "and authorise it again, or allow another account when you do."
        )
    tokens.store_grant(walk.connection, grant, identity=identity)


def is_another(known: Token, identity: Identity | None) -> bool:
    return bool(known.account_id and identity and identity.account_id and identity.account_id != known.account_id)


def name_account(identity: Identity | None) -> str:
    if identity is None or not (identity.name or identity.account_id):
        return "unknown"
    return f"{identity.name}, {identity.account_id}" if identity.name and identity.account_id else identity.name


def close(walk: Authorisation, outcome: Authorisation.Outcome, message: str, *, kept: str = "") -> Result:
    """What is kept with the walk is `kept` where it is given: the tables' plain columns name nobody."""
    walk.outcome, walk.verifier = outcome, ""
    walk.error = "" if outcome == Outcome.GRANTED else cut(kept or message, ERROR_LENGTH)
    Authorisation.objects.filter(pk=walk.pk).update(outcome=outcome, error=walk.error)
    return Result(walk, message)


def describe_grant(walk: Authorisation, identity: Identity | None, problem: str) -> str:
    whose = f" for the account {name_account(identity)}" if identity else ""
    told = [f"{walk.connection} is authorised{whose}."]
    if problem:
        told.append(f"Whose account it is could not be seen: {problem}")
    if missing := missing_scopes(walk.connection):
        told.append(f"It was not given the scopes {', '.join(missing)}: what needs them will fail.")
    return " ".join(told)


def missing_scopes(connection: Connection) -> list[str]:
    """Scopes that are wanted and were not granted; none where what was granted is not known."""
    token = Token.objects.filter(connection=connection).only("scope").first()
    if token is None or not token.scope or get_provider(connection.provider).oauth is None:
        return []
    return oauth.compare_scopes(oauth.wanted_scopes(connection), token.scope)


# --- The end of a grant -----------------------------------------------------------------------------------------------


def revoke(connection: Connection) -> str:
    """Let the provider end the grant (RFC 7009), forget the tokens, and let what is to go out wait. Says what was done.

    Raises StateError where there is no token, SetupError or GrantError where the provider does not take it so, and
    OutageError where it does not answer: then nothing was changed here.
    """
    oauth.find_oauth(connection)
    token = Token.objects.filter(connection=connection).first()
    if token is None or not (token.refresh_token or token.access_token):
        raise StateError(f"{connection} has no token that could be revoked.")
    done = end_grant(connection, token)
    with transaction.atomic():
        tokens.empty_token(connection)
        ask_for_authorisation(connection)
    return f"{done} Its tokens are forgotten here; what is to go out waits until it is authorised again."


def end_grant(connection: Connection, token: Token) -> str:
    """The refresh token first: with it goes the grant. Raises KeepsyncError where the provider did not take it."""
    name = get_provider(connection.provider).name
    if not oauth.find_url(connection, "revoke_url"):
        return f"{name} has no address for revoking: remove Keepsync there by hand, among the account's applications."
    try:
        if token.refresh_token:
            oauth.revoke_token(connection, token.refresh_token)
        if token.access_token:
            revoke_access(connection, token)
    except ReauthoriseError:
        raise
    except TransientError as error:
        raise OutageError(
            f"{error} The grant was not revoked, and its tokens are kept: revoke it again later."
        ) from error
    return f"{name} has revoked the grant."


def revoke_access(connection: Connection, token: Token) -> None:
    """A provider that takes refresh tokens only has ended this one with them, or lets it expire (RFC 7009 2.2.1)."""
    try:
        oauth.revoke_token(connection, token.access_token)
    except (PermanentError, ReauthoriseError):
        if not token.refresh_token:
            raise


def forget(connection: Connection) -> str:
    """End the grant as far as the provider takes part, forget every secret of the connection, and disable it.

    What it has received and sent stays. Says what was done, and what a person has to do at the provider.
    """
    told = try_to_end(connection)
    now = timezone.now()
    with transaction.atomic():
        tokens.forget_token(connection)
        Authorisation.objects.filter(connection=connection).update(verifier="")
        WebhookSecret.objects.filter(connection=connection, retired_at=None).update(retired_at=now)
        WebhookSecret.objects.filter(connection=connection).update(secret="")
        Connection.objects.filter(pk=connection.pk).update(credentials={}, updated_at=now)
        connection.credentials = {}
        set_status(connection, Connection.Status.DISABLED)
    return f"{told} {connection} is disabled, and its tokens, credentials and webhook secrets are forgotten."


def try_to_end(connection: Connection) -> str:
    name = get_provider(connection.provider).name
    by_hand = f"Remove Keepsync's access at {name} by hand: its key, or the application among the account's."
    token = Token.objects.filter(connection=connection).first()
    if get_provider(connection.provider).oauth is None or token is None:
        return by_hand
    try:
        return end_grant(connection, token)
    except KeepsyncError as error:
        # An outage's message goes on with what to do: that is not so here.
        cause = error.__cause__ if isinstance(error, OutageError) and error.__cause__ else error
        return f"The grant could not be revoked: {cause} {by_hand}"
