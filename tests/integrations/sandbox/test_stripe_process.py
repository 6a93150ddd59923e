"""Keepsync's own adapter for Stripe against the sandbox's Stripe, with real HTTP and signed webhooks between them."""

from pathlib import Path

import pytest

from integrations.events import PaymentChanged
from integrations.providers.base import Account, IncomingRequest
from integrations.providers.stripe import client
from integrations.providers.stripe.provider import Stripe
from tests.integrations.sandbox.support import Receiver, running_sandbox, wait_until

pytestmark = pytest.mark.slow

SECRET = "whsec_stripe_test"
SPEC = client.CheckoutSpec(
    key="42",
    amount=19900,
    currency="usd",
    product="Deep-dive workshop",
    email="zoe@example.com",
    success_url="https://keepsync.example/paid/",
    cancel_url="https://keepsync.example/cancelled/",
    expires_at=None,
)


def read_change(receiver: Receiver, number: int) -> PaymentChanged:
    """The payment that the webhook of that number tells of, once its signature is found good."""
    wait_until(lambda: len(receiver.requests) > number, what="the webhook")
    headers, body = receiver.requests[number]
    assert Stripe().verify(IncomingRequest(headers=headers, body=body), [SECRET])
    (change,) = Stripe().parse(body).events
    assert isinstance(change, PaymentChanged)
    return change


def test_a_session_that_the_adapter_makes_is_paid_and_refunded(tmp_path: Path, receiver: Receiver) -> None:
    variables = {
        "SANDBOX_STRIPE_WEBHOOK_URL": receiver.url,
        "SANDBOX_STRIPE_WEBHOOK_SECRET": SECRET,
        "SANDBOX_STATE": str(tmp_path / "state.json"),
    }
    with running_sandbox(tmp_path, **variables) as sandbox:
        account = Account(f"{sandbox.url}/stripe", credentials={"api_key": "sandbox-access-token"})
        made = client.create_checkout(account, SPEC, idempotency_key="meeting-42")
        assert client.create_checkout(account, SPEC, idempotency_key="meeting-42") == made
        page = f"/stripe/checkout/{made.session_id}/"
        assert made.url == f"{sandbox.url}{page}"
        assert "<h1>Paid</h1>" in sandbox.post(page, number="4242 4242 4242 4242").text

        paid = read_change(receiver, 0)
        assert (paid.session_id, paid.status, paid.client_reference) == (made.session_id, "paid", "42")
        checkout = client.get_checkout(account, made.session_id)
        assert (checkout.status, checkout.payment_status) == ("complete", "paid")
        assert client.expire_checkout(account, made.session_id, idempotency_key="expire-42") == checkout

        refund = client.refund_payment(account, checkout.payment_intent, idempotency_key="refund-42")
        assert read_change(receiver, 1).status == "refunded"
        assert (
            client.refund_payment(account, checkout.payment_intent, idempotency_key="again").refund_id
            == refund.refund_id
        )

    with running_sandbox(tmp_path, **variables) as sandbox:
        account = Account(f"{sandbox.url}/stripe", credentials={"api_key": "sandbox-access-token"})
        assert client.get_checkout(account, made.session_id) == checkout
