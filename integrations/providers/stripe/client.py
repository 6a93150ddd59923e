"""Stripe's API, as far as it is called: Checkout Sessions and refunds (https://docs.stripe.com/api).

Bodies are forms with brackets, never JSON. Every POST carries an Idempotency-Key: Stripe replays the first answer to it
for at least 24 hours, so that asking twice is as good as once.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

import requests
from django.utils import timezone

from integrations import http
from integrations.exceptions import (
    ConflictError,
    KeepsyncError,
    MissingError,
    OutageError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
)
from integrations.payloads import PayloadReader, cut
from integrations.providers.base import Account

# The version whose requests and answers this adapter knows, whatever the account's own default is.
VERSION = "2026-10-28.endive"
SESSIONS = "/v1/checkout/sessions"
REFUNDS = "/v1/refunds"
# Under which our id of the meeting stands in Stripe's metadata.
MEETING_KEY = "keepsync_meeting"

KEY_LENGTH = 255
PRODUCT_LENGTH = 250
REFUND_LIMIT = 100
# Stripe takes an expiry from 30 minutes to 24 hours after the session is made; a minute is for clocks and delays.
SOONEST, LATEST = timedelta(minutes=31), timedelta(hours=24) - timedelta(minutes=1)
# How long to wait where Stripe names no time. Its SDKs start with half a second.
WAIT_S = 1.0

TEST_KEY = re.compile("(sk|rk)_test_")
# What Stripe's error fields consist of where they hold names, and not values.
NAME = re.compile(r"[\w.\[\]-]{1,100}", re.ASCII)
# An apostrophe inside a word neither opens nor closes a quotation.
QUOTED = re.compile(r"""(?<!\w)(['"`]).*?\1(?!\w)|\S*@\S*""", re.DOTALL)
MESSAGE_LENGTH = 200


class StripeError(PermanentError):
    """Stripe refuses the request; `code` is its own (https://docs.stripe.com/error-codes), empty where it has none."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class CheckoutSpec:
    """What is to be paid. `key` is our id of the meeting; `amount` is in the currency's minor unit."""

    key: str
    amount: int
    currency: str
    product: str
    email: str
    success_url: str
    cancel_url: str
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Checkout:
    """A Checkout Session. `status` is open, complete or expired; `payment_status` paid, unpaid or no_payment_required.

    `url` is empty where it is not open, `payment_intent` until somebody pays.
    """

    session_id: str
    url: str
    status: str
    payment_status: str
    payment_intent: str


@dataclass(frozen=True, slots=True)
class Refund:
    """`status` is pending, requires_action, succeeded, failed or canceled."""

    refund_id: str
    status: str


# --- Checkout Sessions ------------------------------------------------------------------------------------------------


def create_checkout(account: Account, spec: CheckoutSpec, *, idempotency_key: str) -> Checkout:
    """Make a page on which the product can be paid once; asking again with the same key returns the same one.

    An expiry that Stripe would refuse is moved to the nearest that it takes. The moved one differs from try to try, and
    Stripe refuses other parameters under a known key, so it becomes part of the key. Where an earlier try's answer was
    lost there are then two sessions; the first one's address is known to nobody, and it expires by itself.
    """
    expires_at = clamp_expiry(spec.expires_at)
    if expires_at != spec.expires_at:
        idempotency_key = f"{idempotency_key}:{write_instant(expires_at) or 'latest'}"
    form = describe_checkout(spec, expires_at)
    return read_checkout(post(account, SESSIONS, form, idempotency_key=idempotency_key))


def get_checkout(account: Account, session_id: str) -> Checkout:
    """Raises MissingError where there is no such session."""
    return read_checkout(get(account, session_path(session_id)))


def expire_checkout(account: Account, session_id: str, *, idempotency_key: str) -> Checkout:
    """Close the page, so that nobody can pay any more. A session that is not open is returned as it is.

    Raises MissingError where there is no such session.
    """
    try:
        return read_checkout(post(account, f"{session_path(session_id)}/expire", {}, idempotency_key=idempotency_key))
    except StripeError:
        checkout = get_checkout(account, session_id)
        if checkout.status == "open":
            raise
        return checkout


def describe_checkout(spec: CheckoutSpec, expires_at: datetime | None) -> dict[str, Any]:
    """The request's parameters. The payment's own metadata, which its charges take over, say the meeting as well."""
    metadata = {MEETING_KEY: spec.key}
    price = {
        "currency": spec.currency.lower(),
        "unit_amount": spec.amount,
        "product_data": {"name": cut(spec.product, PRODUCT_LENGTH)},
    }
    return {
        "mode": "payment",
        "client_reference_id": spec.key,
        "metadata": metadata,
        "payment_intent_data": {"metadata": metadata},
        "customer_email": spec.email or None,
        "line_items": [{"quantity": 1, "price_data": price}],
        "success_url": spec.success_url,
        "cancel_url": spec.cancel_url,
        "expires_at": write_instant(expires_at),
    }


def clamp_expiry(expires_at: datetime | None) -> datetime | None:
    """The moment itself, or the nearest that Stripe takes; None stands for the latest, 24 hours from then."""
    now = timezone.now()
    if expires_at is None or expires_at > now + LATEST:
        return None
    return max(expires_at, now + SOONEST)


def write_instant(instant: datetime | None) -> int | None:
    return None if instant is None else int(instant.timestamp())


def session_path(session_id: str) -> str:
    return f"{SESSIONS}/{quote(session_id, safe='')}"


def read_checkout(session: PayloadReader) -> Checkout:
    return Checkout(
        session_id=session.identifier("id"),
        url=session.optional_text("url"),
        status=session.optional_text("status"),
        payment_status=session.text("payment_status"),
        payment_intent=session.optional_identifier("payment_intent"),
    )


# --- Refunds ----------------------------------------------------------------------------------------------------------


def refund_payment(account: Account, payment_intent: str, *, idempotency_key: str, amount: int | None = None) -> Refund:
    """Give the payment back: so much of it in the minor unit, or all that is left.

    One that has been given back whole is no error: its newest refund is returned.
    """
    form = {"payment_intent": payment_intent, "amount": amount}
    try:
        return read_refund(post(account, REFUNDS, form, idempotency_key=idempotency_key))
    except StripeError as error:
        found = find_refund(account, payment_intent) if error.code == "charge_already_refunded" else None
        if found is None:
            raise
        return found


def find_refund(account: Account, payment_intent: str) -> Refund | None:
    """The newest refund of the payment that has not failed; Stripe lists the newest first."""
    params = {"payment_intent": payment_intent, "limit": str(REFUND_LIMIT)}
    page = get(account, REFUNDS, params)
    refunds = [read_refund(PayloadReader(value, path)) for path, value in page.items("data")]
    return next((refund for refund in refunds if refund.status not in ("failed", "canceled")), None)


def read_refund(refund: PayloadReader) -> Refund:
    return Refund(refund.identifier("id"), refund.optional_text("status"))


# --- Requests ---------------------------------------------------------------------------------------------------------


def check_key(account: Account) -> str:
    """One call with the key; says whether it moves real money."""
    get(account, SESSIONS, {"limit": "1"}).items("data")
    if TEST_KEY.match(read_key(account)):
        return "Stripe answers in test mode: no real money moves."
    return "Stripe answers in live mode: payments are real."


def get(account: Account, path: str, params: Mapping[str, str] | None = None) -> PayloadReader:
    url = f"{account.base_url}{path}"
    answer = http.request_json(
        "GET", url, provider="Stripe", headers=make_headers(account), params=params, explain=explain
    )
    return PayloadReader(answer, path)


def post(account: Account, path: str, form: Mapping[str, Any], *, idempotency_key: str) -> PayloadReader:
    url = f"{account.base_url}{path}"
    headers = {**make_headers(account), "Idempotency-Key": fit_key(idempotency_key)}
    data = flatten_form(form)
    answer = http.request_json(
        "POST", url, provider="Stripe", headers=headers, data=data, explain=explain, is_repeatable=True
    )
    return PayloadReader(answer, path)


def make_headers(account: Account) -> dict[str, str]:
    return {"Authorization": f"Bearer {read_key(account)}", "Stripe-Version": VERSION}


def read_key(account: Account) -> str:
    key = account.credentials.get("api_key", "").strip()
    if not key:
        raise SetupError("the connection has no API key: authorise it by setting its option api_key.")
    return key


def fit_key(key: str) -> str:
    """Stripe takes keys of up to 255 characters; a longer one is replaced by its digest."""
    return key if len(key) <= KEY_LENGTH else hashlib.sha256(key.encode()).hexdigest()


def flatten_form(nested: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Nested objects and lists as Stripe's form fields, `a[b][0][c]`; None values are left out."""
    return [pair for name, value in nested.items() for pair in flatten_value(name, value)]


def flatten_value(name: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case None:
            return
        case Mapping():
            for key, item in value.items():
                yield from flatten_value(f"{name}[{key}]", item)
        case list() | tuple():
            for index, item in enumerate(value):
                yield from flatten_value(f"{name}[{index}]", item)
        case bool():
            yield name, str(value).lower()
        case _:
            yield name, str(value)


# --- Errors -----------------------------------------------------------------------------------------------------------


def explain(response: requests.Response) -> KeepsyncError | None:
    """Stripe's own errors, `{"error": {type, code, message, param}}` (https://docs.stripe.com/api/errors).

    429 is also sent where another request holds a lock (`lock_timeout`), and 409 where one with the same key is under
    way: both pass, and concern one object alone. Any 4xx may say by `Stripe-Should-Retry: true` that it passes too.
    A 5xx is an outage, whatever that header says.
    """
    error = read_fields(response)
    status, code = response.status_code, error.get("code", "")
    if status == 401:
        return ReauthoriseError("Stripe refuses the API key (401): set the connection's option api_key to a valid one.")
    if status in (409, 429):
        return explain_wait(response, code)
    if status >= 500 or status < 400:
        return None
    if response.headers.get("Stripe-Should-Retry", "").lower() == "true":
        return OutageError(f"Stripe cannot do this now ({describe(status, error)}).")
    if error.get("type") == "idempotency_error":
        return ConflictError("Stripe knows this idempotency key with other parameters: what is asked for has changed.")
    if status == 404 or code == "resource_missing":
        return MissingError(f"Stripe has no such record ({describe(status, error)}).")
    if status == 403 or not error:
        return None
    reason = mask(error.get("message", "")) or "it gives no reason."
    return StripeError(f"Stripe refuses this ({describe(status, error)}): {reason}", code)


def explain_wait(response: requests.Response, code: str) -> RateLimitedError:
    status = response.status_code
    reason = response.headers.get("Stripe-Rate-Limited-Reason") or code
    wait_s = http.retry_after_of(response)
    return RateLimitedError(
        f"Stripe answers {status} ({reason})." if NAME.fullmatch(reason) else f"Stripe answers {status}.",
        retry_after_s=WAIT_S if wait_s is None else wait_s,
        holds_connection=status == 429 and code != "lock_timeout",
    )


def read_fields(response: requests.Response) -> dict[str, str]:
    """The texts of the answer's `error`; nothing where the answer is not Stripe's."""
    answer = http.read_error(response)
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict):
        return {}
    return {name: value for name, value in error.items() if isinstance(value, str) and value}


def describe(status: int, error: Mapping[str, str]) -> str:
    """Such as `400, invalid_request_error, email_invalid, customer_email`: none of them is a value that was sent."""
    fields = (error.get(name, "") for name in ("type", "code", "decline_code", "param"))
    return ", ".join([str(status), *filter(NAME.fullmatch, fields)])


def mask(message: str) -> str:
    """Stripe's words without the values that it quotes: in quotation marks, or after a colon."""
    return cut(QUOTED.sub("…", message.partition(": ")[0]).strip(), MESSAGE_LENGTH)
