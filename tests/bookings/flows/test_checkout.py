"""Flow B, the payment: whoever tells first that it is paid, it counts once; and what is off is undone."""

from typing import Any

import pytest
import requests
from django.core import mail

from bookings.models import Meeting, MeetingLink, Payment, Price
from integrations.models import Connection, Effect
from tests.bookings.flows.fakes import World, make_session
from tests.bookings.flows.playing import (
    PAYMENT,
    WEBINAR,
    ZOE,
    connect,
    let_time_pass,
    list_effects,
    list_letters,
    pair_with_hubspot,
    run_effects,
    tell,
    tell_stripe,
    the_meeting,
)
from tests.factories import read_sample

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
GROUP = {**read_sample(WEBINAR)["data"]["event"]["event_type"], "capacity": 3}
COMPLETED, EXPIRED = "checkout.session.completed", "checkout.session.expired"
FAILED = "checkout.session.async_payment_failed"


@pytest.fixture(autouse=True)
def calendar(calendar_live: Connection) -> Connection:
    connect("zoom")
    connect("stripe")
    return calendar_live


# --- A session of calendar.live's -------------------------------------------------------------------------------------


def book(**event: Any) -> None:
    """A webinar that calendar.live sells: tentative, and not paid yet."""
    tell(WEBINAR, **event)
    run_effects()


def calendar_says_paid(version: int = 3, **event: Any) -> None:
    tell("payment_succeeded", version=version, **event)
    run_effects()


def stripe_says(event_type: str = COMPLETED, **fields: Any) -> None:
    """Of the session that calendar.live made. It names our meeting nowhere."""
    session = {**make_session(PAYMENT["session_id"], ""), "payment_status": "paid", "payment_intent": "pi_1", **fields}
    tell_stripe(event_type, {**session, "client_reference_id": None, "metadata": {}})
    run_effects()


def stripe_says_of_charge(event_type: str, **fields: Any) -> None:
    charge = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "amount": 4900, "amount_refunded": 4900,
              "refunded": True, "currency": "eur", "metadata": {}}  # fmt: skip
    tell_stripe(event_type, {**charge, **fields})
    run_effects()


def the_payment() -> Payment:
    return Payment.objects.get()


def is_sold_once(world: World) -> bool:
    return (world.zoom.made, world.zoom.emails, list_letters()) == (1, [ZOE], [(ZOE, "Confirmed")])


@pytest.mark.parametrize(
    "order",
    [
        ("book", "calendar", "stripe"),
        ("book", "stripe", "calendar"),
        ("stripe", "book", "calendar"),
        ("stripe", "calendar", "book"),
        ("calendar", "stripe", "book"),
        ("book", "book", "calendar", "calendar", "stripe", "stripe"),
        ("book", "stripe", "stripe", "calendar", "stripe", "calendar"),
        ("stripe", "stripe", "calendar", "book", "calendar", "stripe"),
    ],
)
def test_paid_is_counted_once_whoever_tells_it_first_and_how_often(
    calendar: Connection, world: World, order: tuple[str, ...]
) -> None:
    pair_with_hubspot(calendar)
    for step in order:
        {"book": book, "calendar": calendar_says_paid, "stripe": stripe_says}[step]()
    payment = the_payment()
    assert (payment.status, sorted(payment.told_by)) == ("paid", ["calendar.live", "stripe"])
    assert (payment.session_id, payment.payment_intent, payment.amount) == (PAYMENT["session_id"], "pi_1", 4900)
    assert payment.meeting == the_meeting()
    assert (the_meeting().payment_status, the_meeting().status) == ("paid", "confirmed")
    assert is_sold_once(world)
    (sent,) = world.hubspot.meetings.values()
    assert (sent["payment_session_id"], sent["hs_meeting_external_url"]) == (
        PAYMENT["session_id"],
        "https://zoom.us/j/8001",
    )
    assert list(world.hubspot.attending.values()) == [set(world.hubspot.contacts)]
    assert world.stripe.told == []


def test_paid_but_not_confirmed_yet_makes_nothing(world: World) -> None:
    book()
    stripe_says()
    assert the_meeting().payment_status == "paid"
    assert world.zoom.told == []
    calendar_says_paid()
    assert is_sold_once(world)


def test_a_session_whose_money_is_still_on_its_way_is_not_paid(world: World) -> None:
    book(status="confirmed", version=2)
    stripe_says(payment_status="unpaid")
    assert (the_payment().status, world.zoom.told) == ("unpaid", [])
    stripe_says("checkout.session.async_payment_succeeded")
    assert is_sold_once(world)


