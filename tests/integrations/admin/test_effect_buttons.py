"""Replay, suppress, discard, and settling what nobody knows, in the admin."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from integrations.effect_actions import try_now
from integrations.exceptions import StateError
from integrations.models import Connection, Effect
from tests.factories import make_connection
from tests.integrations.admin.support import (
    get_page,
    make_effect,
    page_address,
    press,
    read_log,
    read_messages,
    sign_in,
)

HOUR = timedelta(hours=1)
LIST = "/admin/integrations/effect/"
VIEW = "integrations.view_effect"
OPERATE = "integrations.operate_effect"
STATES: dict[str, dict[str, Any]] = {
    "replay": {"status": "dead", "cause": "permanent", "attempts": 3},
    "try_now": {"status": "retrying", "cause": "transient", "attempts": 1},
    "suppress": {"status": "retrying", "cause": "transient", "attempts": 1},
    "discard": {"status": "dead", "cause": "permanent", "attempts": 3},
    "confirm_arrival": {"status": "waiting", "cause": "unknown_outcome", "attempts": 1},
    "send_again": {"status": "waiting", "cause": "unknown_outcome", "attempts": 1},
}


@pytest.fixture
def slack(db: None) -> Connection:
    return make_connection("slack", provider="slack")


def ready_for(button: str, connection: Connection) -> Effect:
    return make_effect(connection, kind="slack.message", **STATES[button])


def woken() -> list[Any]:
    """The connections whose drains are queued."""
    return [row.task["args"][0] for row in OrmQ.objects.order_by("id")]


@pytest.mark.parametrize("button", STATES)
def test_asking_for_confirmation_changes_nothing(button: str, slack: Connection, admin_client: Client) -> None:
    effect = ready_for(button, slack)
    before = Effect.objects.values().get()
    response = admin_client.get(page_address(effect, button))

    assert response.status_code == 200
    assert "Cancel" in response.content.decode()
    assert Effect.objects.values().get() == before
    assert (read_log(effect), woken()) == ([], [])


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("button", STATES)
def test_a_button_is_refused_without_its_permission(button: str, method: str, slack: Connection) -> None:
    effect = ready_for(button, slack)
    before = Effect.objects.values().get()
    viewer = sign_in(VIEW, "integrations.operate_delivery")

    assert getattr(viewer, method)(page_address(effect, button), {"reason": "x"}).status_code == 403
    assert viewer.get(page_address(effect)).context["actions_detail"] == []
    assert Effect.objects.values().get() == before
    assert read_log(effect) == []


@pytest.mark.parametrize("button", STATES)
def test_a_button_works_for_an_operator(button: str, slack: Connection) -> None:
    effect = ready_for(button, slack)
    press(sign_in(VIEW, OPERATE), effect, button, reason="x")

    assert [who for who, _ in read_log(effect)] == ["nora"]
    assert Effect.objects.get().status != STATES[button]["status"]


@pytest.mark.parametrize(
    ("fields", "labels"),
    [
        (STATES["replay"], ["Replay", "Discard"]),
        (STATES["suppress"], ["Try now", "Suppress"]),
        (STATES["send_again"], ["It arrived", "Send again", "Suppress"]),
        ({"status": "waiting", "cause": "rate_limited"}, ["Suppress"]),
        ({"status": "pending"}, ["Suppress"]),
        ({"status": "running"}, []),
        ({"status": "succeeded"}, []),
        ({"status": "succeeded", "is_state": True}, ["Replay"]),
        ({"status": "suppressed"}, []),
        ({"status": "discarded"}, ["Replay"]),
    ],
)
def test_the_buttons_offered_fit_the_state(fields: dict[str, Any], labels: list[str], slack: Connection) -> None:
    page = sign_in(VIEW, OPERATE).get(page_address(make_effect(slack, **fields)))

    assert [action["title"] for action in page.context["actions_detail"]] == labels


def test_replay_makes_the_effect_due_and_wakes_its_connection(slack: Connection, admin_client: Client) -> None:
    effect = ready_for("replay", slack)
    response = press(admin_client, effect, "replay")
    effect.refresh_from_db()

    assert (effect.status, effect.free_attempts) == ("pending", 3)
    assert woken() == [slack.pk]
    assert read_log(effect) == [("admin", "Replayed")]
    assert "is queued" in read_messages(response)


def test_replaying_a_state_that_another_effect_brings_closes_it(slack: Connection, admin_client: Client) -> None:
    effect = make_effect(slack, is_state=True, status="dead", subject="contact:1")
    make_effect(slack, is_state=True, subject="contact:1")
    response = press(admin_client, effect, "replay")
    effect.refresh_from_db()

    assert effect.status == "suppressed"
    assert "Another effect brings the same state" in read_messages(response)


def test_replay_is_refused_in_words_where_the_state_does_not_fit(slack: Connection, admin_client: Client) -> None:
    effect = make_effect(slack, status="succeeded")

    assert "which is succeeded" in read_messages(press(admin_client, effect, "replay"))
    assert (read_log(effect), woken()) == ([], [])


@pytest.mark.parametrize("button", ["suppress", "discard"])
def test_closing_needs_a_reason(button: str, slack: Connection, admin_client: Client) -> None:
    effect = ready_for(button, slack)
    response = press(admin_client, effect, button, reason=" ")

    assert "This field is required" in response.content.decode()
    assert Effect.objects.get().status == STATES[button]["status"]


@pytest.mark.parametrize(("button", "status"), [("suppress", "suppressed"), ("discard", "discarded")])
def test_closing_keeps_the_reason(button: str, status: str, slack: Connection, admin_client: Client) -> None:
    effect = ready_for(button, slack)
    press(admin_client, effect, button, reason="Told on the phone")
    effect.refresh_from_db()

    assert (effect.status, effect.close_reason) == (status, "Told on the phone")
    assert effect.finished_at is not None
    assert "Told on the phone" in admin_client.get(page_address(effect)).content.decode()


def test_what_arrived_is_marked_as_succeeded_and_not_sent(slack: Connection, admin_client: Client) -> None:
    effect = ready_for("confirm_arrival", slack)
    press(admin_client, effect, "confirm_arrival")
    effect.refresh_from_db()

    assert (effect.status, woken()) == ("succeeded", [])
    assert read_log(effect) == [("admin", "Found that it arrived")]


def test_what_did_not_arrive_is_sent_again(slack: Connection, admin_client: Client) -> None:
    effect = ready_for("send_again", slack)
    page = admin_client.get(page_address(effect, "send_again")).content.decode()
    press(admin_client, effect, "send_again")
    effect.refresh_from_db()

    assert "You have looked in Slack" in page
    assert (effect.status, woken()) == ("pending", [slack.pk])
    assert read_log(effect) == [("admin", "Sent again")]


def select(rows: Any, **values: str) -> dict[str, Any]:
    return {"action": "replay_selected", "_selected_action": [str(row.pk) for row in rows], **values}


def test_selected_effects_are_replayed_after_a_confirmation(slack: Connection, admin_client: Client) -> None:
    rows = [ready_for("replay", slack) for _ in range(3)]
    done = make_effect(slack, status="succeeded")

    asked = admin_client.post(LIST, select([*rows, done])).content.decode()
    assert "Replay 4" in asked
    assert woken() == []

    response = admin_client.post(LIST, select([*rows, done], confirmed="yes"), follow=True)
    assert "3 of 4 effects are queued. 1 were left" in read_messages(response)
    assert woken() == [slack.pk]
    assert read_log(rows[0]) == [("admin", "Replayed")]
    assert read_log(done) == []


def test_selected_effects_are_not_replayed_without_permission(slack: Connection) -> None:
    effect = ready_for("replay", slack)
    sign_in(VIEW).post(LIST, select([effect], confirmed="yes"))
    effect.refresh_from_db()

    assert (effect.status, woken()) == ("dead", [])


def test_the_lists_action_names_what_it_replays(slack: Connection, admin_client: Client) -> None:
    ready_for("replay", slack)

    assert "Replay the selected effects" in admin_client.get(LIST).content.decode()


def test_trying_now_gives_all_tries_again_and_wakes_the_drain(slack: Connection, admin_client: Client) -> None:
    effect = make_effect(slack, status="retrying", cause="transient", attempts=4, due_at=timezone.now() + HOUR)
    press(admin_client, effect, "try_now")
    effect.refresh_from_db()

    assert effect.due_at is not None
    assert effect.due_at <= timezone.now()
    assert (effect.status, effect.free_attempts, effect.cause) == ("pending", 4, "")
    assert woken() == [slack.pk]


def test_what_was_tried_meanwhile_is_not_tried_now(slack: Connection) -> None:
    effect = make_effect(slack, status="succeeded")

    with pytest.raises(StateError, match="does not wait"):
        try_now(effect)


def test_a_button_leads_back_to_where_it_was_pressed(slack: Connection, admin_client: Client) -> None:
    effect = ready_for("replay", slack)
    address = f"{page_address(effect, 'replay')}?back=/admin/bookings/meeting/1/trace/"

    assert "/admin/bookings/meeting/1/trace/" in get_page(admin_client, address)
    assert admin_client.post(address)["Location"] == "/admin/bookings/meeting/1/trace/"


@pytest.mark.parametrize("back", ["https://evil.example/admin/", "//evil.example/admin/", "javascript:alert(1)", "/x/"])
def test_a_button_leads_to_no_other_site(back: str, slack: Connection, admin_client: Client) -> None:
    effect = ready_for("replay", slack)
    response = admin_client.post(f"{page_address(effect, 'replay')}?{urlencode({'back': back})}")

    assert response["Location"] == page_address(effect)
