"""Calling a connection's provider with a token that is good now: one refresh and one repeat where it is refused."""

from collections.abc import Callable
from dataclasses import dataclass

from integrations import oauth, refusals, tokens
from integrations.connections import account_with, ask_for_authorisation
from integrations.exceptions import ReauthoriseError, TokenOutageError
from integrations.models import Connection, Token
from integrations.operations.metrics import REFUSED_CALLS
from integrations.providers import get_provider
from integrations.providers.base import Account
from integrations.refreshes import WAIT_S, refresh

# Credentials that call a provider without a token.
KEYS = ("api_key", "bot_token", "webhook_url")


@dataclass(frozen=True, slots=True)
class Loan:
    """What to call with for now; `token` None where the connection has none."""

    account: Account
    token: Token | None


def use_account[T](connection: Connection, call: Callable[[Account], T], *, wait_s: float = WAIT_S) -> T:
    """What the call returns. It may be made twice; never inside a transaction.

    Raises what the call raises, ReauthoriseError when a person has to authorise the connection again (which is noted on
    it), TokenOutageError where the token has run out and no new one can be had: `wait_s` is how long to wait for
    another process that refreshes it.
    """
    loan = lend(connection, wait_s=wait_s)
    try:
        return call(loan.account)
    except ReauthoriseError:
        newer = lend_anew(connection, loan, wait_s=wait_s)
        if newer is None:
            ask_for_authorisation(connection)
            raise
    try:
        return call(newer.account)
    except ReauthoriseError:
        count_refusal(connection)
        ask_for_authorisation(connection)
        raise


def check_connection(connection: Connection) -> str:
    """Call the provider and say what was found. Raises a KeepsyncError that says what to do."""
    return use_account(connection, get_provider(connection.provider).test)


def lend(connection: Connection, *, wait_s: float = WAIT_S) -> Loan:
    """Refreshed first where the token is about to run out. Raises GrantError or TokenOutageError where it has.

    Raises ReauthoriseError, which is noted on the connection, where it is to be authorised in the browser and is not:
    what is to go out waits for that.
    """
    token = read_or_make(connection)
    if is_unauthorised(connection, token):
        ask_for_authorisation(connection)
        raise ReauthoriseError(f"{connection} is not authorised: authorise it.")
    if token is not None and tokens.is_stale(token) and oauth.can_refresh(token.connection, token):
        try:
            refresh(connection.pk, seen_generation=token.generation, wait_s=wait_s)
        except TokenOutageError:
            if not tokens.is_usable(token):
                raise
        token = tokens.read_token(connection.pk)
    return Loan(account_with(connection, token), token)


def lend_anew(connection: Connection, refused: Loan, *, wait_s: float = WAIT_S) -> Loan | None:
    """After a 401: with the token that has taken the place of the refused one. None where nothing else can be had.

    Raises GrantError or TokenOutageError.
    """
    count_refusal(connection)
    token = tokens.read_token(connection.pk)
    if token is None or refused.token is None:
        return None
    if token.generation == refused.token.generation and not oauth.can_refresh(token.connection, token):
        return None
    refresh(connection.pk, seen_generation=refused.token.generation, wait_s=wait_s)
    token = tokens.read_token(connection.pk)
    return Loan(account_with(connection, token), token)


def read_or_make(connection: Connection) -> Token | None:
    """A server-to-server application needs no person for its first token either."""
    token = tokens.read_token(connection.pk)
    if token is not None:
        return token
    empty = tokens.make_empty_token(connection)
    if not oauth.can_refresh(connection, empty):
        return None
    tokens.save_empty_token(empty)
    return tokens.read_token(connection.pk)


def is_unauthorised(connection: Connection, token: Token | None) -> bool:
    """Whether an application is known over there, and neither a token nor a key to call with."""
    if get_provider(connection.provider).oauth is None or not connection.credentials.get("client_id"):
        return False
    if any(connection.credentials.get(name) for name in KEYS):
        return False
    return token is None or not (token.access_token or oauth.can_refresh(connection, token))


def count_refusal(connection: Connection) -> None:
    REFUSED_CALLS.labels(provider=get_provider(connection.provider).name).inc()
    refusals.count_call(connection.pk)
