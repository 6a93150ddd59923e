"""Connections in the admin: added, their secrets shown once, and what the buttons do."""

import re
from datetime import timedelta
from typing import Any

import pytest
import responses
from django.test import Client
from django.utils import timezone
from django.utils.html import escape
from django_q.models import OrmQ

from integrations.connections import set_credentials
from integrations.mappings import fill_defaults
from integrations.models import Connection, Drain, Effect, WebhookSecret
from integrations.providers import PROVIDERS
from integrations.webhook_secrets import add_secret
from tests.factories import SECRET, make_connection, make_delivery, make_payload, post_webhook
from tests.integrations.admin.support import (
    get_page,
    list_address,
    make_effect,
    page_address,
    press,
    read_log,
    read_messages,
    sign_in,
)

ADDRESS = "/admin/integrations/connection/"
BUTTONS = ["test", "pause", "resume", "disable", "set_credentials", "add_secret", "retire_secret", "verify_rejected"]
VIEW = "integrations.view_connection"


def add(client: Client, **fields: str) -> Any:
    return client.post(f"{ADDRESS}add/", {"provider": "calendar_live", "slug": "emea", **fields})


def resting(connection: Connection, button: str) -> Connection:
    """In a state that the button fits."""
    if button == "resume":
        Connection.objects.update(status="paused")
    connection.refresh_from_db()
    return connection


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_rows_as_for_two(
    count: int, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        make_connection(f"connection-{number}")
    with django_assert_max_num_queries(6):
        get_page(admin_client, ADDRESS)


def test_a_new_connections_secret_is_shown_once_with_its_address(admin_client: Client, settings: Any) -> None:
    settings.BASE_URL = "https://keepsync.example"
    response = add(admin_client, default_region="fr", base_url="https://sandbox.example/")
    page = response.content.decode()
    connection = Connection.objects.get()
    secret = WebhookSecret.objects.get().secret

    assert secret in page
    assert "https://keepsync.example/webhooks/emea/" in page
    assert "no-store" in response["Cache-Control"]
    assert (connection.default_region, connection.base_url) == ("FR", "https://sandbox.example")
    for address in (page_address(connection), page_address(connection, "history"), ADDRESS, "/admin/"):
        assert secret not in get_page(admin_client, address)
    assert secret not in str(response.client.session.items()) + str(response.cookies)
    assert post_webhook(make_payload(), slug="emea", secret=secret).status_code == 200


def test_a_given_secret_and_token_are_taken(admin_client: Client) -> None:
    page = add(admin_client, webhook_secret="whsec_given", access_token="at_given").content.decode()
    connection = Connection.objects.get()

    assert "whsec_given" in page
    assert "at_given" not in page
    assert connection.token.access_token == "at_given"
    assert "at_given" not in get_page(admin_client, page_address(connection))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"slug": "calendar-live"}, "already exists"),
        ({"slug": "Not A Slug"}, "lower-case letters"),
        ({"provider": "unknown"}, "Select a valid choice"),
        ({"default_region": "F1"}, "two letters"),
        ({"base_url": "nowhere"}, "valid URL"),
    ],
)
def test_what_is_wrong_with_a_new_connection_is_said_at_its_field(
    fields: dict[str, str], problem: str, calendar_live: Connection, admin_client: Client
) -> None:
    response = add(admin_client, **fields)

    assert problem in response.content.decode()
    assert Connection.objects.count() == 1


def test_a_change_is_seen_by_the_intake_at_once_and_leaves_slug_and_provider(
    calendar_live: Connection, admin_client: Client
) -> None:
    values = {"slug": "renamed", "provider": "other", "base_url": "https://new.example", "default_region": "DE"}
    admin_client.post(page_address(calendar_live), values)
    before, generation = calendar_live, calendar_live.generation
    after = Connection.objects.get()

    assert (after.slug, after.provider) == (before.slug, before.provider)
    assert (after.base_url, after.default_region) == ("https://new.example", "DE")
    assert after.generation > generation
    assert after.history.first().history_user.get_username() == "admin"