def test_a_payment_that_failed_and_then_succeeded_is_paid(world: World) -> None:
    book()
    tell("payment_failed", version=2)
    stripe_says(FAILED, payment_status="unpaid")
    assert (the_payment().status, the_payment().paid_at, world.zoom.told) == ("failed", None, [])
    calendar_says_paid()
    stripe_says(FAILED, payment_status="unpaid")
    assert the_payment().status == "paid"
    assert is_sold_once(world)


def test_an_expired_session_makes_nothing(world: World) -> None:
    book(status="confirmed")
    stripe_says(EXPIRED, payment_status="unpaid", payment_intent=None)
    assert (the_payment().status, the_meeting().payment_status) == ("expired", "expired")
    assert world.zoom.told == []


def test_late_news_of_an_earlier_session_takes_nothing_back(world: World) -> None:
    book()
    calendar_says_paid(payment={**PAYMENT, "session_id": "cs_test_second", "status": "paid"})
    stripe_says(EXPIRED, payment_status="unpaid", payment_intent=None)
    assert the_meeting().payment_session_id == "cs_test_second"
    assert is_sold_once(world)


@pytest.mark.parametrize("who", ["calendar", "stripe"])
def test_a_refund_takes_meeting_registrant_and_confirmation_back(world: World, who: str) -> None:
    book()
    stripe_says()
    calendar_says_paid()
    if who == "stripe":
        stripe_says_of_charge("charge.refunded")
        tell(WEBINAR, version=4, status="confirmed", payment={**PAYMENT, "status": "refunded"})
    else:
        tell(WEBINAR, version=4, status="confirmed", payment={**PAYMENT, "status": "refunded"})
        stripe_says_of_charge("charge.refunded")
    run_effects()
    assert (the_payment().status, the_meeting().payment_status) == ("refunded", "refunded")
    assert world.zoom.meetings == {}
    assert not MeetingLink.objects.filter(connection__provider="zoom").exists()
    assert list_letters() == [(ZOE, "Confirmed"), (ZOE, "Cancelled")]
    assert world.stripe.told == []


def test_a_part_that_was_given_back_changes_nothing(world: World) -> None:
    book()
    stripe_says()
    calendar_says_paid()
    stripe_says_of_charge("charge.refunded", amount_refunded=100, refunded=False)
    assert the_payment().status == "paid"
    assert is_sold_once(world)


def test_a_refund_that_is_told_before_anything_else_joins_its_session(world: World) -> None:
    book()
    stripe_says_of_charge("charge.refunded")
    assert Payment.objects.count() == 2
    stripe_says()
    payment = the_payment()
    assert (payment.session_id, payment.payment_intent, payment.status) == (PAYMENT["session_id"], "pi_1", "refunded")
    assert payment.meeting == the_meeting()
    calendar_says_paid()
    assert world.zoom.told == []


def test_a_dispute_leaves_the_booking_as_it_is_until_it_is_lost(world: World) -> None:
    book()
    stripe_says()
    calendar_says_paid()
    dispute = {"id": "dp_1", "object": "dispute", "charge": "ch_1", "status": "needs_response"}
    stripe_says_of_charge("charge.dispute.created", **dispute)
    assert (the_payment().status, is_sold_once(world)) == ("disputed", True)
    stripe_says_of_charge("charge.dispute.closed", **{**dispute, "status": "lost"})
    assert (the_payment().status, world.zoom.meetings) == ("refunded", {})


def test_what_calendar_live_sold_is_calendar_lives_to_refund(world: World) -> None:
    book()
    stripe_says()
    calendar_says_paid()
    tell(WEBINAR, version=4, status="cancelled", payment={**PAYMENT, "status": "paid"})
    run_effects()
    assert world.stripe.told == []
    assert world.zoom.meetings == {}
    assert list_letters() == [(ZOE, "Confirmed"), (ZOE, "Cancelled")]


def test_somebody_elses_payment_is_kept_and_changes_no_meeting(world: World) -> None:
    book()
    tell_stripe(COMPLETED, {**make_session("cs_shop", ""), "payment_status": "paid", "client_reference_id": "cart-7",
                            "metadata": {}})  # fmt: skip
    run_effects()
    assert Payment.objects.get(session_id="cs_shop").meeting is None
    assert the_meeting().payment_status == "unpaid"


# --- A session of Keepsync's ------------------------------------------------------------------------------------------


