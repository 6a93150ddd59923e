"""Stripe's API: Checkout Sessions and refunds, as its specification and its request parameters say."""

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from responses.matchers import query_param_matcher

from integrations.exceptions import (
    ConflictError,
    KeepsyncError,
    LostAnswerError,
    MissingError,
    OutageError,
    PayloadError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
)
from integrations.providers import get_provider
from integrations.providers.base import Account
from integrations.providers.stripe.client import (
    VERSION,
    Checkout,
    CheckoutSpec,
    Refund,
    StripeError,
    create_checkout,
    expire_checkout,
    flatten_form,
    get_checkout,
    refund_payment,
)
from tests.contract_check import IS_HERE, SHARED, WHY_NOT
from tests.provider_cases import QUOTED, Good, ProviderCases

ORIGIN = "https://api.stripe.com"
SESSIONS, REFUNDS = f"{ORIGIN}/v1/checkout/sessions", f"{ORIGIN}/v1/refunds"
ACCOUNT = Account(ORIGIN, credentials={"api_key": "sk_test_4eC39HqL"})
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOT_OPEN = 'Only Checkout Sessions with a status in ["open"] can be expired. This one has a status of `complete`.'


def make_session(**fields):
    session = {
        "id": "cs_test_a1",
        "object": "checkout.session",
        "automatic_tax": {"enabled": False, "status": None},
        "created": 1795348800,
        "custom_fields": [],
        "custom_text": {"shipping_address": None, "submit": None, "terms_of_service_acceptance": None},
        "expires_at": 1795359600,
        "livemode": False,
        "mode": "payment",
        "payment_intent": None,
        "payment_method_types": ["card"],
        "payment_status": "unpaid",
        "shipping_options": [],
        "status": "open",
        "url": "https://checkout.stripe.com/c/pay/cs_test_a1",
    }
    return {**session, **fields}


def make_refund(refund_id="re_1", status="succeeded", **fields):
    refund = {"id": refund_id, "object": "refund", "amount": 1500, "created": 1795348800, "currency": "eur"}
    return {**refund, "status": status, **fields}


def make_list(*items, url="/v1/refunds"):
    return {"object": "list", "data": list(items), "has_more": False, "url": url}


def make_error(message="No.", **fields):
    return {"error": {"type": "invalid_request_error", "message": message, **fields}}


def make_spec(**fields):
    values = {
        "key": "0190c0de-0000-7000-8000-000000000001",
        "amount": 1500,
        "currency": "EUR",
        "product": "Webinar & questions",
        "email": "zoe.okafor@example.com",
        "success_url": "https://keepsync.example/paid",
        "cancel_url": "https://keepsync.example/cancelled",
        "expires_at": NOW + timedelta(hours=2),
    }
    return CheckoutSpec(**{**values, **fields})


def create(key="checkout-7", **fields):
    return create_checkout(ACCOUNT, make_spec(**fields), idempotency_key=key)


def sent(call):
    return dict(parse_qsl(call.request.body or "", keep_blank_values=True))


class TestStripeCases(ProviderCases):
    method, url = "POST", SESSIONS
    good = {
        200: Good(
            make_session(),
            Checkout("cs_test_a1", "https://checkout.stripe.com/c/pay/cs_test_a1", "open", "unpaid", ""),
        )
    }
    errors = {400: StripeError, 409: RateLimitedError, 412: StripeError, 422: StripeError}
    plain_errors = {409: RateLimitedError}
    rate_limit_wait_s = 1

    def account(self, base_url):
        return Account(base_url, credentials={"api_key": "sk_test_4eC39HqL"})

    def call(self, account):
        return create_checkout(account, make_spec(expires_at=None), idempotency_key="checkout-7")

    def error_body(self, status):
        return make_error(f"Invalid email address: {QUOTED}", code="email_invalid", param="customer_email")


# --- Forms -----------------------------------------------------------------------------------------------------------


def test_nested_values_become_fields_with_brackets():
    nested = {"a": {"b": [{"c": 1}, {"c": "x y"}]}, "yes": True, "no": False, "none": None, "zero": 0, "empty": ""}
    assert flatten_form(nested) == [
        ("a[b][0][c]", "1"),
        ("a[b][1][c]", "x y"),
        ("yes", "true"),
        ("no", "false"),
        ("zero", "0"),
        ("empty", ""),
    ]


names = st.from_regex("[a-z_]{1,8}", fullmatch=True)


@settings(deadline=None, derandomize=True, database=None)
@given(
    st.recursive(
        st.text(min_size=1), lambda inner: st.dictionaries(names, inner, min_size=1, max_size=4), max_leaves=12
    ).filter(lambda value: isinstance(value, dict))
)
def test_flattened_objects_can_be_put_together_again(nested):
    rebuilt = {}
    for name, value in flatten_form(nested):
        *path, last = name.replace("]", "").split("[")
        into = rebuilt
        for part in path:
            into = into.setdefault(part, {})
        into[last] = value
    assert rebuilt == nested