def test_saving_without_a_change_changes_nothing(calendar_live: Connection, admin_client: Client) -> None:
    before = Connection.objects.values().get()
    admin_client.post(page_address(calendar_live), {"base_url": "", "default_region": "FR"})

    assert Connection.objects.values().get() == before


def test_a_connection_cannot_be_deleted(calendar_live: Connection, admin_client: Client) -> None:
    assert admin_client.post(page_address(calendar_live, "delete"), {"post": "yes"}).status_code == 403


def test_secrets_are_listed_by_age_and_never_shown(calendar_live: Connection, admin_client: Client) -> None:
    page = get_page(admin_client, page_address(calendar_live))

    assert "Webhook secrets" in page
    assert "just now" in page
    assert SECRET not in page


@pytest.mark.parametrize("button", BUTTONS)
def test_asking_for_confirmation_changes_nothing(button: str, calendar_live: Connection, admin_client: Client) -> None:
    connection = resting(calendar_live, button)
    before = Connection.objects.values().get()
    page = get_page(admin_client, page_address(connection, button))

    assert "Cancel" in page
    assert Connection.objects.values().get() == before
    assert WebhookSecret.objects.count() == 1
    assert read_log(connection) == []


@pytest.mark.parametrize("button", BUTTONS)
def test_a_button_is_refused_without_permission(button: str, calendar_live: Connection) -> None:
    connection = resting(calendar_live, button)
    before = Connection.objects.values().get()
    viewer = sign_in(VIEW)

    assert viewer.get(page_address(connection, button)).status_code == 403
    assert viewer.post(page_address(connection, button)).status_code == 403
    shown = viewer.get(page_address(connection)).context["actions_detail"]
    assert [action["title"] for action in shown] == ["Webhook secrets"]
    assert Connection.objects.values().get() == before


@pytest.mark.parametrize(("button", "status"), [("pause", "paused"), ("disable", "disabled")])
def test_a_connection_is_paused_or_disabled(
    button: str, status: str, calendar_live: Connection, admin_client: Client
) -> None:
    generation = calendar_live.generation
    response = press(admin_client, calendar_live, button)
    calendar_live.refresh_from_db()

    assert calendar_live.status == status
    assert calendar_live.generation > generation
    assert f"is {status}" in read_messages(response)
    assert len(read_log(calendar_live)) == 1


def test_resume_queues_the_deliveries_that_waited(calendar_live: Connection, admin_client: Client) -> None:
    press(admin_client, calendar_live, "pause")
    waiting = make_delivery(calendar_live, make_payload())
    response = press(admin_client, calendar_live, "resume")

    assert "1 waiting deliveries are queued" in read_messages(response)
    assert [row.task["args"] for row in OrmQ.objects.all()] == [(str(waiting.pk),)]


@pytest.mark.parametrize(("button", "status"), [("pause", "disabled"), ("resume", "active"), ("disable", "disabled")])
def test_a_button_that_does_not_fit_says_so(
    button: str, status: str, calendar_live: Connection, admin_client: Client
) -> None:
    Connection.objects.update(status=status)

    assert f"which is {status}" in read_messages(press(admin_client, calendar_live, button))
    assert read_log(calendar_live) == []


@responses.activate
def test_the_test_button_says_what_the_provider_answers(calendar_live: Connection, admin_client: Client) -> None:
    set_credentials(calendar_live, {"access_token": "at_1"})
    responses.get(re.compile(r"https://api\.calendar\.live/v1/calendars.*"), status=503)
    response = press(admin_client, calendar_live, "test")

    assert "calendar.live answers 503" in read_messages(response)


def test_the_test_button_says_what_is_missing(calendar_live: Connection, admin_client: Client) -> None:
    assert "no access token" in read_messages(press(admin_client, calendar_live, "test"))


def test_a_second_secret_is_shown_once_and_both_verify(calendar_live: Connection, admin_client: Client) -> None:
    response = press(admin_client, calendar_live, "add_secret")
    secret = WebhookSecret.objects.latest("pk").secret

    assert secret in response.content.decode()
    assert secret not in get_page(admin_client, page_address(calendar_live))
    assert read_log(calendar_live) == [("admin", "Added a webhook secret")]
    for number, known in enumerate((SECRET, secret)):
        assert post_webhook(make_payload(f"dlv_{number}"), secret=known).status_code == 200


