"""Making, pausing and disabling connections, and the command that does it in the shell."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import responses
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_q.models import OrmQ

from integrations.calls import check_connection
from integrations.connections import account_of, add_connection, ask_for_authorisation, set_credentials, set_status
from integrations.exceptions import SetupError, StateError
from integrations.models import Connection, Delivery, Token
from integrations.providers import PROVIDERS
from integrations.webhook_secrets import add_secret, retire_secret
from tests.factories import make_connection, make_delivery, make_payload


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def test_a_new_connection_gets_a_secret_that_is_returned_once(db: None) -> None:
    connection, secret = add_connection(provider="calendar_live", slug="calendar-live")
    assert secret.startswith("whsec_")
    assert connection.webhook_secrets.get().secret == secret


def test_options_and_credentials_are_kept_apart(db: None) -> None:
    options = {"access_token": "token-1", "default_region": "fr", "calendar_id": "cal_1"}
    connection, _ = add_connection(provider="calendar_live", slug="calendar-live", options=options)
    connection.refresh_from_db()
    assert connection.credentials == {}
    assert connection.token.access_token == "token-1"
    assert connection.options == {"calendar_id": "cal_1"}
    assert connection.default_region == "FR"


def test_a_token_that_is_given_lives_as_long_as_is_said(db: None) -> None:
    options = {"access_token": "a-1", "refresh_token": "r-1", "expires_in": "600", "client_id": "c-1"}
    token = make_connection(options=options).token
    assert (token.access_token, token.refresh_token, token.generation) == ("a-1", "r-1", 1)
    assert token.expires_at is not None
    assert token.expires_at - token.obtained_at == timedelta(minutes=10)


def test_a_new_token_by_hand_forgets_the_old_one_with_its_errors(db: None) -> None:
    connection = make_connection(options={"access_token": "a-1", "refresh_token": "r-1", "client_id": "c-1"})
    Token.objects.update(failures=3, error="invalid_grant", failed_at=timezone.now(), scope="old")
    set_credentials(connection, {"access_token": "a-2"})
    token = Token.objects.get()
    assert (token.access_token, token.refresh_token, token.generation, token.scope) == ("a-2", "", 2, "")
    assert (token.failures, token.error, token.failed_at) == (0, "", None)
    set_credentials(connection, {"access_token": "a-3", "refresh_token": "r-3", "expires_in": "60"})
    assert Token.objects.get().refresh_token == "r-3"
    connection.refresh_from_db()
    assert connection.credentials == {"client_id": "c-1"}


def test_another_credential_by_hand_takes_the_tokens_place(db: None) -> None:
    pipedrive = make_connection("pipedrive", provider="pipedrive", options={"access_token": "a-1"})
    set_credentials(pipedrive, {"api_key": "k-1"})
    assert not Token.objects.exists()
    assert account_of(pipedrive).credentials == {"api_key": "k-1"}


def test_an_account_is_where_the_connection_or_else_the_grant_says(db: None) -> None:
    salesforce = make_connection("org", provider="salesforce", options={"access_token": "a-1"})
    assert account_of(salesforce).base_url == PROVIDERS["salesforce"].origin
    Token.objects.update(api_url="https://acme.my.salesforce.com")
    assert account_of(salesforce).base_url == "https://acme.my.salesforce.com"
    assert account_of(salesforce).credentials == {"access_token": "a-1"}
    salesforce.base_url = "https://proxy.example"
    assert account_of(salesforce).base_url == "https://proxy.example"


def test_the_time_of_the_status_moves_with_it_only(calendar_live: Connection) -> None:
    Connection.objects.update(status_changed_at=timezone.now() - timedelta(days=1))
    calendar_live.refresh_from_db()
    before = calendar_live.status_changed_at
    set_status(calendar_live, Connection.Status.ACTIVE)
    assert Connection.objects.get().status_changed_at == before
    set_status(calendar_live, Connection.Status.PAUSED)
    assert Connection.objects.get().status_changed_at > before


@pytest.mark.parametrize("status", ["paused", "disabled", "needs_reauthorisation"])
def test_only_an_active_connection_asks_for_authorisation(status: str, calendar_live: Connection) -> None:
    Connection.objects.update(status=status)
    ask_for_authorisation(calendar_live)
    assert Connection.objects.get().status == calendar_live.status == status


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"provider": "nobody"}, "nobody"),
        ({"slug": "Not A Slug"}, "slug"),
        ({"slug": "taken"}, "slug"),
        ({"base_url": "not a url"}, "base_url"),
        ({"options": {"colour": "red"}}, "colour"),
        ({"options": {"access_token": "a", "expires_in": "-1"}}, "expires_in"),
        ({"options": {"access_token": "a", "expires_in": "soon"}}, "expires_in"),
        ({"options": {"expires_in": "60"}}, "expires_in"),
    ],
    ids=["provider", "malformed slug", "taken slug", "base URL", "option", "negative", "no number", "of nothing"],
)
def test_what_is_wrong_is_named(db: None, arguments: dict[str, Any], named: str) -> None:
    make_connection("taken")
    with pytest.raises(SetupError, match=named):
        add_connection(**{"provider": "calendar_live", "slug": "calendar-live", **arguments})


def test_the_last_active_secret_cannot_be_retired(calendar_live: Connection) -> None:
    first = calendar_live.webhook_secrets.get()
    with pytest.raises(StateError):
        retire_secret(first)
    add_secret(calendar_live)
    retire_secret(first)
    assert calendar_live.webhook_secrets.filter(retired_at=None).count() == 1


def test_every_change_of_secrets_or_status_raises_the_generation(calendar_live: Connection) -> None:
    def generation() -> int:
        return Connection.objects.get().generation

    before = generation()
    add_secret(calendar_live)
    assert generation() == before + 1
    call_command("connection", "pause", "calendar-live", stdout=StringIO())
    assert generation() == before + 2


def test_the_command_adds_lists_and_changes_connections(db: None) -> None:
    added = json.loads(run("connection", "add", "calendar_live", "--slug", "cl", "--option", "scope=a b", "--json"))
    assert added["webhook_path"] == "/webhooks/cl/"
    assert added["webhook_secret"] == Connection.objects.get().webhook_secrets.get().secret
    assert Connection.objects.get().options == {"scope": "a b"}
    assert "calendar_live" in run("connection", "list")
    for action, status in (("pause", "paused"), ("disable", "disabled"), ("resume", "active")):
        assert json.loads(run("connection", action, "cl", "--json")) == {"slug": "cl", "status": status}
        assert Connection.objects.get().status == status


def test_a_secret_that_was_given_is_not_printed(db: None) -> None:
    shown = run("connection", "add", "calendar_live", "--slug", "cl", "--webhook-secret", "whsec_mine")
    assert "whsec_mine" not in shown


def test_resuming_queues_what_waited(calendar_live: Connection) -> None:
    run("connection", "pause", "calendar-live")
    make_delivery(calendar_live, make_payload())
    run("connection", "resume", "calendar-live")
    assert OrmQ.objects.count() == 1


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["connection", "pause", "nobody"], 1),
        (["connection", "add", "calendar_live", "--slug", "A B"], 1),
        (["connection", "add", "calendar_live", "--slug", "cl", "--option", "colour"], 2),
        (["replay"], 2),
    ],
)
def test_errors_have_an_exit_status(db: None, words: list[str], status: int) -> None:
    with pytest.raises(CommandError) as caught:
        call_command(*words)
    assert caught.value.returncode == status


@responses.activate
def test_testing_a_connection_says_what_was_found(db: None) -> None:
    connection = make_connection(base_url="http://127.0.0.1:9", options={"access_token": "token-1"})
    calendar = {"id": "cal_1", "name": "EMEA sales", "timezone": "Europe/Paris", "owner_email": "lea@acme.example"}
    responses.get(
        "http://127.0.0.1:9/v1/calendars",
        json={"items": [calendar]},
        match=[responses.matchers.header_matcher({"Authorization": "Bearer token-1"})],
    )
    assert "EMEA sales" in check_connection(connection)
    assert "EMEA sales" in run("connection", "test", "calendar-live")


@responses.activate
def test_testing_a_connection_whose_token_is_refused_says_what_to_do(db: None) -> None:
    make_connection(base_url="http://127.0.0.1:9", options={"access_token": "token-1"})
    responses.get("http://127.0.0.1:9/v1/calendars", status=401, json={"code": "unauthorized", "message": "no"})
    with pytest.raises(CommandError, match="authorise"):
        run("connection", "test", "calendar-live")


def test_the_replay_command_replays_dead_letters_and_named_deliveries(calendar_live: Connection) -> None:
    dead = make_delivery(calendar_live, make_payload(), status=Delivery.Status.DEAD, cause="payload")
    done = make_delivery(calendar_live, make_payload("dlv_2"), status=Delivery.Status.PROCESSED)
    assert json.loads(run("replay", "--all-dead", "--dry-run", "--json")) == {
        "matched": 1,
        "replayed": 0,
        "would_replay": 1,
    }
    assert json.loads(run("replay", "--cause", "payload", "--json")) == {"matched": 1, "replayed": 1}
    assert json.loads(run("replay", "dlv_2", str(dead.pk), "--json")) == {"matched": 2, "replayed": 1}
    done.refresh_from_db()
    assert done.status == Delivery.Status.RECEIVED
    assert OrmQ.objects.count() == 2


def test_the_replay_command_leaves_a_refused_request_that_was_discarded(calendar_live: Connection) -> None:
    make_delivery(calendar_live, make_payload(), status=Delivery.Status.DISCARDED, is_accepted=False)
    assert json.loads(run("replay", "dlv_1", "--dry-run", "--json"))["would_replay"] == 0
    assert json.loads(run("replay", "dlv_1", "--json")) == {"matched": 1, "replayed": 0}
    assert OrmQ.objects.count() == 0