# --- Checkout --------------------------------------------------------------------------------------------------------


@time_machine.travel(NOW, tick=False)
def test_checkout_says_what_is_paid_for_whom_and_for_which_meeting(provider_http):
    call = provider_http.post(SESSIONS, json=make_session())
    assert create() == Checkout("cs_test_a1", "https://checkout.stripe.com/c/pay/cs_test_a1", "open", "unpaid", "")
    key = make_spec().key
    assert sent(call.calls[0]) == {
        "mode": "payment",
        "client_reference_id": key,
        "metadata[keepsync_meeting]": key,
        "payment_intent_data[metadata][keepsync_meeting]": key,
        "customer_email": "zoe.okafor@example.com",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "eur",
        "line_items[0][price_data][unit_amount]": "1500",
        "line_items[0][price_data][product_data][name]": "Webinar & questions",
        "success_url": "https://keepsync.example/paid",
        "cancel_url": "https://keepsync.example/cancelled",
        "expires_at": "1795356000",
    }
    headers = call.calls[0].request.headers
    assert headers["Authorization"] == "Bearer sk_test_4eC39HqL"
    assert headers["Idempotency-Key"] == "checkout-7"
    assert headers["Stripe-Version"] == VERSION
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"


@pytest.mark.skipif(not IS_HERE, reason=WHY_NOT)
def test_version_is_the_one_whose_parameters_are_checked():
    parameters = json.loads((SHARED / "stripe" / "request_params_2026_10_28.json").read_text())
    assert parameters["api_version"] == VERSION


@pytest.mark.skipif(not IS_HERE, reason=WHY_NOT)
def test_stripes_own_example_session_is_read(provider_http):
    example = json.loads((SHARED / "stripe" / "fixtures.json").read_text())["checkout.session"]
    provider_http.get(f"{SESSIONS}/{example['id']}", json=example)
    assert get_checkout(ACCOUNT, example["id"]) == Checkout(
        example["id"], example["url"], "open", "unpaid", "pi_1PgafyB7WZ01zgkWSjxsAJo3"
    )


@pytest.mark.parametrize(
    ("ahead", "expires_at", "key"),
    [
        (timedelta(hours=2), NOW + timedelta(hours=2), "k"),
        (timedelta(minutes=31), NOW + timedelta(minutes=31), "k"),
        (timedelta(minutes=5), NOW + timedelta(minutes=31), "k:1795350660"),
        (timedelta(days=-3), NOW + timedelta(minutes=31), "k:1795350660"),
        (timedelta(days=3), None, "k:latest"),
        (timedelta(hours=24), None, "k:latest"),
        (None, None, "k"),
    ],
)
@time_machine.travel(NOW, tick=False)
def test_expiry_that_stripe_would_refuse_is_moved_and_belongs_to_the_key(provider_http, ahead, expires_at, key):
    call = provider_http.post(SESSIONS, json=make_session())
    create("k", expires_at=None if ahead is None else NOW + ahead)
    assert sent(call.calls[0]).get("expires_at") == (expires_at and str(int(expires_at.timestamp())))
    assert call.calls[0].request.headers["Idempotency-Key"] == key


def test_tries_with_one_expiry_send_the_same_request(provider_http):
    """Stripe refuses a known key with other parameters."""
    call = provider_http.post(SESSIONS, json=make_session())
    for minutes in (0, 7, 80):
        with time_machine.travel(NOW + timedelta(minutes=minutes), tick=False):
            create()
    assert len({(each.request.body, each.request.headers["Idempotency-Key"]) for each in call.calls}) == 1


def test_keys_and_names_that_are_too_long_are_shortened(provider_http):
    call = provider_http.post(SESSIONS, json=make_session())
    create("k" * 256, product="p" * 300, expires_at=None)
    create("k" * 255, expires_at=None)
    keys = [each.request.headers["Idempotency-Key"] for each in call.calls]
    assert [len(key) for key in keys] == [64, 255]
    assert len(sent(call.calls[0])["line_items[0][price_data][product_data][name]"]) == 250


def test_attendee_without_an_address_types_it_at_stripe(provider_http):
    call = provider_http.post(SESSIONS, json=make_session())
    create(email="", expires_at=None)
    assert "customer_email" not in sent(call.calls[0])


def test_outage_is_met_by_asking_again_with_the_same_key(provider_http):
    provider_http.post(SESSIONS, status=500, json=make_error(type="api_error"))
    provider_http.post(SESSIONS, json=make_session())
    assert create().session_id == "cs_test_a1"
    first, second = provider_http.calls
    assert first.request.headers["Idempotency-Key"] == second.request.headers["Idempotency-Key"]
    assert first.request.body == second.request.body