def test_an_old_secret_is_retired(calendar_live: Connection, admin_client: Client) -> None:
    old = WebhookSecret.objects.get()
    add_secret(calendar_live, "whsec_next")
    response = press(admin_client, calendar_live, "retire_secret", secret=str(old.pk))

    assert "is retired" in read_messages(response)
    assert "Retired" in get_page(admin_client, page_address(calendar_live))
    assert post_webhook(make_payload("dlv_1")).status_code == 401
    assert post_webhook(make_payload("dlv_2"), secret="whsec_next").status_code == 200


def test_the_last_secret_is_not_retired(calendar_live: Connection, admin_client: Client) -> None:
    response = press(admin_client, calendar_live, "retire_secret", secret=str(WebhookSecret.objects.get().pk))

    assert "the only active secret" in read_messages(response)
    assert WebhookSecret.objects.get().retired_at is None


def test_another_connections_secret_cannot_be_chosen(calendar_live: Connection, admin_client: Client) -> None:
    other = make_connection("other")
    add_secret(other)
    chosen = other.webhook_secrets.latest("pk")
    response = press(admin_client, calendar_live, "retire_secret", secret=str(chosen.pk))

    assert "Select a valid choice" in response.content.decode()
    assert not WebhookSecret.objects.exclude(retired_at=None).exists()


def test_history_names_the_user_and_reverts_nothing(calendar_live: Connection, admin_client: Client) -> None:
    press(admin_client, calendar_live, "pause")
    page = get_page(admin_client, page_address(calendar_live, "history"))
    version = calendar_live.history.last().pk

    for shown in ("admin", "active", "paused", "A command or a job"):
        assert shown in page
    assert admin_client.post(f"{page_address(calendar_live, 'history')}{version}/").status_code == 403


# --- What goes out ----------------------------------------------------------------------------------------------------


def test_a_connection_that_needs_reauthorisation_says_so_and_can_be_resumed(
    calendar_live: Connection, admin_client: Client
) -> None:
    Connection.objects.update(status="needs_reauthorisation")
    effect = make_effect(calendar_live, status="waiting", cause="reauthorise")

    assert "Needs reauthorisation" in get_page(admin_client, page_address(calendar_live))
    assert "Its credentials were refused" in get_page(admin_client, page_address(calendar_live, "resume"))

    press(admin_client, calendar_live, "resume")
    effect.refresh_from_db()
    assert (Connection.objects.get().status, effect.status) == ("active", "pending")
    assert [row.task["args"] for row in OrmQ.objects.all()] == [(calendar_live.pk,)]


def test_nothing_outgoing_is_shown_where_nothing_ever_went_out(calendar_live: Connection, admin_client: Client) -> None:
    assert "Outgoing" not in get_page(admin_client, page_address(calendar_live))


def test_the_page_shows_how_the_way_out_stands(admin_client: Client, db: None) -> None:
    slack = make_connection("slack", provider="slack")
    now = timezone.now()
    Drain.objects.create(
        connection=slack, held_until=now + timedelta(seconds=90), hold_cause="rate_limited", failures=4,
        calls_left=-0.5, counted_at=now,
    )  # fmt: skip
    for status in ("pending", "pending", "waiting", "dead", "succeeded"):
        make_effect(slack, status=status)
    page = " ".join(get_page(admin_client, page_address(slack)).split())

    for shown in ("Rate-limited: nothing goes out until", "in 1 minute", ">4<", "0 of 3 at", "1 a second come back"):
        assert shown in page
    waiting = escape(f"{list_address(Effect)}?connection__id__exact={slack.pk}&status__exact=waiting")
    assert f'href="{waiting}"' in page
    for shown in (">2 pending<", ">1 waiting<", ">1 dead<"):
        assert shown in page
    assert "1 succeeded" not in page


@pytest.mark.parametrize("count", [2, 30])
def test_the_page_needs_as_many_queries_for_thirty_effects_as_for_two(
    count: int, admin_client: Client, db: None, django_assert_max_num_queries: Any
) -> None:
    hubspot = make_connection("hubspot", provider="hubspot")
    fill_defaults(hubspot)
    for number in range(count):
        make_effect(hubspot, status="pending" if number % 2 else "dead")
    with django_assert_max_num_queries(15):
        get_page(admin_client, page_address(hubspot))


