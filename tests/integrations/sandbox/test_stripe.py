"""Stripe as the sandbox plays it: its API, and the page to pay at."""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from integrations.sandbox.stripe import pay_page
from integrations.sandbox.stripe.account import Account
from integrations.sandbox.stripe.checkout import pay_session
from integrations.sandbox.stripe.money import format_money
from integrations.sandbox.stripe.records import State
from integrations.sandbox.stripe.runtime import get_account
from tests.integrations.sandbox.playing import Played

ORDER = {
    "mode": "payment",
    "success_url": "http://127.0.0.1:8000/paid/?session={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://shop.example/cancelled/",
    "client_reference_id": "42",
    "customer_email": "zoe@example.com",
    "metadata[keepsync_meeting]": "42",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "eur",
    "line_items[0][price_data][unit_amount]": "4900",
    "line_items[0][price_data][product_data][name]": "Deep-dive workshop",
}
SESSIONS = "/v1/checkout/sessions"


def create(stripe: Played, key: str | None = None, **changes: str) -> dict[str, Any]:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = stripe.call("POST", SESSIONS, data=ORDER | changes, headers=headers)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def fetch(stripe: Played, session: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = stripe.call("GET", f"{SESSIONS}/{session['id']}").json()
    return document


def pay(stripe: Played, session: Mapping[str, Any], number: str = "4242 4242 4242 4242") -> int:
    return stripe.press(f"checkout/{session['id']}/", action="pay", number=number).status_code


def refund(stripe: Played, intent: str, **changes: str) -> tuple[int, dict[str, Any]]:
    answer = stripe.call("POST", "/v1/refunds", data={"payment_intent": intent} | changes)
    return answer.status_code, answer.json()


def webhooks(stripe: Played) -> list[Any]:
    """The events for the endpoint, oldest first."""
    return [json.loads(item["body"]) for item in reversed(stripe.state()["webhooks"])]


def sent(stripe: Played) -> list[str]:
    return [event["type"] for event in webhooks(stripe)]


def look(stripe: Played, session: Mapping[str, Any]) -> str:
    """The page to pay at."""
    answer = stripe.client.get(f"/stripe/checkout/{session['id']}/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_session_is_made_with_an_address_to_pay_at(stripe: Played) -> None:
    session = create(stripe)
    assert session["id"].startswith("cs_test_")
    assert session["url"] == f"http://testserver/stripe/checkout/{session['id']}/"
    assert (session["status"], session["payment_status"], session["payment_intent"]) == ("open", "unpaid", None)
    assert (session["amount_total"], session["currency"]) == (4900, "eur")
    assert (session["client_reference_id"], session["metadata"]) == ("42", {"keepsync_meeting": "42"})
    assert fetch(stripe, session) == session
    assert sent(stripe) == []


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"colour": "red"}, "colour", "parameter_unknown"),
        ({"success_url": None}, "success_url", "parameter_missing"),
        ({"success_url": "here"}, "success_url", "url_invalid"),
        ({"customer_email": "zoe"}, "customer_email", "email_invalid"),
        ({"client_reference_id": ""}, "client_reference_id", "parameter_invalid_empty"),
        ({"client_reference_id": "x" * 201}, "client_reference_id", None),
        ({"metadata[a]": "x" * 501}, "metadata[a]", None),
        ({"mode": "subscription"}, "mode", None),
        ({"expires_at": "soon"}, "expires_at", "parameter_invalid_integer"),
        ({"expires_at": "1"}, "expires_at", None),
        ({"expires_at": "99999999999"}, "expires_at", None),
        ({"line_items": "all"}, "line_items", None),
        ({"line_items[0][quantity]": "-1"}, "line_items[0][quantity]", None),
        ({"line_items[0][price]": "price_1"}, "line_items[0][price]", "resource_missing"),
        (
            {"line_items[0][price_data][unit_amount]": "49.5"},
            "line_items[0][price_data][unit_amount]",
            "parameter_invalid_integer",
        ),
        ({"line_items[0][price_data][unit_amount]": "49"}, None, "amount_too_small"),
        ({"line_items[0][price_data][currency]": "Euro"}, "line_items[0][price_data][currency]", None),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_bad_order_is_refused_with_the_parameters_name(
    stripe: Played, changes: dict[str, str | None], param: str | None, code: str | None
) -> None:
    data = {name: value for name, value in (ORDER | changes).items() if value is not None}
    if "line_items" in changes:
        data = {name: value for name, value in data.items() if not name.startswith("line_items[")}
    answer = stripe.call("POST", SESSIONS, data=data, is_checked=False)
    error = answer.json()["error"]
    assert answer.status_code == (404 if code == "resource_missing" else 400)
    assert (error["type"], error.get("param"), error.get("code")) == ("invalid_request_error", param, code)
    assert stripe.state()["counts"]["sessions"] == 0