def test_session_is_read_by_its_quoted_id(provider_http):
    call = provider_http.get(f"{SESSIONS}/cs_test_a1", json=make_session(status="complete", payment_status="paid"))
    assert get_checkout(ACCOUNT, "cs_test_a1").payment_status == "paid"
    assert call.calls[0].request.headers["Stripe-Version"] == VERSION
    odd = provider_http.get(f"{SESSIONS}/..%2Frefunds%3Fx", status=404, json=make_error(code="resource_missing"))
    with pytest.raises(MissingError, match="resource_missing"):
        get_checkout(ACCOUNT, "../refunds?x")
    assert odd.call_count == 1


def test_session_is_expired(provider_http):
    call = provider_http.post(f"{SESSIONS}/cs_test_a1/expire", json=make_session(status="expired", url=None))
    assert expire_checkout(ACCOUNT, "cs_test_a1", idempotency_key="k") == Checkout(
        "cs_test_a1", "", "expired", "unpaid", ""
    )
    assert call.calls[0].request.headers["Idempotency-Key"] == "k"


@pytest.mark.parametrize("status", ["complete", "expired"])
def test_session_that_is_not_open_stays_as_it_is(provider_http, status):
    provider_http.post(f"{SESSIONS}/cs_test_a1/expire", status=400, json=make_error(NOT_OPEN))
    provider_http.get(f"{SESSIONS}/cs_test_a1", json=make_session(status=status, payment_intent="pi_1"))
    checkout = expire_checkout(ACCOUNT, "cs_test_a1", idempotency_key="k")
    assert (checkout.status, checkout.payment_intent) == (status, "pi_1")


def test_session_that_is_open_and_cannot_be_expired_is_an_error(provider_http):
    provider_http.post(f"{SESSIONS}/cs_test_a1/expire", status=400, json=make_error("Not now."))
    provider_http.get(f"{SESSIONS}/cs_test_a1", json=make_session())
    with pytest.raises(StripeError, match="Not now"):
        expire_checkout(ACCOUNT, "cs_test_a1", idempotency_key="k")


def test_unknown_session_cannot_be_expired(provider_http):
    provider_http.post(f"{SESSIONS}/cs_9/expire", status=404, json=make_error(code="resource_missing"))
    with pytest.raises(MissingError):
        expire_checkout(ACCOUNT, "cs_9", idempotency_key="k")


# --- Refunds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "form"), [(None, {}), (500, {"amount": "500"})])
def test_payment_is_given_back(provider_http, amount, form):
    call = provider_http.post(REFUNDS, json=make_refund(status="pending"))
    assert refund_payment(ACCOUNT, "pi_1", idempotency_key="k", amount=amount) == Refund("re_1", "pending")
    assert sent(call.calls[0]) == {"payment_intent": "pi_1", **form}
    assert call.calls[0].request.headers["Idempotency-Key"] == "k"


def stub_refunded(http, *refunds):
    http.post(REFUNDS, status=400, json=make_error("Charge ch_1 has been refunded.", code="charge_already_refunded"))
    match = [query_param_matcher({"payment_intent": "pi_1", "limit": "100"})]
    return http.get(REFUNDS, json=make_list(*refunds), match=match)


def test_payment_that_was_given_back_is_no_error(provider_http):
    stub_refunded(provider_http, make_refund("re_3", "failed"), make_refund("re_2"), make_refund("re_1"))
    assert refund_payment(ACCOUNT, "pi_1", idempotency_key="k") == Refund("re_2", "succeeded")


def test_refund_that_cannot_be_found_again_is_an_error(provider_http):
    stub_refunded(provider_http, make_refund("re_3", "failed"), make_refund("re_4", "canceled"))
    with pytest.raises(StripeError, match="charge_already_refunded"):
        refund_payment(ACCOUNT, "pi_1", idempotency_key="k")


def test_other_refusals_of_a_refund_look_for_nothing(provider_http):
    provider_http.post(REFUNDS, status=400, json=make_error("Too much.", param="amount"))
    with pytest.raises(StripeError, match="amount"):
        refund_payment(ACCOUNT, "pi_1", idempotency_key="k", amount=9999)
    assert len(provider_http.calls) == 1


# --- Errors ----------------------------------------------------------------------------------------------------------


def fail(http, status, body, **answer):
    http.post(SESSIONS, status=status, json=body, **answer)
    with pytest.raises(KeepsyncError) as caught:
        create(expires_at=None)
    return caught.value


