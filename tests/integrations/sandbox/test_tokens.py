"""Every played authorisation server over its own addresses: tokens that its API takes, refreshes, ends and faults."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from tests.integrations.sandbox.authorising import (
    CLIENT_SECRET,
    PLACES,
    REDIRECT_URI,
    REFRESHING,
    VERIFIER,
    Walk,
)
from tests.integrations.sandbox.playing import ACCESS_TOKEN, Played

LIFETIMES = {"calendar_live": 900, "hubspot": 1800, "salesforce": None, "pipedrive": 3599, "zoom": 3600}
ROTATING = ("calendar_live", "zoom")
# Where each shows its page and is steered.
PAGES = {name: "calendar-live" if name == "calendar_live" else name for name in PLACES}
IDENTITIES: dict[str, tuple[str, Any]] = {
    "calendar_live": ("", lambda answer: answer["items"][0]["owner_email"]),
    "hubspot": ("/account-info/2026-03/details", lambda answer: answer["portalId"]),
    "salesforce": ("", lambda answer: answer["organization_id"]),
    "pipedrive": ("", lambda answer: answer["data"]["company_id"]),
    "zoom": ("", lambda answer: answer["account_id"]),
    "slack": ("", lambda answer: answer["team_id"]),
}


@pytest.fixture(autouse=True)
def _afresh(client: Client) -> Iterator[None]:
    """Other tests of this process have authorised here as well."""
    reset(client)
    yield
    reset(client)


def reset(client: Client) -> None:
    for name in PAGES.values():
        client.post(f"/{name}/_sandbox/reset")


def steering(client: Client, name: str) -> Played:
    return Played(client, PAGES[name], "")


def grants_of(client: Client, name: str) -> list[dict[str, Any]]:
    grants: list[dict[str, Any]] = steering(client, name).state()["grants"]
    return grants


@pytest.mark.parametrize("name", PLACES)
def test_a_code_is_worth_a_token_that_the_api_takes(client: Client, name: str) -> None:
    walk = Walk(client, PLACES[name])
    token = walk.authorise()["access_token"]
    assert token != ACCESS_TOKEN
    assert [walk.call(given)[0] for given in (token, ACCESS_TOKEN, "made-up")] == [True, True, False]
    [grant] = grants_of(client, name)
    assert (grant["client_id"], grant["account"], grant["ended_at"]) == ("<app>", "acme", None)


@pytest.mark.parametrize("name", REFRESHING)
def test_a_token_is_refreshed_in_the_providers_way(client: Client, name: str) -> None:
    walk = Walk(client, PLACES[name])
    first = walk.authorise()
    second = walk.refresh(first["refresh_token"]).json()
    assert (first.get("expires_in"), second.get("expires_in")) == (LIFETIMES[name], LIFETIMES[name])
    assert walk.call(second["access_token"])[0]
    if name == "salesforce":
        assert "refresh_token" not in second
    else:
        assert (second["refresh_token"] != first["refresh_token"]) is (name in ROTATING)


@pytest.mark.parametrize("name", PLACES)
def test_a_code_that_comes_twice_ends_what_it_gave(client: Client, name: str) -> None:
    walk = Walk(client, PLACES[name])
    code = walk.choose()["code"]
    token = walk.exchange(code).json()["access_token"]
    refused = walk.exchange(code)
    assert refused.status_code == (200 if name == "slack" else 400)
    assert "access_token" not in refused.json()
    assert not walk.call(token)[0]


def test_calendar_live_ends_the_grant_when_a_refresh_token_comes_twice_and_zoom_does_not(client: Client) -> None:
    for name, is_kept in (("calendar_live", False), ("zoom", True)):
        walk = Walk(client, PLACES[name])
        first = walk.authorise()
        second = walk.refresh(first["refresh_token"]).json()
        refused = walk.refresh(first["refresh_token"])
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
        assert walk.call(second["access_token"])[0] is is_kept
        assert (walk.refresh(second["refresh_token"]).status_code == 200) is is_kept


@pytest.mark.parametrize("name", PLACES)
def test_another_client_gets_nothing(client: Client, name: str) -> None:
    walk = Walk(client, PLACES[name])
    for client_id in ("another", ""):
        stranger = Walk(client, PLACES[name], client_id=client_id)
        refused = stranger.exchange(walk.choose()["code"])
        assert refused.status_code == (200 if name == "slack" else 400)
        assert "access_token" not in refused.json()
        if name in REFRESHING:
            assert stranger.refresh(walk.authorise()["refresh_token"]).status_code == 400


@pytest.mark.parametrize("name", REFRESHING)
def test_a_revoked_grant_is_refused_everywhere_and_a_new_one_works(client: Client, name: str) -> None:
    walk = Walk(client, PLACES[name])
    given = walk.authorise()
    assert walk.revoke(given["refresh_token"]).status_code == 200
    assert not walk.call(given["access_token"])[0]
    refused = walk.refresh(given["refresh_token"])
    assert refused.status_code == 400
    if name == "hubspot":
        assert [refused.json()[field] for field in ("status", "category")] == ["BAD_REFRESH_TOKEN"] * 2
    else:
        assert refused.json()["error"] == "invalid_grant"
    assert walk.revoke("made-up").status_code == (400 if name == "salesforce" else 200)
    assert walk.call(walk.authorise()["access_token"])[0]


def test_slack_revokes_by_form_or_bearer_and_tries_it_out(client: Client) -> None:
    walk = Walk(client, PLACES["slack"])
    token = walk.authorise()["access_token"]
    slack = Played(client, "slack", "https://slack.com", {"Authorization": f"Bearer {token}"})
    tried = slack.json("POST", "/api/auth.revoke", data={"test": "1"}, is_checked=False)
    assert tried == {"ok": True, "revoked": False}
    assert walk.revoke(token).json() == {"ok": True, "revoked": True}
    assert walk.revoke(token).json() == {"ok": False, "error": "invalid_auth"}
    assert slack.json("GET", "/api/auth.test")["error"] == "invalid_auth"


def test_slack_answers_in_its_own_form_by_get_as_specified(client: Client) -> None:
    walk = Walk(client, PLACES["slack"], changes={"code_challenge": "", "code_challenge_method": ""})
    slack = Played(client, "slack", "https://slack.com", {})
    form = {"client_id": "<app>", "client_secret": "s", "redirect_uri": REDIRECT_URI}
    answer = slack.json("GET", "/api/oauth.v2.access", params=form | {"code": walk.choose()["code"]})
    assert (answer["ok"], answer["token_type"], answer["scope"]) == (True, "bot", "chat:write,chat:write.public")
    assert answer["team"] == {"id": "T0ACME0001", "name": "Acme"}
    assert {"bot_user_id", "app_id", "authed_user"} < set(answer)
    assert "refresh_token" not in answer
    refused = slack.json("GET", "/api/oauth.v2.access", params=form | {"code": "made-up"})
    assert refused == {"ok": False, "error": "invalid_code"}


def test_salesforce_and_pipedrive_tell_where_the_account_is(client: Client) -> None:
    salesforce, pipedrive = (Walk(client, PLACES[name]).authorise() for name in ("salesforce", "pipedrive"))
    assert salesforce["instance_url"] == "http://testserver/salesforce"
    assert salesforce["scope"] == "api refresh_token"
    assert pipedrive["api_domain"] == "http://testserver/pipedrive"
    assert "contacts:full" in pipedrive["scope"].split()


def test_pipedrives_answer_is_as_specified(client: Client) -> None:
    given = Walk(client, PLACES["pipedrive"]).authorise()
    login = Played(client, "pipedrive", "https://oauth.pipedrive.com", {})
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    # HTTP Basic of the client that was authorised.
    headers = {"Authorization": "Basic PGFwcD46c2VjcmV0"}
    answer = login.json("POST", "/oauth/token/", data=form, headers=headers)
    assert answer["refresh_token"] == given["refresh_token"]
    assert login.refuse("POST", "/oauth/token", status=400, data=form)["error"] == "invalid_client"


def test_zoom_gives_an_account_its_token_without_a_refresh_token(client: Client) -> None:
    walk = Walk(client, PLACES["zoom"])
    answer = walk.post("/oauth/token", {"grant_type": "account_credentials", "account_id": "a"}).json()
    assert (answer["expires_in"], "refresh_token" in answer) == (3600, False)
    assert walk.call(answer["access_token"])[0]


@pytest.mark.parametrize("name", PLACES)
def test_whose_account_it_is_can_be_asked(client: Client, name: str) -> None:
    walk = Walk(client, PLACES[name])
    path, read = IDENTITIES[name]
    found = []
    for account in ("acme", "elsewhere", "nobody"):
        is_taken, answer = walk.call(walk.authorise(account=account)["access_token"], path)
        assert is_taken
        found.append(read(answer))
    assert found[0] == found[2] != found[1]
    assert read(walk.call(ACCESS_TOKEN, path)[1]) == found[0]


def test_hubspot_tells_what_a_token_is(client: Client) -> None:
    walk, given = Walk(client, PLACES["hubspot"]), Walk(client, PLACES["hubspot"]).authorise(account="elsewhere")
    shown = walk.post("/oauth/2026-03/token/introspect", {"token": given["access_token"]}).json()
    assert (shown["active"], shown["hub_id"], shown["hub_domain"]) == (True, given["hub_id"], "elsewhere.example")
    assert shown["scopes"] == given["scopes"] == ["oauth", "crm.objects.contacts.read"]
    assert 1790 <= shown["expires_in"] <= 1800
    assert walk.post("/oauth/2026-03/token/introspect", {"token": "made-up"}).json() == {"active": False}
    assert walk.post("/oauth/2026-03/token/introspect", {"token": ACCESS_TOKEN}).json()["active"] is True


def test_stripe_tells_whose_key_it_is(client: Client) -> None:
    answer = client.get("/stripe/v1/account", headers={"Authorization": f"Bearer {ACCESS_TOKEN}"}).json()
    assert (answer["object"], answer["settings"]["dashboard"]["display_name"]) == ("account", "Acme")


def test_zooms_user_is_found_by_address_too(client: Client) -> None:
    walk = Walk(client, PLACES["zoom"])
    assert walk.call(ACCESS_TOKEN, "/v2/users/host@acme.example")[1]["status"] == "active"
    answer = client.get("/zoom/v2/users/nobody", headers={"Authorization": f"Bearer {ACCESS_TOKEN}"})
    assert (answer.status_code, answer.json()["code"]) == (404, 1001)


# --- Knobs and the page -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", REFRESHING)
def test_while_revoked_nothing_is_taken_or_given(client: Client, name: str) -> None:
    walk = Walk(client, PLACES[name])
    given, code = walk.authorise(), walk.choose()["code"]
    steering(client, name).turn(is_revoked=True)
    assert not walk.call(given["access_token"])[0]
    assert (walk.refresh(given["refresh_token"]).status_code, walk.exchange(code).status_code) == (400, 400)
    steering(client, name).turn()
    assert walk.refresh(given["refresh_token"]).status_code == 200


@pytest.mark.parametrize("name", REFRESHING)
def test_the_lifetime_of_new_tokens_is_set(client: Client, name: str) -> None:
    steering(client, name).turn(token_lifetime_s=7)
    given = Walk(client, PLACES[name]).authorise()
    assert given.get("expires_in") == (None if name == "salesforce" else 7)
    [grant] = grants_of(client, name)
    assert grant["expires_at"] > grant["made_at"]


def test_the_authorisation_server_fails_and_is_late_while_the_api_is_well(client: Client) -> None:
    walk = Walk(client, PLACES["zoom"])
    given = walk.authorise()
    steering(client, "zoom").turn(rate_token_5xx=1, rate_429=0)
    assert walk.refresh(given["refresh_token"]).status_code == 503
    assert walk.call(given["access_token"])[0]
    steering(client, "zoom").turn(token_latency_ms=30)
    started = time.monotonic()
    assert walk.refresh(given["refresh_token"]).status_code == 200
    assert time.monotonic() - started >= 0.03
    newest = steering(client, "zoom").state()["requests"]
    assert newest[0]["duration_ms"] >= 30
    assert [entry["fault"] for entry in newest[:3]] == ["", "", "5xx"]


def test_faults_of_tokens_add_up_with_nothing(client: Client) -> None:
    steering(client, "zoom").turn(rate_429=1, rate_token_5xx=1)


@pytest.mark.parametrize("name", PLACES)
def test_the_page_shows_the_grants_and_ends_them(client: Client, name: str) -> None:
    walk, page = Walk(client, PLACES[name]), steering(client, name)
    given = walk.authorise(account="elsewhere")
    shown = page.page()
    for text in ("&lt;app&gt;", "Somebody Else at Elsewhere", "active", f"…{given['access_token'][-4:]}"):
        assert text in shown
    assert given["access_token"] not in shown
    assert page.press("grants/expire/").status_code == 302
    assert not walk.call(given["access_token"])[0]
    fresh = walk.authorise()
    assert page.press("grants/revoke/").status_code == 302
    assert not walk.call(fresh["access_token"])[0]
    if name in REFRESHING:
        assert walk.refresh(given["refresh_token"]).status_code == 400
    assert "revoked on the sandbox&#x27;s page" in page.page()
    assert page.press("grants/burn/").status_code == 404


def test_a_provider_with_keys_only_has_no_grants_on_its_page(client: Client) -> None:
    page = client.get("/stripe/").content.decode()
    assert "Revoke all grants" not in page
    assert "access tokens" not in page


@pytest.mark.parametrize("name", PLACES)
def test_no_secret_is_in_the_log_or_the_state(client: Client, name: str) -> None:
    walk = Walk(client, PLACES[name])
    code = walk.choose()["code"]
    given = walk.exchange(code).json()
    secrets = [code, VERIFIER, CLIENT_SECRET, given["access_token"]]
    if name in REFRESHING:
        secrets += [given["refresh_token"], walk.refresh(given["refresh_token"]).json()["access_token"]]
        walk.revoke(given["refresh_token"])
    client.get(f"{PLACES[name].root}{PLACES[name].token}?code={code}")
    seen = f"{steering(client, name).state()} {steering(client, name).page()}"
    assert [secret for secret in secrets if secret in seen] == []
    assert f"…{code[-4:]}" in seen


def test_a_reset_forgets_all_grants(client: Client) -> None:
    walk = Walk(client, PLACES["hubspot"])
    given = walk.authorise()
    steering(client, "hubspot").reset()
    assert grants_of(client, "hubspot") == []
    assert not walk.call(given["access_token"])[0]
    assert walk.refresh(given["refresh_token"]).status_code == 400
