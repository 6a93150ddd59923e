"""The whole life of a grant at every provider, with real HTTP, against the sandbox's authorisation servers."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.contrib.auth.models import User

from integrations import oauth
from integrations.authorisations import Result, finish, missing_scopes, revoke, start
from integrations.connections import account_with
from integrations.exceptions import GrantError, ReauthoriseError
from integrations.models import Connection, Token
from integrations.providers import get_provider
from tests.integrations.oauth_answers import connect, query_of
from tests.integrations.sandbox.support import Sandbox, running_sandbox

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

SESSION = "session-key-1"
PATHS = {
    "calendar_live": "",
    "hubspot": "/hubspot",
    "salesforce": "/salesforce",
    "pipedrive": "/pipedrive",
    "zoom": "/zoom",
    "slack": "/slack",
}
ROTATING = {"calendar_live", "zoom"}
LASTING = {"slack"}


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running


def authorise(connection: Connection, user: User, *, account: str = "", choice: str = "allow") -> Result:
    """There, what a person chooses on the consent page, and back."""
    url = start(connection, user=user, session_key=SESSION)
    page = requests.get(url, timeout=5)
    assert page.status_code == 200, page.text
    chosen = {"choice": choice, **({"account": account} if account else {})}
    answer = requests.post(url, data=chosen, allow_redirects=False, timeout=5)
    assert answer.status_code == 302, answer.text
    assert answer.headers["Location"].startswith(oauth.redirect_uri())
    return finish(query_of(answer.headers["Location"]), session_key=SESSION, user=user)


def other_account(connection: Connection, user: User) -> str:
    """The consent page's second choice."""
    page = requests.get(start(connection, user=user, session_key=SESSION), timeout=5).text
    return page.split('<option value="')[2].split('"')[0]


@pytest.fixture(params=PATHS)
def connection(request: Any, sandbox: Sandbox) -> Connection:
    return connect(request.param, base_url=f"{sandbox.url}{PATHS[request.param]}")


def test_grant_is_given_refreshed_and_revoked(connection: Connection, admin_user: User, settings: Any) -> None:
    settings.ALLOW_PRIVATE_PROVIDERS = True
    result = authorise(connection, admin_user)
    assert result.is_granted, result.message
    assert "could not be seen" not in result.message
    assert missing_scopes(connection) == []
    token = Token.objects.get(connection=connection)
    assert token.account_id
    assert token.account_name
    adapter = get_provider(connection.provider)
    if oauth.can_refresh(connection, token):
        grant = oauth.refresh_grant(connection, token)
        assert grant.access_token != token.access_token
        assert (grant.refresh_token not in ("", token.refresh_token)) == (connection.provider in ROTATING)
        token.access_token, token.refresh_token = grant.access_token, grant.refresh_token or token.refresh_token
        token.save()
        assert adapter.identify(account_with(connection, token)).account_id == token.account_id
    else:
        assert connection.provider in LASTING
    assert "has revoked the grant" in revoke(connection)
    with pytest.raises(ReauthoriseError):
        adapter.identify(account_with(connection, token))
    if token.refresh_token:
        with pytest.raises(GrantError) as caught:
            oauth.refresh_grant(connection, token)
        assert caught.value.code == "invalid_grant"


def test_wrong_account_is_not_taken(connection: Connection, admin_user: User, settings: Any) -> None:
    settings.ALLOW_PRIVATE_PROVIDERS = True
    authorise(connection, admin_user)
    before = Token.objects.get(connection=connection)
    result = authorise(connection, admin_user, account=other_account(connection, admin_user))
    assert not result.is_granted
    assert "Another account was authorised" in result.message
    assert Token.objects.get(connection=connection).access_token == before.access_token


def test_refusal_is_told(connection: Connection, admin_user: User, settings: Any) -> None:
    settings.ALLOW_PRIVATE_PROVIDERS = True
    assert "(access_denied)" in authorise(connection, admin_user, choice="refuse").message
