"""The guided page of a rotation: its steps, ages and numbers, and what its buttons do."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, LogEntry
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from integrations.admin.secret_page import SWITCH, SWITCHES, make_steps
from integrations.ids import first_id_at
from integrations.models import Connection, Delivery, WebhookSecret
from integrations.providers import PROVIDERS
from integrations.webhook_secrets import MADE_BY_SENDER, State, Use, add_secret
from tests.factories import SECRET, make_connection, make_delivery, make_payload, post_webhook
from tests.integrations.admin.support import (
    get_page,
    list_address,
    page_address,
    press,
    read_log,
    read_messages,
    sign_in,
)

NEW = "whsec_new_77a1"
VIEW = "integrations.view_connection"
OPERATE = "integrations.operate_delivery"
NOW = timezone.now()
QUIET = State(1, NOW, NOW, Use(), "")
BUSY = State(2, NOW, NOW, Use(12, 40, NOW), "it verified 12 deliveries in the last hour, the last one just now")
SEEN = State(3, NOW, NOW, Use(1, 1, NOW), "")


def make_old(secret: WebhookSecret, days: int) -> None:
    WebhookSecret.objects.filter(pk=secret.pk).update(created_at=timezone.now() - timedelta(days=days))


def read_page(client: Client, connection: Connection) -> str:
    """Its text, without tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", get_page(client, page_address(connection, "secrets"))).split())


# --- Steps ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("states", "done", "following"),
    [
        ([BUSY], [], 0),
        ([QUIET, BUSY], [0], 2),
        ([SEEN, BUSY], [0, 1], 2),
        ([SEEN, QUIET], [0, 1, 2], 3),
        ([QUIET, QUIET], [0], 2),
        ([SEEN, QUIET, BUSY], [0, 1], 2),
    ],
    ids=["one", "added", "half switched", "switched", "nothing came", "an older one is busy"],
)
def test_the_steps_are_read_off_the_secrets_and_their_use(
    states: list[State], done: list[int], following: int, calendar_live: Connection
) -> None:
    steps = make_steps(calendar_live, states)

    assert [number for number, step in enumerate(steps) if step.is_done] == done
    assert [number for number, step in enumerate(steps) if step.is_next] == [following]


def test_the_numbers_of_both_secrets_stand_in_the_steps(calendar_live: Connection) -> None:
    _, both, _, retiring = make_steps(calendar_live, [SEEN, BUSY])

    assert "secret 3 (new): 1 in the last hour, 1 in the last day" in both.text
    assert "secret 2: 12 in the last hour, 40 in the last day" in both.text
    assert retiring.text == f"Secret 2 is still in use: {BUSY.in_use}."


def test_the_last_step_says_that_nothing_has_come_with_the_new_one(calendar_live: Connection) -> None:
    assert "Nothing has come with the new secret yet" in make_steps(calendar_live, [QUIET, QUIET])[3].text


@pytest.mark.parametrize("provider", sorted(PROVIDERS))
def test_every_sender_has_its_hint(provider: str, db: None) -> None:
    assert (provider in SWITCHES) == bool(PROVIDERS[provider].signature_header)
    text = make_steps(make_connection("one", provider=provider), [BUSY])[2].text

    assert text.startswith(SWITCHES.get(provider, SWITCH))
    assert ("verify again below" in text) == (provider in MADE_BY_SENDER)


# --- The page ---------------------------------------------------------------------------------------------------------


def test_the_page_is_reached_from_the_connection_and_shows_use_age_and_maker(
    calendar_live: Connection, admin_client: Client
) -> None:
    old = calendar_live.webhook_secrets.get()
    make_old(old, 41)
    assert page_address(calendar_live, "secrets") in get_page(admin_client, page_address(calendar_live))

    press(admin_client, calendar_live, "add_secret", webhook_secret=NEW)
    post_webhook(make_payload("dlv_1"))
    post_webhook(make_payload("dlv_2"), secret=NEW)
    page = read_page(admin_client, calendar_live)
    new = calendar_live.webhook_secrets.latest("pk")

    assert f"secret {new.pk} (new): 1 in the last hour" in page
    assert f"Secret {old.pk} is still in use: it verified 1 delivery in the last hour" in page
    assert re.search(rf"{new.pk} \S+ \S+ UTC Today admin 1 1 just now", page)
    assert re.search(rf"{old.pk} \S+ \S+ UTC 41 days - 1 1 just now", page)
    assert SECRET not in page
    assert NEW not in page


def test_the_first_secrets_maker_is_who_made_the_connection(admin_client: Client, db: None) -> None:
    admin_client.post("/admin/integrations/connection/add/", {"provider": "calendar_live", "slug": "emea"})
    assert LogEntry.objects.get().action_flag == ADDITION

    assert "Today admin 0 0 None in the last day" in read_page(admin_client, Connection.objects.get())


@pytest.mark.parametrize(("days", "is_due"), [(29, False), (30, True)])
def test_the_reminder_comes_after_thirty_days_on_every_page(
    days: int, is_due: bool, calendar_live: Connection, admin_client: Client
) -> None:
    make_old(calendar_live.webhook_secrets.get(), days)
    reminder = f"made {days} days ago: rotate it"

    assert (f"The newest secret was {reminder}." in read_page(admin_client, calendar_live)) == is_due
    assert (f"The newest was {reminder}." in get_page(admin_client, page_address(calendar_live))) == is_due
    assert (reminder in get_page(admin_client, list_address(Connection))) == is_due

    add_secret(calendar_live, NEW)
    assert "rotate it" not in get_page(admin_client, list_address(Connection))


