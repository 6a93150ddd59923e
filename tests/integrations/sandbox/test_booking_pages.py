"""The customer's pages of a running process, as a browser sends its forms."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import requests

from integrations.sandbox.calendar_live.sender import sign
from tests.integrations.sandbox.conftest import SECRET
from tests.integrations.sandbox.support import (
    Receiver,
    Sandbox,
    create,
    plus,
    received,
    text,
)

pytestmark = pytest.mark.slow
PARIS = ZoneInfo("Europe/Paris")
FORM = {
    "full_name": "Zoë Okafor",
    "email": "zoe@example.com",
    "phone": "06 12 34 56 78",
    "company": "Okafor & Fils",
    "country": "FR",
    "team_size": "51-200",
    "timeline": "this month",
    "marketing": "on",
}


@pytest.fixture(scope="module")
def workdays() -> Iterator[datetime]:
    """Midnights in Paris of coming workdays, each for one test."""
    today = datetime.now(tz=PARIS).replace(hour=0, minute=0, second=0, microsecond=0)
    days = (today + timedelta(days=number) for number in range(2, 55))
    return iter([day for day in days if day.weekday() < 5])


@pytest.fixture
def day(workdays: Iterator[datetime]) -> datetime:
    return next(workdays)


def at(day: datetime, hour: int, minute: int = 0) -> str:
    return text(day.replace(hour=hour, minute=minute))


def book(sandbox: Sandbox, slot: str, slug: str = "trial", **changes: str) -> str:
    """The path of the booking's page."""
    response = sandbox.post(f"/book/{slug}/", **(FORM | {"slot": slot} | changes))
    assert response.status_code == 200, response.text
    return response.url.removeprefix(sandbox.url)


def event_id(path: str) -> str:
    return path.split("/")[2].split("?")[0]


def test_a_customer_books_moves_declines_and_cancels(
    sandbox: Sandbox, webhook_receiver: Receiver, day: datetime
) -> None:
    path = book(sandbox, at(day, 9))
    assert "09:00 to 09:30" in sandbox.get(path).text
    moved = sandbox.post(path + "reschedule/", slot=at(day, 10))
    assert "10:00 to 10:30" in moved.text
    declined = sandbox.post(path + "respond/", response="declined")
    assert "Declined" in declined.text
    cancelled = sandbox.post(path + "cancel/")
    assert "This booking is cancelled." in cancelled.text

    envelopes = received(webhook_receiver, event_id(path), 4)
    assert [(item["type"], item["data"]["event"]["version"]) for item in envelopes] == [
        ("event.created", 1),
        ("event.updated", 2),
        ("attendee.updated", 3),
        ("event.cancelled", 4),
    ]
    assert envelopes[1]["data"]["previous"] == {"start": at(day, 9), "end": at(day, 9, 30)}
    answers = {item["key"]: item["value"] for item in envelopes[0]["data"]["event"]["answers"]}
    assert answers == {"team_size": "51-200", "timeline": "this month"}
    for headers, body in list(webhook_receiver.requests):
        assert headers["x-cl-signature"] == sign(SECRET, body)


def test_bad_input_is_marked_at_its_field_and_kept(sandbox: Sandbox) -> None:
    page = sandbox.post("/book/trial/", **(FORM | {"email": "not mail", "slot": "", "full_name": "<b>Zoë</b>"}))
    assert page.status_code == 422
    assert "Please choose a time." in page.text
    assert re.search(r'value="not mail"[^>]*aria-invalid="true"', page.text)
    assert "e-mail address. Example" in page.text
    assert 'value="&lt;b&gt;Zoë&lt;/b&gt;"' in page.text
    assert '<option value="51-200" selected>' in page.text


@pytest.mark.parametrize("slot", ["tomorrow", "2020-01-06T09:00:00Z", "2026-11-24"])
def test_a_slot_that_is_not_on_offer_is_refused(sandbox: Sandbox, slot: str) -> None:
    page = sandbox.post("/book/trial/", **(FORM | {"slot": slot}))
    assert page.status_code == 422
    assert "one of the times on offer" in page.text


def test_a_taken_slot_is_refused_with_a_message(sandbox: Sandbox, day: datetime) -> None:
    book(sandbox, at(day, 9))
    page = sandbox.post("/book/trial/", **(FORM | {"slot": at(day, 9), "email": "sam@example.com"}))
    assert page.status_code == 409
    assert "That time is already taken. Please choose another one." in page.text
    assert 'value="sam@example.com"' in page.text


def test_a_group_member_leaves_and_the_others_stay(sandbox: Sandbox, day: datetime) -> None:
    first = book(sandbox, at(day, 9), "onboarding")
    second = book(sandbox, at(day, 9), "onboarding", email="sam@example.com")
    assert event_id(first) == event_id(second)
    assert first != second

    path, _, query = second.partition("?")
    left = sandbox.post(f"{path}cancel/?{query}")
    assert "Your place is cancelled" in left.text
    assert sandbox.api("GET", f"events/{event_id(first)}").json()["status"] == "confirmed"
    assert "1 of 25" in sandbox.get(first).text


@pytest.mark.parametrize("path", ["/book/unknown/", "/bookings/ev_unknown/", "/bookings/ev_unknown/reschedule/"])
def test_unknown_pages_answer_404(sandbox: Sandbox, path: str) -> None:
    assert sandbox.get(path).status_code == 404


def test_an_event_of_the_api_can_be_moved_on_its_page(sandbox: Sandbox, day: datetime) -> None:
    start = at(day, 15)
    event = create(sandbox, "page", calendar_id="cal_emea_sales", start=start, end=plus(start, minutes=30))
    moved = sandbox.post(f"/bookings/{event['id']}/reschedule/", slot=at(day, 16))
    assert "16:00 to 16:30" in moved.text


def test_of_many_customers_at_the_same_instant_one_gets_the_slot(sandbox: Sandbox, day: datetime) -> None:
    forms = [FORM | {"slot": at(day, 9), "email": f"c{number}@example.com"} for number in range(8)]
    with ThreadPoolExecutor(len(forms)) as pool:
        answers = list(pool.map(lambda form: requests.post(f"{sandbox.url}/book/trial/", data=form, timeout=60), forms))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
