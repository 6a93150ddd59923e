"""Paid bookings: calendar.live's pages, its events, and the sessions at Stripe beside it."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from integrations.sandbox.calendar_live.events import cancel_event
from integrations.sandbox.calendar_live.payments import close_sessions
from integrations.sandbox.calendar_live.runtime import get_world
from integrations.sandbox.calendar_live.world import World
from integrations.sandbox.stripe.runtime import get_account
from tests.integrations.sandbox.playing import Played
from tests.integrations.sandbox.support import check_envelope

WEBINAR, WORKSHOP = "pricing-masterclass", "deep-dive-workshop"
GOOD, BAD = "4242 4242 4242 4242", "4000 0000 0000 0002"


@pytest.fixture
def world(stripe: Played, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The process's own world, empty, with a webhook endpoint that is never called."""
    world = get_world()
    stripe.client.post("/calendar-live/_sandbox/reset")
    monkeypatch.setattr(world, "_has_endpoint", True)
    yield world
    stripe.client.post("/calendar-live/_sandbox/reset")


def free_slot(client: Client, slug: str, place: int = 0) -> str:
    page = client.get(f"/book/{slug}/").content.decode()
    return re.findall(r'name="slot" id="[^"]+" value="([^"]+)"', page)[place]


def send_form(client: Client, slug: str, slot: str, email: str = "zoe@example.com") -> HttpResponse:
    form = {"slot": slot, "full_name": "Zoë Okafor", "email": email}
    return client.post(f"/book/{slug}/", form)  # type: ignore[return-value]


def book(client: Client, slot: str, email: str = "zoe@example.com") -> str:
    """Book a place in the webinar; the path of the page to pay at."""
    answer = send_form(client, WEBINAR, slot, email)
    assert answer.status_code == 302, answer.content.decode()
    return answer["Location"].removeprefix("http://testserver")


def pay(client: Client, page: str, number: str = GOOD, action: str = "pay") -> int:
    return client.post(page, {"action": action, "number": number}).status_code


def envelopes(world: World) -> list[dict[str, Any]]:
    sent = [json.loads(delivery.body) for delivery in world.read().state.deliveries.values()]
    for envelope in sent:
        check_envelope(envelope)
    return sent


def story(world: World) -> list[tuple[str, str, int, str | None]]:
    """Type, status, version and payment status of every webhook, oldest first."""
    found = []
    for envelope in envelopes(world):
        event = envelope["data"]["event"]
        payment = event["payment"]
        found.append((envelope["type"], event["status"], event["version"], payment and payment["status"]))
    return found


def test_a_paid_booking_is_tentative_until_it_is_paid(world: World, stripe: Played) -> None:
    page = book(stripe.client, free_slot(stripe.client, WEBINAR))
    assert pay(stripe.client, page) == 302
    assert story(world) == [
        ("event.created", "tentative", 1, "unpaid"),
        ("payment.succeeded", "confirmed", 2, "paid"),
    ]
    created, paid = [envelope["data"]["event"] for envelope in envelopes(world)]
    session = stripe.call("GET", f"/v1/checkout/sessions/{created['payment']['session_id']}").json()
    assert created["payment"] == {
        "session_id": session["id"],
        "status": "unpaid",
        "amount": 4900,
        "currency": "eur",
        "url": f"http://testserver{page}",
    }
    assert (session["payment_status"], session["amount_total"]) == ("paid", 4900)
    assert created["event_type"]["slug"] == WEBINAR
    assert created["event_type"]["capacity"] == 200
    assert [item["email"] for item in paid["attendees"]] == ["zoe@example.com"]
    assert [json.loads(item["body"])["type"] for item in stripe.state()["webhooks"]] == ["checkout.session.completed"]


def test_after_paying_the_customer_gets_back_to_his_booking(world: World, stripe: Played) -> None:
    page = book(stripe.client, free_slot(stripe.client, WEBINAR))
    pay(stripe.client, page)
    (session,) = stripe.state()["records"]["sessions"]
    booking = stripe.client.get(session["order"]["success_url"].removeprefix("http://testserver"))
    assert 'data-payment="paid"' in booking.content.decode()