@pytest.fixture
def price() -> Price:
    return Price.objects.create(event_type="pricing-masterclass", amount=4900, currency="EUR")


def book_priced(version: int = 1, **event: Any) -> None:
    """A webinar for which calendar.live takes no payment."""
    tell(WEBINAR, **{"status": "confirmed", "payment": None, "version": version, **event})
    run_effects()


def pay(world: World, key: str = "cs_test_k1") -> None:
    tell_stripe(COMPLETED, world.stripe.pay(key))
    run_effects()


def test_a_priced_booking_without_a_session_gets_one_and_a_letter_with_the_link(
    calendar: Connection, world: World, price: Price
) -> None:
    pair_with_hubspot(calendar)
    book_priced()
    book_priced()
    book_priced(version=2, title="Another title")
    assert world.stripe.count("POST /v1/checkout/sessions") == 1
    (session,) = world.stripe.sessions.values()
    assert (session["client_reference_id"], session["amount_total"]) == (str(the_meeting().pk), 4900)
    assert list_letters() == [(ZOE, "Please")]
    assert "https://checkout.stripe.com/c/pay/cs_test_k1" in mail.outbox[0].body
    assert mail.outbox[0].attachments == []
    assert world.zoom.told == []
    payment = the_payment()
    assert (payment.status, payment.amount, payment.currency) == ("unpaid", 4900, "eur")
    assert payment.connection == Connection.objects.get(slug="stripe")
    (sent,) = world.hubspot.meetings.values()
    assert sent["payment_session_id"] == "cs_test_k1"


def test_a_priced_booking_is_made_and_confirmed_once_it_is_paid(world: World, price: Price) -> None:
    book_priced()
    pay(world)
    pay(world)
    assert (the_payment().status, the_payment().told_by) == ("paid", ["stripe"])
    assert (world.zoom.made, world.zoom.emails) == (1, [ZOE])
    assert list_letters() == [(ZOE, "Please"), (ZOE, "Confirmed")]


def test_a_price_that_stripe_is_not_connected_for_lets_nobody_in_for_nothing(world: World, price: Price) -> None:
    Connection.objects.filter(provider="stripe").update(status="disabled")
    book_priced()
    assert world.calls == 0
    assert mail.outbox == []


def test_a_session_of_calendar_lives_is_enough(world: World, price: Price) -> None:
    book()
    assert world.stripe.told == []


def test_a_payment_told_before_the_session_is_recorded_is_joined_to_it(world: World, price: Price) -> None:
    world.stripe.fail("POST /v1/checkout/sessions", 0, requests.ConnectionError("broken off"), times=3)
    book_priced()
    session = make_session("cs_test_k1", str(the_meeting().pk))
    tell_stripe(COMPLETED, {**session, "payment_status": "paid", "payment_intent": "pi_1", "amount_total": 4900})
    let_time_pass(minutes=1)
    run_effects()
    payment = the_payment()
    assert (payment.status, payment.session_id) == ("paid", "cs_test_k1")
    assert payment.connection is not None
    assert list_letters() == [(ZOE, "Confirmed")]


def test_a_cancelled_booking_expires_its_open_session(world: World, price: Price) -> None:
    book_priced()
    book_priced(version=2, status="cancelled")
    book_priced(version=3, status="cancelled")
    assert world.stripe.count("POST .*/expire") == 1
    assert (the_payment().status, world.stripe.refunds) == ("expired", [])
    assert list_letters() == [(ZOE, "Please")]


def test_a_booking_that_is_cancelled_before_the_session_was_made_gets_none(world: World, price: Price) -> None:
    tell(WEBINAR, status="confirmed", payment=None)
    book_priced(version=2, status="cancelled")
    assert (world.stripe.told, mail.outbox) == ([], [])


def test_a_booking_that_is_cancelled_before_the_letter_went_out_gets_no_link_to_pay(world: World, price: Price) -> None:
    tell(WEBINAR, status="confirmed", payment=None)
    run_effects("stripe")
    tell(WEBINAR, status="cancelled", payment=None, version=2)
    run_effects("email")
    assert mail.outbox == []