def test_the_page_is_not_cached_and_needs_permission(calendar_live: Connection, admin_client: Client) -> None:
    address = page_address(calendar_live, "secrets")
    assert "no-store" in admin_client.get(address)["Cache-Control"]
    assert sign_in().get(address).status_code == 403


def test_a_viewer_sees_numbers_and_no_buttons(calendar_live: Connection) -> None:
    add_secret(calendar_live, NEW)
    post_webhook(make_payload(), secret="wrong")
    page = get_page(sign_in(VIEW), page_address(calendar_live, "secrets"))

    assert "Both are accepted" in page
    for button in ("add_secret", "retire_secret", "verify_rejected"):
        assert page_address(calendar_live, button) not in page


def test_a_provider_without_webhooks_has_no_such_page(admin_client: Client, db: None) -> None:
    slack = make_connection("slack", provider="slack")

    assert admin_client.get(page_address(slack, "secrets")).status_code == 404
    assert page_address(slack, "secrets") not in get_page(admin_client, page_address(slack))


@pytest.mark.parametrize("count", [1, 8])
def test_the_page_needs_as_many_queries_for_many_secrets_as_for_one(
    count: int, calendar_live: Connection, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        add_secret(calendar_live, f"whsec_{number}")
    with django_assert_max_num_queries(10):
        get_page(admin_client, page_address(calendar_live, "secrets"))


# --- Its buttons ------------------------------------------------------------------------------------------------------


def test_a_secret_in_use_is_retired_only_when_forced(calendar_live: Connection, admin_client: Client) -> None:
    old = calendar_live.webhook_secrets.get()
    add_secret(calendar_live, NEW)
    post_webhook(make_payload())
    asked = get_page(admin_client, page_address(calendar_live, "retire_secret"), secret=old.pk)
    assert "is refused from then on" in asked

    refused = press(admin_client, calendar_live, "retire_secret", secret=str(old.pk))
    old.refresh_from_db()
    assert "it verified 1 delivery in the last hour" in read_messages(refused)
    assert refused.request["PATH_INFO"] == page_address(calendar_live, "secrets")
    assert (old.retired_at, read_log(calendar_live)) == (None, [])

    forced = press(admin_client, calendar_live, "retire_secret", secret=str(old.pk), force="on")
    old.refresh_from_db()
    assert "is retired" in read_messages(forced)
    assert old.retired_at is not None
    assert read_log(calendar_live) == [("admin", "Retired a webhook secret")]


def test_a_secret_that_its_sender_makes_has_to_be_given(admin_client: Client, db: None) -> None:
    zoom = make_connection("zoom", provider="zoom")
    response = press(admin_client, zoom, "add_secret")

    assert "This field is required" in response.content.decode()
    assert zoom.webhook_secrets.count() == 1


def test_an_active_secret_is_not_added_again_nor_shown(calendar_live: Connection, admin_client: Client) -> None:
    response = press(admin_client, calendar_live, "add_secret", webhook_secret=SECRET)

    assert "active already" in read_messages(response)
    assert SECRET not in response.content.decode()


def test_refused_requests_are_verified_again_in_one_go(calendar_live: Connection, admin_client: Client) -> None:
    for number in range(2):
        post_webhook(make_payload(f"dlv_{number}"), secret=NEW)
    post_webhook(make_payload("dlv_1"), secret=NEW)
    post_webhook(make_payload("dlv_noise"), secret="somebody else's")
    assert "4 requests of the last 24 hours were refused" in read_page(admin_client, calendar_live)

    add_secret(calendar_live, NEW)
    response = press(admin_client, calendar_live, "verify_rejected")

    assert read_messages(response) == (
        "Accepted now and queued: 2. Repeats of accepted deliveries, closed: 1. Still refused: 1."
    )
    received = Delivery.objects.filter(status="received")
    assert {row.task["args"][0] for row in OrmQ.objects.all()} == {str(delivery.pk) for delivery in received}
    assert len(received) == 2
    assert read_log(calendar_live) == [("admin", "Verified refused requests again")]
    assert "1 request of the last 24 hours was refused" in read_page(admin_client, calendar_live)


def test_verifying_again_needs_its_permission_and_a_confirmation(calendar_live: Connection) -> None:
    post_webhook(make_payload(), secret=NEW)
    add_secret(calendar_live, NEW)
    address = page_address(calendar_live, "verify_rejected")
    operator = sign_in(VIEW, OPERATE)

    assert "1 in the last 24 hours" in get_page(operator, address)
    assert Delivery.objects.get().status == "rejected"
    operator.logout()
    assert Client().post(address).status_code == 302
    assert Delivery.objects.get().status == "rejected"


def test_old_refused_requests_are_offered_too(calendar_live: Connection, admin_client: Client) -> None:
    at = first_id_at(timezone.now() - timedelta(days=3))
    make_delivery(calendar_live, make_payload(), id=at, status="rejected", is_accepted=False)
    page = read_page(admin_client, calendar_live)

    assert "0 requests of the last 24 hours were refused" in page
    assert "Verify them again" in page