def test_a_json_body_is_refused(stripe: Played) -> None:
    answer = stripe.call("POST", SESSIONS, json=ORDER, is_checked=False)
    assert answer.status_code == 400


def test_an_idempotency_key_replays_the_first_answer(stripe: Played) -> None:
    first = create(stripe, "key-1")
    again = stripe.call("POST", SESSIONS, data=ORDER, headers={"Idempotency-Key": "key-1"})
    assert again.json() == first
    assert again.headers["Idempotent-Replayed"] == "true"
    other = stripe.call(
        "POST", SESSIONS, data=ORDER | {"client_reference_id": "7"}, headers={"Idempotency-Key": "key-1"}
    )
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    assert create(stripe, "key-2")["id"] != first["id"]
    too_long = stripe.call("POST", SESSIONS, data=ORDER, headers={"Idempotency-Key": "k" * 256})
    assert too_long.status_code == 400
    assert stripe.state()["counts"]["sessions"] == 2


def test_a_refusal_is_not_remembered_under_its_key(stripe: Played) -> None:
    headers = {"Idempotency-Key": "key-1"}
    bad = stripe.call("POST", SESSIONS, data=ORDER | {"customer_email": "zoe"}, headers=headers, is_checked=False)
    assert bad.status_code == 400
    assert create(stripe, "key-1")["status"] == "open"


def test_requests_at_the_same_instant_under_one_key_make_one_session(stripe: Played) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: create(stripe, "key-1")["id"], range(8)))
    assert len(set(made)) == 1


def test_a_paid_session_is_complete_and_announced_once(stripe: Played) -> None:
    session = create(stripe)
    assert pay(stripe, session) == 302
    paid = fetch(stripe, session)
    assert (paid["status"], paid["payment_status"], paid["url"]) == ("complete", "paid", None)
    assert paid["customer_details"]["email"] == "zoe@example.com"

    (event,) = webhooks(stripe)
    assert event["type"] == "checkout.session.completed"
    assert event["data"]["object"] == paid
    assert stripe.call("GET", f"/v1/events/{event['id']}").json() == event
    intent = stripe.call("GET", f"/v1/payment_intents/{paid['payment_intent']}").json()
    assert (intent["status"], intent["amount_received"]) == ("succeeded", 4900)
    assert pay(stripe, session) == 409
    assert len(webhooks(stripe)) == 1


def test_after_paying_the_customer_sees_the_way_back_where_it_is_on_this_machine(stripe: Played) -> None:
    session = create(stripe)
    assert "Pay EUR 49.00" in look(stripe, session)
    pay(stripe, session)
    page = look(stripe, session)
    assert "<h1>Paid</h1>" in page
    assert f"http://127.0.0.1:8000/paid/?session={session['id']}" in page

    elsewhere = create(stripe, success_url="https://shop.example/thanks/")
    pay(stripe, elsewhere)
    assert "shop.example" not in look(stripe, elsewhere)


def test_a_declined_card_leaves_the_session_open_for_another(stripe: Played) -> None:
    session = create(stripe)
    assert pay(stripe, session, "4000000000000002") == 402
    tried = fetch(stripe, session)
    assert (tried["status"], tried["payment_status"]) == ("open", "unpaid")
    intent = stripe.call("GET", f"/v1/payment_intents/{tried['payment_intent']}").json()
    assert intent["last_payment_error"]["decline_code"] == "generic_decline"
    assert sent(stripe) == []
    assert [event["type"] for event in stripe.call("GET", "/v1/events", is_checked=False).json()["data"]] == [
        "payment_intent.payment_failed"
    ]
    assert pay(stripe, session) == 302
    assert fetch(stripe, session)["payment_intent"] == tried["payment_intent"]


def test_a_card_that_is_no_test_card_is_refused(stripe: Played) -> None:
    session = create(stripe)
    assert pay(stripe, session, "1234") == 422
    assert fetch(stripe, session)["payment_intent"] is None