def test_a_rest_that_is_over_is_none(admin_client: Client, db: None) -> None:
    slack = make_connection("slack", provider="slack")
    Drain.objects.create(connection=slack, held_until=timezone.now(), hold_cause="transient")
    page = " ".join(get_page(admin_client, page_address(slack)).split())

    assert "nothing goes out until" not in page
    assert "None is open." in page


# --- Options ----------------------------------------------------------------------------------------------------------


def test_a_new_connection_takes_what_its_provider_asks_for(admin_client: Client, db: None) -> None:
    """Also where the page's hidden fields hold something for another one."""
    response = add(
        admin_client, provider="slack", slug="slack", bot_token="xoxb-1", channel="#sales", api_key="sk_1",
        from_address="a@b.example",
    )  # fmt: skip
    connection = Connection.objects.get()

    assert connection.credentials == {"bot_token": "xoxb-1"}
    assert connection.options == {"channel": "#sales"}
    assert response["Location"] == page_address(connection)


@pytest.mark.parametrize("name", ["access_token", "api_key", "bot_token", "webhook_url"])
def test_a_credential_that_no_header_could_hold_is_refused(name: str, admin_client: Client, db: None) -> None:
    response = add(admin_client, **{name: "töken with spaces"})

    assert "without spaces or line breaks" in response.content.decode()
    assert "töken" not in response.content.decode()
    assert not Connection.objects.exists()


def test_options_are_changed_and_the_others_stay(admin_client: Client, db: None) -> None:
    slack = make_connection("slack", provider="slack", options={"channel": "#old", "account_id": "T1"})
    assert 'value="#old"' in get_page(admin_client, page_address(slack))

    assert "&quot;account_id&quot;: &quot;T1&quot;" in get_page(admin_client, page_address(slack))
    admin_client.post(page_address(slack), {"channel": "#new", "user_id": "of Zoom"})
    assert Connection.objects.get().options == {"channel": "#new", "account_id": "T1"}
    admin_client.post(page_address(slack), {"channel": ""})
    assert Connection.objects.get().options == {"account_id": "T1"}


def test_the_calendar_of_sales_reps_is_named(admin_client: Client, db: None) -> None:
    crm = make_connection("hubspot", provider="hubspot")
    nobody = {"owner_mappings-TOTAL_FORMS": "0", "owner_mappings-INITIAL_FORMS": "0"}
    admin_client.post(page_address(crm), {"calendar_id": "cal_emea_sales", **nobody})
    assert Connection.objects.get().options == {"calendar_id": "cal_emea_sales"}


def test_letters_are_turned_off_and_on_again(calendar_live: Connection, admin_client: Client) -> None:
    admin_client.post(page_address(calendar_live), {"send_emails": "0", "default_region": "FR"})
    assert Connection.objects.get().options == {"send_emails": "0"}

    admin_client.post(page_address(calendar_live), {"send_emails": "", "default_region": "FR"})
    assert Connection.objects.get().options == {}


def test_a_viewer_sees_the_options_and_changes_none(admin_client: Client, db: None) -> None:
    slack = make_connection("slack", provider="slack", options={"channel": "#sales"})
    viewer = sign_in(VIEW)

    assert "#sales" in get_page(viewer, page_address(slack))
    assert viewer.post(page_address(slack), {"channel": "#x"}).status_code == 403


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_providers_connection_has_a_page(provider: str, admin_client: Client, db: None) -> None:
    connection = make_connection("one", provider=provider)

    assert f"/webhooks/{connection.slug}/" in get_page(admin_client, page_address(connection)) or provider in (
        "slack",
        "email",
    )


def test_a_provider_that_sends_no_webhooks_has_no_secrets_to_show(admin_client: Client, db: None) -> None:
    slack = make_connection("slack", provider="slack")
    page = get_page(admin_client, page_address(slack))

    assert "Webhook secrets" not in page
    assert "does not fit" in read_messages(press(admin_client, slack, "add_secret"))