def test_refusal_names_type_code_and_parameter_and_quotes_no_value(provider_http):
    message = """You can't use 'Zoe O'Kafor', "Okafor", `Zoe` or zoe.okafor@example.com here: Okafor"""
    error = fail(provider_http, 400, make_error(message, code="parameter_invalid", param="line_items[0][quantity]"))
    assert type(error) is StripeError
    assert error.code == "parameter_invalid"
    assert str(error) == (
        "Stripe refuses this (400, invalid_request_error, parameter_invalid, line_items[0][quantity]): "
        "You can't use …, …, … or … here"
    )


def test_error_fields_that_are_no_names_are_left_out(provider_http):
    error = fail(provider_http, 400, make_error("No.", code="Zoe Okafor", param="zoe@example.com"))
    assert str(error) == "Stripe refuses this (400, invalid_request_error): No."


def test_declined_card_is_permanent(provider_http):
    body = {
        "error": {"type": "card_error", "code": "card_declined", "decline_code": "generic_decline", "message": "No"}
    }
    assert "402, card_error, card_declined, generic_decline" in str(fail(provider_http, 402, body))


def test_other_parameters_under_a_known_key_are_a_conflict(provider_http):
    error = fail(provider_http, 400, make_error("Keys for idempotent requests …", type="idempotency_error"))
    assert type(error) is ConflictError


def test_missing_record_may_be_told_with_status_400(provider_http):
    assert type(fail(provider_http, 400, make_error(code="resource_missing", param="customer"))) is MissingError


def test_refused_key_says_which_option_to_set(provider_http):
    error = fail(provider_http, 401, make_error("Invalid API Key provided: sk_test_4eC39HqL"))
    assert type(error) is ReauthoriseError
    assert "api_key" in str(error)
    assert "sk_test" not in str(error)


@pytest.mark.parametrize(
    ("status", "code", "holds"),
    [(409, "idempotency_key_in_use", False), (429, "lock_timeout", False), (429, "rate_limit", True)],
)
def test_lock_holds_one_object_and_the_rate_limit_the_connection(provider_http, status, code, holds):
    error = fail(provider_http, status, make_error(code=code))
    assert type(error) is RateLimitedError
    assert (error.retry_after_s, error.holds_connection) == (1, holds)
    assert code in str(error)


def test_reason_of_the_rate_limit_is_told(provider_http):
    headers = {"Stripe-Rate-Limited-Reason": "endpoint-rate", "Retry-After": "4"}
    error = fail(provider_http, 429, make_error(), headers=headers)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == 4
    assert "endpoint-rate" in str(error)


@pytest.mark.parametrize(("header", "expected"), [("true", OutageError), ("false", StripeError)])
def test_stripe_says_itself_whether_a_refusal_passes(provider_http, header, expected):
    error = fail(provider_http, 400, make_error(), headers={"Stripe-Should-Retry": header})
    assert type(error) is expected
    assert len(provider_http.calls) == (3 if expected is OutageError else 1)


@pytest.mark.parametrize("error", [None, 7, [], "text", {}, {"type": 7, "code": [], "message": {}}])
def test_error_of_another_shape_has_its_status_class(faulty_http, error):
    assert type(fail(faulty_http, 400, {"error": error})) is PermanentError


@pytest.mark.parametrize(
    "answer",
    [
        make_session(id=None),
        make_session(id=""),
        make_session(url=7),
        make_session(payment_status=None),
        make_session(payment_intent={"id": "pi_1"}),
    ],
)
def test_session_of_another_shape_is_refused_by_name(faulty_http, answer):
    faulty_http.post(SESSIONS, json=answer)
    with pytest.raises(PayloadError, match=r"^/v1/checkout/sessions\.(id|url|payment_)"):
        create(expires_at=None)


def test_list_of_another_shape_is_refused_by_name(faulty_http):
    stub_refunded(faulty_http, 7)
    with pytest.raises(PayloadError, match=r"^/v1/refunds\.data\[0\]"):
        refund_payment(ACCOUNT, "pi_1", idempotency_key="k")


# --- The connection's test --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "mode"), [("sk_test_1", "test"), ("rk_test_1", "test"), ("sk_live_1", "live"), ("rk_live_1", "live")]
)
def test_connection_test_says_whether_money_moves(provider_http, key, mode):
    match = [query_param_matcher({"limit": "1"})]
    provider_http.get(SESSIONS, json=make_list(url="/v1/checkout/sessions"), match=match)
    account = Account(ORIGIN, credentials={"api_key": key})
    assert f"in {mode} mode" in get_provider("stripe").test(account)


@pytest.mark.parametrize("credentials", [{}, {"api_key": " "}])
def test_connection_without_a_key_says_what_to_set(credentials):
    with pytest.raises(SetupError, match="api_key"):
        get_provider("stripe").test(Account(ORIGIN, credentials=credentials))


def test_connection_test_reads_the_answer(faulty_http):
    faulty_http.get(SESSIONS, body="<html>")
    with pytest.raises(LostAnswerError):
        get_provider("stripe").test(ACCOUNT)
