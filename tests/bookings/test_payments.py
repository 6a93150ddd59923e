"""Payments: whatever is told of one session, in any order and however often, ends the same."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bookings.models import Meeting, Payment, Price
from bookings.payments import RANK, Told, is_settled, settle
from integrations.models import Connection, Delivery
from tests.factories import read_sample, receive

pytestmark = pytest.mark.django_db
Status = Payment.Status
# A dispute may be won, which is the one way back: it is not among those whose order never matters.
FORWARD = [status for status in Status.values if status != Status.DISPUTED]
WHO = ("calendar.live", "stripe", "keepsync")
# A session is known by its id, by its payment intent, or by both.
KNOWN = ({"session_id": "cs_1"}, {"session_id": "", "payment_intent": "pi_1"},
         {"session_id": "cs_1", "payment_intent": "pi_1"})  # fmt: skip


def tell(status: str, by: str = "stripe", session_id: str = "cs_1", **fields: Any) -> Payment:
    settle(Told(by=by, session_id=session_id, status=status, **fields))
    return the_payment()


def the_payment() -> Payment:
    return Payment.objects.get()


def book() -> Meeting:
    receive(read_sample("paid_event_created"))
    return Meeting.objects.get()


# --- Laws -------------------------------------------------------------------------------------------------------------


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(told=st.lists(st.tuples(st.sampled_from(FORWARD), st.sampled_from(WHO)), min_size=1, max_size=6))
def test_any_order_and_repetition_ends_in_the_state_of_the_highest_rank(told: list[tuple[str, str]]) -> None:
    Payment.objects.all().delete()
    for status, by in told:
        settle(Told(by=by, session_id="cs_1", status=status))
    payment = the_payment()
    statuses = [status for status, _ in told]
    assert RANK[Status(payment.status)] == max(RANK[Status(status)] for status in statuses)
    assert payment.status in statuses
    assert sorted(payment.told_by) == sorted({by for status, by in told if status == Status.PAID})
    assert (payment.paid_at is not None) == (Status.PAID in statuses)


@hypothesis_settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    told=st.lists(st.tuples(st.sampled_from(FORWARD), st.sampled_from(KNOWN)), min_size=1, max_size=5).filter(
        lambda told: any(len(known) == 2 and known["session_id"] for _, known in told)
    )
)
def test_what_is_known_in_parts_becomes_one_row(told: list[tuple[str, dict[str, Any]]]) -> None:
    Payment.objects.all().delete()
    for status, known in told:
        settle(Told(by="stripe", status=status, **known))
    payment = the_payment()
    assert (payment.session_id, payment.payment_intent) == ("cs_1", "pi_1")
    assert RANK[Status(payment.status)] == max(RANK[Status(status)] for status, _ in told)


def test_paid_after_refunded_was_paid_though_it_is_given_back() -> None:
    tell("refunded")
    payment = tell("paid")
    assert (payment.status, payment.told_by) == ("refunded", ["stripe"])
    assert payment.paid_at is not None


# --- Cases ------------------------------------------------------------------------------------------------------------


def test_an_intent_that_is_told_first_joins_the_session_that_keepsync_made() -> None:
    stripe = Connection.objects.create(slug="stripe", provider="stripe")
    settle(Told(by="keepsync", session_id="cs_1", status="unpaid", amount=4900, currency="eur"), connection=stripe)
    settle(Told(by="stripe", session_id="", payment_intent="pi_1", status="paid", amount=4900))
    paid_at = Payment.objects.get(payment_intent="pi_1").paid_at
    payment = tell("paid", by="calendar.live", payment_intent="pi_1")
    assert (payment.connection, payment.status, payment.paid_at) == (stripe, "paid", paid_at)
    assert payment.told_by == ["stripe", "calendar.live"]


def test_two_sessions_of_one_meeting_stay_two_and_one_that_is_paid_is_enough() -> None:
    meeting = book()
    settle(Told(by="stripe", session_id="cs_other", status="paid"), meeting=meeting)
    assert Payment.objects.filter(meeting=meeting).count() == 2
    assert is_settled(meeting)


def test_an_older_state_tells_of_its_own_session_all_the_same() -> None:
    """A group has one for each place: the booking names the one that was paid last."""
    newer, older = read_sample("payment_succeeded"), read_sample("payment_succeeded")
    older["id"], older["data"]["event"]["version"] = "dlv_late", newer["data"]["event"]["version"] - 1
    older["data"]["event"]["payment"]["session_id"] = "cs_first"
    assert receive(newer).status == Delivery.Status.PROCESSED
    assert receive(older).status == Delivery.Status.STALE
    meeting = Meeting.objects.get()
    told = Payment.objects.filter(meeting=meeting, status="paid").values_list("session_id", flat=True)
    assert set(told) == {"cs_first", "cs_test_a1B2c3"}
    assert meeting.payment_session_id == "cs_test_a1B2c3"


def test_an_older_state_never_takes_a_payment_back() -> None:
    receive(read_sample("payment_succeeded"))
    assert receive(read_sample("paid_event_created")).status == Delivery.Status.STALE
    assert (the_payment().status, Meeting.objects.get().payment_status) == ("paid", "paid")


def test_a_dispute_that_was_won_is_paid_again_and_one_that_was_lost_is_not() -> None:
    tell("paid")
    assert tell("disputed").status == "disputed"
    assert tell("paid", by="calendar.live").status == "disputed"
    assert tell("paid").status == "paid"
    tell("disputed")
    assert tell("refunded").status == "refunded"
    assert tell("paid").status == "refunded"


def test_what_is_told_once_is_not_forgotten_when_it_is_left_out_later() -> None:
    tell("unpaid", amount=4900, currency="eur", url="https://checkout.stripe.com/1")
    payment = tell("paid", payment_intent="pi_1")
    assert (payment.amount, payment.currency, payment.url) == (4900, "eur", "https://checkout.stripe.com/1")


def test_the_meeting_shows_its_payment_and_its_history_says_so_once() -> None:
    meeting = book()
    before = meeting.history.count()
    for _ in range(2):
        settle(Told(by="stripe", session_id="cs_test_a1B2c3", status="paid"))
    meeting.refresh_from_db()
    assert (meeting.payment_status, meeting.payment_amount, meeting.payment_currency) == ("paid", 4900, "eur")
    assert meeting.history.count() == before + 1


def book_twice() -> list[Meeting]:
    """Two bookings that name one Checkout Session, as those of an account that is connected twice do."""
    first = book()
    twin = read_sample("paid_event_created")
    twin["id"], twin["data"]["event"]["id"] = "dlv_twin", "evt_twin"
    receive(twin)
    return [first, Meeting.objects.get(external_id="evt_twin")]


def read_statuses() -> list[str]:
    return list(Meeting.objects.order_by("pk").values_list("payment_status", flat=True))


def test_meetings_that_name_one_session_all_show_its_payment_and_are_settled() -> None:
    meetings = book_twice()
    assert read_statuses() == ["unpaid", "unpaid"]
    receive(read_sample("payment_succeeded"))
    assert read_statuses() == ["paid", "paid"]
    for meeting in meetings:
        meeting.refresh_from_db()
        assert (meeting.payment_session_id, meeting.payment_amount) == ("cs_test_a1B2c3", 4900)
        assert is_settled(meeting)
    assert the_payment().meeting == meetings[0]


def test_a_meeting_that_names_a_session_which_is_paid_already_shows_it() -> None:
    receive(read_sample("payment_succeeded"))
    twin = book_twice()[1]
    assert (twin.payment_status, twin.payment_session_id) == ("paid", "cs_test_a1B2c3")
    assert is_settled(twin)


def test_stripes_word_reaches_every_meeting_that_names_the_session() -> None:
    meetings = book_twice()
    settled = settle(Told(by="stripe", session_id="cs_test_a1B2c3", status="paid"))
    assert settled.meetings == meetings
    assert read_statuses() == ["paid", "paid"]


@pytest.mark.parametrize(
    ("status", "is_paid"),
    [("unpaid", False), ("failed", False), ("expired", False), ("paid", True), ("disputed", True), ("refunded", False)],
)
def test_only_paid_is_settled(status: str, is_paid: bool) -> None:
    meeting = book()
    settle(Told(by="stripe", session_id="cs_test_a1B2c3", status=status))
    assert is_settled(meeting) == is_paid


@pytest.mark.parametrize("name", ["pricing-masterclass", "et_webinar"])
def test_what_has_a_price_by_slug_or_id_and_no_payment_is_owed(name: str) -> None:
    meeting = book()
    Payment.objects.all().delete()
    assert is_settled(meeting)
    Price.objects.create(event_type=name, amount=4900, currency="eur")
    assert not is_settled(meeting)


@pytest.fixture(autouse=True)
def _calendar(calendar_live: Connection) -> None:
    """Bookings come from here."""