def test_an_open_session_can_be_expired_once(stripe: Played) -> None:
    session = create(stripe)
    answer = stripe.call("POST", f"{SESSIONS}/{session['id']}/expire")
    assert (answer.status_code, answer.json()["status"], answer.json()["url"]) == (200, "expired", None)
    again = stripe.call("POST", f"{SESSIONS}/{session['id']}/expire")
    assert (again.status_code, again.json()["error"]["type"]) == (400, "invalid_request_error")
    assert sent(stripe) == ["checkout.session.expired"]
    assert "has expired" in look(stripe, session)
    assert pay(stripe, session) == 409


def test_a_session_expires_by_itself(stripe: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    soon = datetime.now(tz=UTC) + timedelta(minutes=31)
    session = create(stripe, expires_at=str(int(soon.timestamp())))
    assert session["expires_at"] == int(soon.timestamp())
    monkeypatch.setattr(get_account(), "clock", lambda: soon)
    assert fetch(stripe, session)["status"] == "expired"
    assert sent(stripe) == ["checkout.session.expired"]


def test_a_transfer_completes_the_session_and_pays_it_when_the_money_arrives(stripe: Played) -> None:
    session = create(stripe)
    stripe.press(f"checkout/{session['id']}/", action="transfer")
    waiting = fetch(stripe, session)
    assert (waiting["status"], waiting["payment_status"]) == ("complete", "unpaid")
    assert "on its way" in look(stripe, session)
    assert "The transfer arrives" in stripe.page()
    assert stripe.press(f"sessions/{session['id']}/arrived/").status_code == 302
    assert fetch(stripe, session)["payment_status"] == "paid"
    assert sent(stripe) == ["checkout.session.completed", "checkout.session.async_payment_succeeded"]
    assert stripe.press(f"sessions/{session['id']}/failed/").status_code == 409


def test_of_two_windows_the_faster_one_pays(stripe: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    session = create(stripe)

    def read_old_state(account: Account) -> State:
        """What the slower window has read before the other one pays."""
        state = account.store.read()
        with account.change() as moment:
            pay_session(moment, moment.state.sessions[session["id"]])
        return state

    monkeypatch.setattr(pay_page, "read_current", read_old_state)
    assert pay(stripe, session) == 302
    monkeypatch.undo()
    assert sent(stripe) == ["checkout.session.completed"]


def test_a_key_is_forgotten_after_a_day(stripe: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    first = create(stripe, "key-1")
    tomorrow = datetime.now(tz=UTC) + timedelta(hours=24, minutes=1)
    monkeypatch.setattr(get_account(), "clock", lambda: tomorrow)
    assert create(stripe, "key-1")["id"] != first["id"]


def test_a_transfer_can_fail(stripe: Played) -> None:
    session = create(stripe)
    stripe.press(f"checkout/{session['id']}/", action="transfer")
    stripe.press(f"sessions/{session['id']}/failed/")
    assert fetch(stripe, session)["payment_status"] == "unpaid"
    assert sent(stripe)[-1] == "checkout.session.async_payment_failed"


def test_a_refund_gives_back_all_that_is_left_and_no_more(stripe: Played) -> None:
    session = create(stripe)
    pay(stripe, session)
    intent = fetch(stripe, session)["payment_intent"]
    assert refund(stripe, intent, amount="5000")[0] == 400
    status, first = refund(stripe, intent, amount="900", reason="requested_by_customer")
    assert (status, first["amount"], first["status"]) == (200, 900, "succeeded")
    assert refund(stripe, intent)[1]["amount"] == 4000
    status, refused = refund(stripe, intent)
    assert (status, refused["error"]["code"]) == (400, "charge_already_refunded")

    partly, fully = [event["data"]["object"] for event in webhooks(stripe) if event["type"] == "charge.refunded"]
    assert (partly["amount_refunded"], partly["refunded"]) == (900, False)
    assert (fully["amount_refunded"], fully["refunded"], fully["payment_intent"]) == (4900, True, intent)
    listed = stripe.call("GET", "/v1/refunds", params={"payment_intent": intent}).json()["data"]
    assert [item["amount"] for item in listed] == [4000, 900]
    assert stripe.call("GET", f"/v1/refunds/{first['id']}").json() == first


def test_what_was_never_paid_cannot_be_refunded(stripe: Played) -> None:
    session = create(stripe)
    pay(stripe, session, "4000000000009995")
    assert refund(stripe, fetch(stripe, session)["payment_intent"])[0] == 400
    assert refund(stripe, "pi_unknown")[0] == 404
    nothing = stripe.call("POST", "/v1/refunds", data={"amount": "1"})
    assert nothing.json()["error"]["code"] == "parameter_missing"


@pytest.mark.parametrize("path", ["checkout/sessions/cs_1", "refunds/re_1", "payment_intents/pi_1", "events/evt_1"])
def test_what_does_not_exist_answers_404(stripe: Played, path: str) -> None:
    answer = stripe.call("GET", f"/v1/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")


def test_an_unknown_address_answers_404_in_stripes_words(stripe: Played) -> None:
    answer = stripe.client.get("/stripe/v1/customers")
    assert (answer.status_code, answer.json()["error"]["type"]) == (404, "invalid_request_error")


def test_sessions_are_listed_newest_first_in_pages(stripe: Played) -> None:
    ids = [create(stripe)["id"] for _ in range(3)][::-1]
    first = stripe.call("GET", SESSIONS, params={"limit": 2}).json()
    assert ([item["id"] for item in first["data"]], first["has_more"]) == (ids[:2], True)
    second = stripe.call("GET", SESSIONS, params={"limit": 2, "starting_after": ids[1]}).json()
    assert ([item["id"] for item in second["data"]], second["has_more"]) == (ids[2:], False)
    back = stripe.call("GET", SESSIONS, params={"limit": 1, "ending_before": ids[2]}).json()
    assert ([item["id"] for item in back["data"]], back["has_more"]) == ([ids[1]], True)
    assert stripe.call("GET", SESSIONS, params={"limit": 101}).status_code == 400
    assert stripe.call("GET", SESSIONS, params={"starting_after": "cs_1"}).status_code == 404


def test_a_token_that_is_wrong_or_revoked_answers_401(stripe: Played) -> None:
    wrong = stripe.call("GET", SESSIONS, headers={"Authorization": "Bearer sk_test_other"})
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (401, "invalid_request_error")
    stripe.turn(is_revoked=True)
    assert stripe.call("GET", SESSIONS).status_code == 401


def test_faults_are_answered_as_stripe_does(stripe: Played) -> None:
    stripe.turn(rate_429=1, retry_after_s=7)
    limited = stripe.call("GET", SESSIONS)
    assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
    stripe.turn(is_down=True)
    down = stripe.call("POST", SESSIONS, data=ORDER)
    assert (down.status_code, down.json()["error"]["type"]) == (503, "api_error")
    assert stripe.state()["counts"]["sessions"] == 0


def test_a_lost_answer_is_found_again_by_its_key(stripe: Played) -> None:
    headers = {"Idempotency-Key": "key-1"}
    stripe.turn(rate_lost=1)
    assert stripe.call("POST", SESSIONS, data=ORDER, headers=headers).status_code == 504
    stripe.turn()
    again = stripe.call("POST", SESSIONS, data=ORDER, headers=headers)
    (kept,) = stripe.state()["records"]["sessions"]
    assert again.json()["id"] == kept["id"]


def test_the_page_behind_the_scenes_can_expire_and_refund(stripe: Played) -> None:
    first, second = create(stripe), create(stripe)
    pay(stripe, first)
    assert stripe.press(f"sessions/{second['id']}/expire/").status_code == 302
    intent = fetch(stripe, first)["payment_intent"]
    assert stripe.press(f"payments/{intent}/refund/", amount="").status_code == 302
    assert stripe.press(f"payments/{intent}/refund/", amount="x").status_code == 409
    assert stripe.press("payments/pi_1/refund/").status_code == 409
    assert sent(stripe) == ["checkout.session.completed", "checkout.session.expired", "charge.refunded"]
    page = stripe.page()
    for text in ("Deep-dive workshop", "EUR 49.00", "expired", "refunded", "zoe@example.com"):
        assert text in page


def test_listeners_hear_of_what_is_not_posted_too(stripe: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[tuple[str, str]] = []
    account = get_account()
    monkeypatch.setattr(account, "_listeners", [])
    account.subscribe(lambda event, session: heard.append((event.type, session.id)))
    session = create(stripe)
    pay(stripe, session, "4000000000000002")
    assert heard == [("payment_intent.payment_failed", session["id"])]


def test_amounts_are_shown_in_the_currencys_own_unit() -> None:
    assert format_money(123_456_705, "eur") == "EUR 1,234,567.05"
    assert format_money(4900, "jpy") == "JPY 4,900"