def test_a_cancelled_booking_that_keepsync_sold_is_refunded_once(
    calendar: Connection, world: World, price: Price
) -> None:
    pair_with_hubspot(calendar)
    book_priced()
    pay(world)
    book_priced(version=2, status="cancelled")
    book_priced(version=3, status="cancelled")
    tell_stripe("charge.refunded", {"id": "ch_1", "object": "charge", "payment_intent": "pi_cs_test_k1", "amount": 4900,
                                    "amount_refunded": 4900, "refunded": True, "currency": "eur"})  # fmt: skip
    run_effects()
    assert world.stripe.refunds == [{"payment_intent": "pi_cs_test_k1"}]
    assert the_payment().status == "refunded"
    assert world.zoom.meetings == {}
    assert list_letters() == [(ZOE, "Please"), (ZOE, "Confirmed"), (ZOE, "Cancelled")]


def test_a_price_that_is_not_refunded_keeps_the_money(world: World, price: Price) -> None:
    Price.objects.update(is_refunded=False)
    book_priced()
    pay(world)
    book_priced(version=2, status="cancelled")
    assert (world.stripe.refunds, the_payment().status) == ([], "paid")
    assert list_letters()[2:] == [(ZOE, "Cancelled")]


def test_a_payment_that_comes_after_the_cancellation_is_refunded(world: World, price: Price) -> None:
    book_priced()
    tell(WEBINAR, status="cancelled", payment=None, version=2)
    tell_stripe(COMPLETED, world.stripe.pay("cs_test_k1"))
    run_effects()
    assert world.stripe.refunds == [{"payment_intent": "pi_cs_test_k1"}]
    assert (the_payment().status, world.zoom.told) == ("refunded", [])


def test_a_customer_who_pays_while_the_session_is_expired_is_refunded(world: World, price: Price) -> None:
    book_priced()
    world.stripe.pay("cs_test_k1")
    book_priced(version=2, status="cancelled")
    assert world.stripe.count("POST .*/expire") == 1
    assert world.stripe.refunds == [{"payment_intent": "pi_cs_test_k1"}]
    assert the_payment().status == "refunded"


def test_a_full_event_is_not_sold_and_says_why(world: World, price: Price) -> None:
    attendees = [
        {"id": f"att_{n}", "email": f"p{n}@acme.example", "full_name": f"Person {n}", "response": "accepted"}
        for n in range(4)
    ]
    book_priced(event_type=GROUP, attendees=attendees)
    refused = Effect.objects.get(kind="checkout.create")
    assert (refused.status, refused.cause) == ("dead", "permanent")
    assert refused.error == "The event is full: 3 of 3 places are taken. Offer another date."
    assert world.stripe.told == []


def test_a_guest_at_a_meeting_for_one_and_an_attendee_who_declined_fill_nothing(world: World, price: Price) -> None:
    people = [
        {"id": f"att_{n}", "email": f"p{n}@acme.example", "full_name": f"Person {n}", "response": response}
        for n, response in enumerate(["accepted", "accepted", "accepted", "declined"])
    ]
    book_priced(event_type={**GROUP, "capacity": 1}, attendees=people[:2])
    book_priced(event_type=GROUP, attendees=people, id="ev_2", uid="uid_2")
    assert world.stripe.count("POST /v1/checkout/sessions") == 2


def test_an_occurrence_that_is_changed_by_itself_was_sold_with_its_series(world: World, price: Price) -> None:
    book_priced(recurrence={"rrule": "FREQ=WEEKLY;COUNT=4", "exdates": []})
    book_priced(id="ev_2", recurring_event_id="ev_web_77", original_start="2026-12-10T16:00:00Z",
                start="2026-12-10T17:00:00Z", end="2026-12-10T18:00:00Z")  # fmt: skip
    assert Meeting.objects.count() == 2
    assert world.stripe.count("POST /v1/checkout/sessions") == 1


def test_a_stripe_that_refuses_holds_back_neither_crm_nor_anything_else(
    calendar: Connection, world: World, price: Price
) -> None:
    pair_with_hubspot(calendar)
    error = {"error": {"type": "invalid_request_error", "message": "No.", "code": "amount_too_small"}}
    world.stripe.fail("POST /v1/checkout/sessions", 400, error)
    book_priced()
    assert list_effects("checkout.create") == ["dead"]
    assert (len(world.hubspot.contacts), len(world.hubspot.meetings)) == (1, 1)


def test_with_send_emails_off_the_session_is_made_and_nobody_written_to(
    calendar: Connection, world: World, price: Price
) -> None:
    Connection.objects.filter(pk=calendar.pk).update(options={"send_emails": "0"})
    book_priced()
    assert (len(world.stripe.sessions), mail.outbox) == (1, [])
    assert the_meeting().payment_url == "https://checkout.stripe.com/c/pay/cs_test_k1"