def test_a_declined_card_fails_the_payment_and_another_card_pays_it(world: World, stripe: Played) -> None:
    page = book(stripe.client, free_slot(stripe.client, WEBINAR))
    assert pay(stripe.client, page, BAD) == 402
    assert pay(stripe.client, page, GOOD) == 302
    assert story(world)[1:] == [
        ("payment.failed", "tentative", 2, "failed"),
        ("payment.succeeded", "confirmed", 3, "paid"),
    ]


def test_a_session_that_expires_cancels_the_booking(world: World, stripe: Played) -> None:
    slot = free_slot(stripe.client, WEBINAR)
    page = book(stripe.client, slot)
    pay(stripe.client, page, action="expire")
    assert story(world)[1:] == [("event.cancelled", "cancelled", 2, "failed")]
    assert free_slot(stripe.client, WEBINAR) == slot


def test_a_session_that_nobody_pays_in_time_cancels_the_booking_too(
    world: World, stripe: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = free_slot(stripe.client, WEBINAR)
    book(stripe.client, slot)
    tomorrow = datetime.now(tz=UTC) + timedelta(hours=25)
    monkeypatch.setattr(get_account(), "clock", lambda: tomorrow)
    assert free_slot(stripe.client, WEBINAR) == slot
    assert story(world)[-1] == ("event.cancelled", "cancelled", 2, "failed")


def test_a_transfer_confirms_only_when_the_money_is_there(world: World, stripe: Played) -> None:
    page = book(stripe.client, free_slot(stripe.client, WEBINAR))
    pay(stripe.client, page, action="transfer")
    assert len(story(world)) == 1
    session_id = page.split("/")[-2]
    stripe.press(f"sessions/{session_id}/arrived/")
    assert story(world)[1:] == [("payment.succeeded", "confirmed", 2, "paid")]


def test_a_full_refund_shows_in_the_event(world: World, stripe: Played) -> None:
    pay(stripe.client, book(stripe.client, free_slot(stripe.client, WEBINAR)))
    (payment,) = stripe.state()["records"]["payments"]
    stripe.press(f"payments/{payment['id']}/refund/", amount="900")
    assert len(story(world)) == 2
    stripe.press(f"payments/{payment['id']}/refund/", amount="")
    assert story(world)[2:] == [("event.updated", "confirmed", 3, "refunded")]
    assert envelopes(world)[-1]["data"]["previous"]["payment"]["status"] == "paid"


def test_who_joins_a_group_appears_in_it_once_he_has_paid(world: World, stripe: Played) -> None:
    slot = free_slot(stripe.client, WEBINAR)
    pay(stripe.client, book(stripe.client, slot))
    page = book(stripe.client, slot, "sam@example.com")
    assert len(story(world)) == 2
    pay(stripe.client, page, BAD)
    assert len(story(world)) == 2
    pay(stripe.client, page)
    assert story(world)[2:] == [("payment.succeeded", "confirmed", 3, "paid")]
    event = envelopes(world)[-1]["data"]["event"]
    assert [item["email"] for item in event["attendees"]] == ["zoe@example.com", "sam@example.com"]


def test_a_place_that_waits_for_its_payment_is_taken(world: World, stripe: Played) -> None:
    slot = free_slot(stripe.client, WEBINAR)
    book(stripe.client, slot)
    page = book(stripe.client, slot, "sam@example.com")
    assert "198 places left" in stripe.client.get(f"/book/{WEBINAR}/").content.decode()
    assert send_form(stripe.client, WEBINAR, slot, "sam@example.com").status_code == 422
    (event_id,) = world.read().state.events
    waiting = world.read().state.tickets[page.split("/")[-2]].attendee.id
    held = stripe.client.get(f"/bookings/{event_id}/?attendee={waiting}").content.decode()
    assert "Your place is held until you pay." in held
    pay(stripe.client, page, action="expire")
    assert "199 places left" in stripe.client.get(f"/book/{WEBINAR}/").content.decode()
    assert len(story(world)) == 1


def test_who_never_pays_leaves_the_group_that_others_paid_for(world: World, stripe: Played) -> None:
    slot = free_slot(stripe.client, WEBINAR)
    first = book(stripe.client, slot)
    pay(stripe.client, book(stripe.client, slot, "sam@example.com"))
    pay(stripe.client, first, action="expire")
    event = envelopes(world)[-1]["data"]["event"]
    assert (event["status"], event["payment"]["status"]) == ("confirmed", "paid")
    assert [item["email"] for item in event["attendees"]] == ["sam@example.com"]


def test_cancelling_an_unpaid_booking_closes_its_session(world: World, stripe: Played) -> None:
    page = book(stripe.client, free_slot(stripe.client, WEBINAR))
    (event_id,) = world.read().state.events
    stripe.client.post(f"/bookings/{event_id}/cancel/")
    assert pay(stripe.client, page) == 409
    assert story(world)[1:] == [("event.cancelled", "cancelled", 2, "unpaid")]


def test_a_payment_at_the_last_moment_does_not_revive_a_cancelled_event(world: World, stripe: Played) -> None:
    page = book(stripe.client, free_slot(stripe.client, WEBINAR))
    (event,) = world.read().state.events.values()
    with world.change() as moment:
        cancel_event(moment, event)
    pay(stripe.client, page)
    assert [entry[:2] for entry in story(world)][1:] == [("event.cancelled", "cancelled")]


def test_a_session_that_is_paid_already_is_left_alone_when_its_event_is_cancelled(world: World, stripe: Played) -> None:
    pay(stripe.client, book(stripe.client, free_slot(stripe.client, WEBINAR)))
    (event_id,) = world.read().state.events
    stripe.client.post(f"/bookings/{event_id}/cancel/")
    close_sessions(world, get_account())
    (session,) = stripe.state()["records"]["sessions"]
    assert (session["status"], session["payment_status"]) == ("complete", "paid")


def test_a_paid_booking_can_move_but_a_paid_place_in_a_group_cannot(world: World, stripe: Played) -> None:
    slot, later = free_slot(stripe.client, WEBINAR), free_slot(stripe.client, WEBINAR, 1)
    pay(stripe.client, book(stripe.client, slot))
    (event_id,) = world.read().state.events
    assert stripe.client.post(f"/bookings/{event_id}/reschedule/", {"slot": later}).status_code == 302
    assert story(world)[-1] == ("event.updated", "confirmed", 3, "paid")
    pay(stripe.client, book(stripe.client, later, "sam@example.com"))
    attendee = world.read().state.events[event_id].attendees[0].id
    path = f"/bookings/{event_id}/reschedule/?attendee={attendee}"
    assert stripe.client.post(path, {"slot": slot}).status_code == 422


def test_the_workshop_is_confirmed_without_a_session_of_calendar_lives(world: World, stripe: Played) -> None:
    slot = free_slot(stripe.client, WORKSHOP)
    for name in ("ann", "ben", "cleo"):
        assert send_form(stripe.client, WORKSHOP, slot, f"{name}@example.com").status_code == 302
    assert send_form(stripe.client, WORKSHOP, slot, "dora@example.com").status_code == 409
    assert [entry[0] for entry in story(world)] == ["event.created", "event.updated", "event.updated"]
    event = envelopes(world)[-1]["data"]["event"]
    assert (event["status"], event["payment"], event["event_type"]["capacity"]) == ("confirmed", None, 3)
    assert stripe.state()["counts"]["sessions"] == 0


def test_prices_are_shown_before_booking(world: World, stripe: Played) -> None:
    page = stripe.client.get("/book/").content.decode()
    assert "EUR 49.00, paid by card after booking" in page
    assert "USD 199.00, a link to pay comes by e-mail" in page
    assert "Book and pay" in stripe.client.get(f"/book/{WEBINAR}/").content.decode()
