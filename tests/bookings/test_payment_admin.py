"""Prices and payments in the admin."""

from typing import Any

import pytest
from django.test import Client

from bookings.models import Meeting, Payment, Price
from integrations.models import Connection
from tests.factories import make_connection, read_sample, receive
from tests.integrations.admin.support import get_page, page_address, sign_in

PAYMENTS = "/admin/bookings/payment/"
PRICES = "/admin/bookings/price/"


def found(client: Client, **parameters: str) -> list[str]:
    response = client.get(PAYMENTS, parameters)
    assert response.status_code == 200
    return [payment.session_id for payment in response.context["cl"].result_list]


@pytest.fixture
def meeting(calendar_live: Connection) -> Meeting:
    receive(read_sample("paid_event_created"))
    Payment.objects.all().delete()
    return Meeting.objects.get()


@pytest.mark.parametrize("count", [2, 30])
def test_the_list_needs_as_many_queries_for_thirty_rows_as_for_two(
    count: int, meeting: Meeting, admin_client: Client, django_assert_max_num_queries: Any
) -> None:
    stripe = make_connection("stripe", provider="stripe")
    for number in range(count):
        Payment.objects.create(meeting=meeting, connection=stripe, session_id=f"cs_{number}", amount=4900)
    with django_assert_max_num_queries(5) as queries:
        page = get_page(admin_client, PAYMENTS)

    assert "4,900" in page
    assert not any("COUNT(" in query["sql"] for query in queries.captured_queries)


def test_payments_are_found_by_session_intent_and_id(meeting: Meeting, admin_client: Client) -> None:
    first = Payment.objects.create(meeting=meeting, session_id="cs_1", payment_intent="pi_1")
    Payment.objects.create(session_id="cs_2", payment_intent="pi_2", status="paid")

    assert found(admin_client) == ["cs_2", "cs_1"]
    assert found(admin_client, q=" cs_1 ") == ["cs_1"]
    assert found(admin_client, q="pi_2") == ["cs_2"]
    assert found(admin_client, q=str(first.pk)) == ["cs_1"]
    assert found(admin_client, q="4900") == []
    assert found(admin_client, status__exact="paid") == ["cs_2"]


def test_a_payment_shows_its_meeting_and_hides_its_link(meeting: Meeting, admin_client: Client) -> None:
    payment = Payment.objects.create(
        meeting=meeting, session_id="cs_1", amount=4900, currency="eur", told_by=["stripe", "calendar.live"],
        url="https://checkout.example/secret",
    )  # fmt: skip
    payment.url = "https://checkout.example/secret/2"
    payment.save()
    page = get_page(admin_client, page_address(payment))

    for shown in (page_address(meeting), "4,900 EUR", "stripe, calendar.live", "Is set"):
        assert shown in page
    for address in (page_address(payment), page_address(payment, "history"), page_address(meeting), PAYMENTS):
        assert "checkout.example" not in get_page(admin_client, address)


def test_a_payment_that_came_before_its_booking_says_so(admin_client: Client, db: None) -> None:
    payment = Payment.objects.create(payment_intent="pi_1", status="paid")

    assert "Its booking has not come yet" in get_page(admin_client, page_address(payment))


def test_a_meetings_page_lists_its_payments(meeting: Meeting, admin_client: Client) -> None:
    payment = Payment.objects.create(meeting=meeting, session_id="cs_77", status="refunded", amount=100, currency="jpy")
    page = get_page(admin_client, page_address(meeting))

    for shown in (page_address(payment), "Refunded", "100 JPY", "Made by calendar.live"):
        assert shown in page


def test_payments_are_read_only(meeting: Meeting, admin_client: Client) -> None:
    payment = Payment.objects.create(meeting=meeting, session_id="cs_1")

    assert admin_client.get(f"{PAYMENTS}add/").status_code == 403
    assert admin_client.post(page_address(payment), {"status": "paid"}).status_code == 403
    assert admin_client.post(page_address(payment, "delete"), {"post": "yes"}).status_code == 403
    assert sign_in().get(page_address(payment)).status_code == 403


# --- Prices -----------------------------------------------------------------------------------------------------------


def add_price(client: Client, **values: str) -> str:
    given = {"event_type": "masterclass", "amount": "4900", "currency": " EUR", "is_refunded": "on", **values}
    return client.post(f"{PRICES}add/", given, follow=True).content.decode()


def test_a_price_is_set_and_changed(admin_client: Client, db: None) -> None:
    add_price(admin_client)
    price = Price.objects.get()
    assert (price.event_type, price.amount, price.currency, price.is_refunded) == ("masterclass", 4900, "eur", True)
    assert "4,900 EUR" in get_page(admin_client, PRICES)

    admin_client.post(page_address(price), {"amount": "5900", "currency": "usd", "event_type": "another"})
    price.refresh_from_db()
    assert (price.event_type, price.amount, price.currency, price.is_refunded) == ("masterclass", 5900, "usd", False)
    assert [row.amount for row in price.history.all()] == [5900, 4900]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"amount": "0"}, "greater than or equal to 1"),
        ({"amount": "-1"}, "greater than or equal to 1"),
        ({"amount": "100000000"}, "less than or equal to 99999999"),
        ({"amount": "49.00"}, "Enter a whole number"),
        ({"currency": "eu"}, "three letters"),
        ({"currency": "e1r"}, "three letters"),
        ({"event_type": ""}, "This field is required"),
    ],
)
def test_what_is_wrong_with_a_price_is_said(
    values: dict[str, str], problem: str, admin_client: Client, db: None
) -> None:
    assert problem in add_price(admin_client, **values)
    assert not Price.objects.exists()


def test_an_event_type_has_one_price(admin_client: Client, db: None) -> None:
    add_price(admin_client)

    assert "already exists" in add_price(admin_client, amount="1")
    assert Price.objects.get().amount == 4900


def test_prices_need_permissions(db: None) -> None:
    price = Price.objects.create(event_type="masterclass", amount=4900, currency="eur")
    viewer = sign_in("bookings.view_price")

    assert viewer.post(page_address(price), {"amount": "1", "currency": "eur"}).status_code == 403
    assert viewer.get(f"{PRICES}add/").status_code == 403
