"""Stored payloads of a person who is erased: emptied when they may be, and known all the same."""

import pytest
from django.test import Client, override_settings

from integrations.deliveries import discard, process
from integrations.exceptions import StateError
from integrations.jobs import replay_deliveries, sweep
from integrations.models import Connection, Delivery
from integrations.privacy.payload_erasure import CLOSED, UNNAMED, Payload, erase_due, erase_payloads, find_telling
from tests.factories import make_delivery, make_payload, post_webhook, receive
from tests.integrations.admin.support import get_page, page_address, press

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def calendar(calendar_live: Connection) -> Connection:
    return calendar_live


def erase(*found: Delivery) -> Delivery:
    """The first of them as it is then."""
    erase_payloads([delivery.pk for delivery in found])
    return Delivery.objects.get(pk=found[0].pk)


def is_empty(delivery: Delivery) -> bool:
    delivery.refresh_from_db()
    return (bytes(delivery.body), delivery.headers, bool(delivery.erased_at)) == (b"", {}, True)


def test_a_payload_that_was_worked_on_is_emptied_at_once() -> None:
    delivery, other = receive(make_payload("dlv_1")), receive(make_payload("dlv_2", id="ev_2"))
    erased = erase(delivery)
    assert is_empty(erased)
    assert (erased.status, erased.erasing_since) == ("processed", None)
    assert not is_empty(other)


def test_a_repeat_of_an_emptied_delivery_is_still_known_as_one() -> None:
    delivery = receive(make_payload("dlv_1"))
    erase(delivery)
    assert post_webhook(make_payload("dlv_1")).json()["status"] == "duplicate"
    assert post_webhook(make_payload("dlv_1", title="Other")).status_code == 409
    assert Delivery.objects.get(pk=delivery.pk).duplicates == 1


def test_a_replay_of_an_emptied_delivery_ends_with_the_cause() -> None:
    delivery = receive(make_payload("dlv_1"))
    erase(delivery)
    replay_deliveries(Delivery.objects.all())
    assert process(delivery.pk) is None
    delivery.refresh_from_db()
    assert (delivery.status, delivery.cause) == ("dead", "permanent")
    assert "payload was erased" in delivery.error
    discard(delivery, "It is erased.")


@pytest.mark.parametrize("status", ["received", "retrying", "processing"])
def test_what_is_still_to_be_worked_on_is_emptied_once_it_has_been(calendar: Connection, status: str) -> None:
    delivery = make_delivery(calendar, make_payload(), status=status)
    assert not is_empty(erase(delivery))
    assert erase_due() == 0
    Delivery.objects.update(status="received")
    process(delivery.pk)
    sweep()
    assert is_empty(delivery)
    assert (delivery.status, delivery.error) == ("processed", "")
    assert erase_due() == 0


@pytest.mark.parametrize("status", ["dead", "rejected"])
def test_what_was_refused_or_has_failed_for_good_is_emptied_and_closed(calendar: Connection, status: str) -> None:
    delivery = make_delivery(calendar, make_payload(), status=status, is_accepted=status == "dead")
    erase(delivery)
    assert is_empty(delivery)
    assert (delivery.status, delivery.discard_reason) == ("discarded", CLOSED)
    with pytest.raises(StateError):
        discard(delivery, "Once more.")


def test_what_fails_for_good_later_is_emptied_then(calendar: Connection) -> None:
    delivery = make_delivery(calendar, make_payload(timezone="Mars/Olympus"))
    erase(delivery)
    process(delivery.pk)
    assert not is_empty(delivery)
    assert erase_due() == 1
    assert is_empty(delivery)
    assert delivery.status == "discarded"


def test_what_a_disabled_connection_has_not_worked_on_is_emptied_and_closed(calendar: Connection) -> None:
    delivery = make_delivery(calendar, make_payload())
    Connection.objects.update(status="disabled")
    erase(delivery)
    assert is_empty(delivery)
    assert delivery.status == "discarded"


def test_a_paused_connection_s_deliveries_wait(calendar: Connection) -> None:
    Connection.objects.update(status="paused")
    assert not is_empty(erase(make_delivery(calendar, make_payload())))


def test_payloads_are_looked_through_with_what_they_say_and_without_those_that_cannot_be_read(
    calendar: Connection,
) -> None:
    good = make_delivery(calendar, make_payload("dlv_1"), status="dead")
    text = make_delivery(calendar, b"no JSON", status="rejected", delivery_id="dlv_2", is_accepted=False)
    make_delivery(calendar, make_payload("dlv_3"))
    lost = make_delivery(calendar, make_payload("dlv_4"), status="dead")
    seen = {}

    def tells(payload: Payload) -> bool:
        value = payload.value if isinstance(payload.value, str) else "JSON"
        seen[Delivery.objects.get(pk=payload.delivery).delivery_id] = (value, len(payload.events))
        return payload.delivery == good.pk

    with override_settings(FIELD_ENCRYPTION_KEYS={"k9": b"0" * 32}):
        Delivery.objects.filter(pk=lost.pk).update(body=b"lost")
    assert find_telling(Delivery.objects.filter(UNNAMED), tells) == {good.pk}
    assert seen == {"dlv_1": ("JSON", 1), "dlv_2": ("no JSON", 0), "dlv_3": ("JSON", 1)}
    assert text.pk != good.pk


def test_the_page_says_that_the_payload_was_erased(calendar: Connection, admin_client: Client) -> None:
    delivery = erase(receive(make_payload("dlv_1")))
    page = get_page(admin_client, page_address(delivery))
    assert "It was erased on" in page
    assert page_address(delivery, "reveal") not in page
    assert "does not fit" in press(admin_client, delivery, "reveal").content.decode()
    assert "payload was erased" in get_page(admin_client, page_address(delivery, "replay"))


def test_the_page_says_that_a_payload_waits_to_be_emptied(calendar: Connection, admin_client: Client) -> None:
    delivery = erase(make_delivery(calendar, make_payload()))
    assert "emptied once it has been worked on" in get_page(admin_client, page_address(delivery))
