"""New credentials of a connection: set without seeing the old ones, and what waited for them goes on."""

import re
from typing import Any

import pytest
import responses
from django.test import Client
from django_q.models import OrmQ

from integrations.connections import set_credentials
from integrations.exceptions import SetupError
from integrations.models import Connection
from tests.factories import make_connection
from tests.integrations.admin.support import get_page, make_effect, page_address, press, read_log, read_messages

# What answers the test that follows new credentials.
HUBSPOT = re.compile(r"https://api\.hubapi\.com/.*")


def make(provider: str, **options: str) -> Connection:
    return make_connection(provider, provider=provider, options=options)


@pytest.mark.parametrize(
    ("provider", "fields"),
    [
        ("calendar_live", ["access_token", "client_id", "client_secret"]),
        ("hubspot", ["access_token", "client_id", "client_secret"]),
        ("slack", ["bot_token", "webhook_url", "client_id", "client_secret"]),
        ("stripe", ["api_key"]),
    ],
)
def test_the_form_asks_for_what_the_provider_takes_and_shows_nothing(
    provider: str, fields: list[str], admin_client: Client, db: None
) -> None:
    connection = make(provider, **dict.fromkeys(fields, "stored-secret"))
    response = admin_client.get(page_address(connection, "set_credentials"))

    assert list(response.context["form"].fields) == fields
    assert "stored-secret" not in response.content.decode()
    assert "stored-secret" not in get_page(admin_client, page_address(connection))


def test_a_provider_that_takes_none_has_no_such_button(admin_client: Client, db: None) -> None:
    email = make("email")

    assert "does not fit" in read_messages(press(admin_client, email, "set_credentials"))
    assert "Set credentials" not in get_page(admin_client, page_address(email))


@responses.activate
def test_new_credentials_take_the_place_of_the_old_ones(admin_client: Client, db: None) -> None:
    slack = make("slack", webhook_url="https://hooks.example/old", client_id="c1")
    responses.get("https://slack.com/api/auth.test", json={"ok": True, "user": "keepsync", "team": "Acme"})
    response = press(admin_client, slack, "set_credentials", bot_token=" xoxb-new ")
    slack.refresh_from_db()

    assert slack.credentials == {"client_id": "c1", "bot_token": "xoxb-new"}
    assert "The credentials are set. Slack answers: the bot is keepsync in Acme." in read_messages(response)
    assert read_log(slack) == [("admin", "Set new credentials")]
    for page in ("change", "history", "set_credentials"):
        assert "xoxb-new" not in get_page(admin_client, page_address(slack, page))


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "Give at least one of these."),
        ({"bot_token": " "}, "Give at least one of these."),
        ({"bot_token": "xoxb with spaces"}, "without spaces or line breaks"),
        ({"bot_token": "x" * 5000}, "at most 4096 characters"),
    ],
)
def test_what_is_wrong_is_said_and_changes_nothing(
    values: dict[str, str], problem: str, admin_client: Client, db: None
) -> None:
    slack = make("slack", bot_token="xoxb-old")
    page = press(admin_client, slack, "set_credentials", **values).content.decode()
    slack.refresh_from_db()

    assert problem in page
    assert "xoxb with" not in page
    assert slack.credentials == {"bot_token": "xoxb-old"}


@responses.activate
def test_what_waited_for_reauthorisation_goes_on(admin_client: Client, db: None) -> None:
    hubspot = make("hubspot", access_token="expired")
    Connection.objects.update(status="needs_reauthorisation")
    effect = make_effect(hubspot, status="waiting", cause="reauthorise", attempts=1, free_attempts=1)
    responses.get(HUBSPOT, status=404, json={})
    response = press(admin_client, hubspot, "set_credentials", access_token="new")
    hubspot.refresh_from_db()
    effect.refresh_from_db()

    assert (hubspot.status, hubspot.token.access_token) == ("active", "new")
    assert effect.status == "pending"
    assert [row.task["args"] for row in OrmQ.objects.all()] == [(hubspot.pk,)]
    assert "hubspot is active" in read_messages(response)


@responses.activate
def test_credentials_that_are_refused_too_resume_nothing(admin_client: Client, db: None) -> None:
    hubspot = make("hubspot", access_token="expired")
    Connection.objects.update(status="needs_reauthorisation")
    effect = make_effect(hubspot, status="waiting", cause="reauthorise")
    responses.get(HUBSPOT, status=401)
    response = press(admin_client, hubspot, "set_credentials", access_token="wrong-too")
    hubspot.refresh_from_db()
    effect.refresh_from_db()

    assert (hubspot.status, effect.status) == ("needs_reauthorisation", "waiting")
    assert "The test failed: HubSpot" in read_messages(response)
    assert "wrong-too" not in response.content.decode()
    assert read_log(hubspot) == [("admin", "Set new credentials")]


@responses.activate
@pytest.mark.parametrize("status", ["active", "paused", "disabled"])
def test_another_state_stays_as_it_is(status: str, admin_client: Client, db: None) -> None:
    hubspot = make("hubspot")
    Connection.objects.update(status=status)
    responses.get(HUBSPOT, status=404, json={})
    press(admin_client, hubspot, "set_credentials", access_token="new")

    assert Connection.objects.get().status == status


@pytest.mark.parametrize("values", [{}, {"access_token": ""}, {"bot_token": "x"}])
def test_credentials_that_do_not_fit_are_refused(values: dict[str, Any], db: None) -> None:
    with pytest.raises(SetupError, match="hubspot takes access_token"):
        set_credentials(make("hubspot"), values)
