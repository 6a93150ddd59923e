"""Replay, discard, verify again and reveal in the admin."""

from typing import Any

import pytest
from django.test import Client
from django_q.models import OrmQ

from integrations.models import Connection, Delivery
from integrations.webhook_secrets import add_secret
from tests.factories import make_delivery, make_payload, post_webhook, receive
from tests.integrations.admin.support import page_address, press, read_log, read_messages, sign_in

LIST = "/admin/integrations/delivery/"
VIEW = "integrations.view_delivery"
BUTTONS = ["replay", "discard", "reveal", "verify_again"]


@pytest.fixture
def dead(calendar_live: Connection) -> Delivery:
    return make_delivery(calendar_live, make_payload(), status="dead", cause="payload", error="start is …", attempts=3)


@pytest.fixture
def rejected(calendar_live: Connection) -> Delivery:
    """A request that was signed with a secret that Keepsync has not been told yet."""
    assert post_webhook(make_payload("dlv_late"), secret="new-secret").status_code == 401
    return Delivery.objects.get(status="rejected")


def pick(button: str, dead: Delivery, rejected: Delivery) -> Delivery:
    return rejected if button == "verify_again" else dead


def queued() -> list[str]:
    return [str(row.task["args"][0]) for row in OrmQ.objects.order_by("id")]


@pytest.mark.parametrize("button", BUTTONS)
def test_asking_for_confirmation_changes_nothing(
    button: str, dead: Delivery, rejected: Delivery, admin_client: Client
) -> None:
    row = pick(button, dead, rejected)
    before = Delivery.objects.filter(pk=row.pk).values().get()
    response = admin_client.get(page_address(row, button))

    assert response.status_code == 200
    assert "Cancel" in response.content.decode()
    assert Delivery.objects.filter(pk=row.pk).values().get() == before
    assert (read_log(row), queued()) == ([], [])


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("button", BUTTONS)
def test_a_button_is_refused_without_its_permission(
    button: str, method: str, dead: Delivery, rejected: Delivery
) -> None:
    row = pick(button, dead, rejected)
    viewer = sign_in(VIEW)

    assert getattr(viewer, method)(page_address(row, button), {"reason": "x"}).status_code == 403
    assert read_log(row) == []


def test_operating_does_not_include_revealing(dead: Delivery) -> None:
    operator = sign_in(VIEW, "integrations.operate_delivery")

    assert operator.post(page_address(dead, "reveal")).status_code == 403
    assert read_messages(press(operator, dead, "replay")).startswith("The delivery is queued")


def test_a_button_of_a_delivery_that_does_not_exist_is_not_found(dead: Delivery, admin_client: Client) -> None:
    address = page_address(dead, "replay")
    dead.delete()

    assert admin_client.get(address).status_code == 404


def test_replay_queues_the_delivery_and_logs_it(dead: Delivery, admin_client: Client) -> None:
    response = press(admin_client, dead, "replay")
    dead.refresh_from_db()

    assert (dead.status, dead.attempts_before_replay) == ("received", 3)
    assert queued() == [str(dead.pk)]
    assert read_log(dead) == [("admin", "Replayed")]
    assert "is queued" in read_messages(response)


def test_replay_is_refused_in_words_where_the_state_does_not_fit(dead: Delivery, admin_client: Client) -> None:
    Delivery.objects.update(status="received")
    response = press(admin_client, dead, "replay")

    assert "which is received" in read_messages(response)
    assert (read_log(dead), queued()) == ([], [])


def test_discard_needs_a_reason(dead: Delivery, admin_client: Client) -> None:
    response = press(admin_client, dead, "discard", reason=" ")
    dead.refresh_from_db()

    assert "This field is required" in response.content.decode()
    assert dead.status == "dead"


def test_discard_closes_the_delivery_with_the_reason(dead: Delivery, admin_client: Client) -> None:
    press(admin_client, dead, "discard", reason="A test by the vendor")
    dead.refresh_from_db()

    assert (dead.status, dead.discard_reason) == ("discarded", "A test by the vendor")
    assert read_log(dead) == [("admin", "Discarded")]


def test_several_rejected_requests_are_discarded_and_never_replayed(
    calendar_live: Connection, admin_client: Client
) -> None:
    for number in range(2):
        post_webhook(make_payload(f"dlv_{number}"), secret="wrong")
    for row in Delivery.objects.all():
        press(admin_client, row, "discard", reason="Noise")
        assert "does not fit" in read_messages(press(admin_client, row, "replay"))

    assert list(Delivery.objects.values_list("status", flat=True)) == ["discarded", "discarded"]
    assert queued() == []


def test_verify_again_takes_the_request_in_once_its_secret_is_known(rejected: Delivery, admin_client: Client) -> None:
    assert "No active secret" in read_messages(press(admin_client, rejected, "verify_again"))
    assert (read_log(rejected), queued()) == ([], [])

    add_secret(rejected.connection, "new-secret")
    response = press(admin_client, rejected, "verify_again")
    rejected.refresh_from_db()

    assert (rejected.status, rejected.delivery_id) == ("received", "dlv_late")
    assert queued() == [str(rejected.pk)]
    assert read_log(rejected) == [("admin", "Verified again")]
    assert "accepted and queued" in read_messages(response)


def test_reveal_shows_the_payload_once_uncached_and_logs_it(calendar_live: Connection, admin_client: Client) -> None:
    delivery = receive(make_payload())
    response = admin_client.post(page_address(delivery, "reveal"))

    assert "Zoe.Okafor@Example.COM" in response.content.decode()
    assert "no-store" in response["Cache-Control"]
    assert read_log(delivery) == [("admin", "Revealed the payload")]
    assert "Zoe.Okafor" not in admin_client.get(page_address(delivery)).content.decode()
    assert "Zoe.Okafor" not in admin_client.get(page_address(delivery, "reveal")).content.decode()


def test_reveal_shows_a_body_that_is_no_json_as_text(calendar_live: Connection, admin_client: Client) -> None:
    delivery = make_delivery(calendar_live, b"<script>alert(1)</script>")
    page = admin_client.post(page_address(delivery, "reveal")).content.decode()

    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def select(rows: Any, **values: str) -> dict[str, Any]:
    return {"action": "replay_selected", "_selected_action": [str(row.pk) for row in rows], **values}


def test_selected_deliveries_are_replayed_after_a_confirmation(calendar_live: Connection, admin_client: Client) -> None:
    rows = [make_delivery(calendar_live, make_payload(f"dlv_{n}"), status="dead") for n in range(3)]
    waiting = make_delivery(calendar_live, make_payload("dlv_w"))

    asked = admin_client.post(LIST, select([*rows, waiting])).content.decode()
    assert "Replay 4" in asked
    assert queued() == []

    response = admin_client.post(LIST, select([*rows, waiting], confirmed="yes"), follow=True)
    assert "3 of 4 deliveries are queued. 1 were left" in read_messages(response)
    assert sorted(queued()) == sorted(str(row.pk) for row in rows)
    assert read_log(rows[0]) == [("admin", "Replayed")]
    assert read_log(waiting) == []


def test_selected_deliveries_are_not_replayed_without_permission(dead: Delivery) -> None:
    sign_in(VIEW).post(LIST, select([dead], confirmed="yes"))
    dead.refresh_from_db()

    assert (dead.status, queued()) == ("dead", [])
