"""Records as the JSON objects of Stripe's published schemas."""

from datetime import datetime
from typing import Any

from integrations.sandbox.stripe.records import Event, Payment, Refund, Session

type Document = dict[str, Any]

# The version that stripe-python 16.1.0 pins.
API_VERSION = "2026-10-28.endive"


def session_document(session: Session) -> Document:
    order = session.order
    return {
        "id": session.id,
        "object": "checkout.session",
        "amount_subtotal": order.amount,
        "amount_total": order.amount,
        "automatic_tax": {"enabled": False, "status": None},
        "cancel_url": order.cancel_url,
        "client_reference_id": order.client_reference_id,
        "created": unix(session.created),
        "currency": order.currency,
        "custom_fields": [],
        "custom_text": {"shipping_address": None, "submit": None},
        "customer": None,
        "customer_creation": "if_required",
        "customer_details": _customer_document(session),
        "customer_email": order.customer_email,
        "expires_at": unix(session.expires_at),
        "invoice": None,
        "livemode": False,
        "locale": None,
        "metadata": order.metadata,
        "mode": "payment",
        "payment_intent": session.payment_intent,
        "payment_link": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "payment_status": session.payment_status,
        "phone_number_collection": {"enabled": False},
        "setup_intent": None,
        "shipping_options": [],
        "status": session.status,
        "subscription": None,
        "success_url": order.success_url,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "url": session.url if session.status == "open" else None,
    }


def payment_document(payment: Payment) -> Document:
    is_paid = payment.status == "succeeded"
    return {
        "id": payment.id,
        "object": "payment_intent",
        "amount": payment.amount,
        "amount_capturable": 0,
        "amount_received": payment.amount if is_paid else 0,
        "canceled_at": None,
        "capture_method": "automatic",
        "confirmation_method": "automatic",
        "created": unix(payment.created),
        "currency": payment.currency,
        "customer": None,
        "description": None,
        "last_payment_error": _decline_document(payment),
        "latest_charge": payment.charge_id,
        "livemode": False,
        "metadata": payment.metadata,
        "payment_method": None,
        "payment_method_options": {},
        "payment_method_types": ["card"],
        "receipt_email": payment.email,
        "status": payment.status,
    }


def charge_document(payment: Payment) -> Document:
    """The charge of a payment that succeeded."""
    return {
        "id": payment.charge_id,
        "object": "charge",
        "amount": payment.amount,
        "amount_captured": payment.amount,
        "amount_refunded": payment.amount_refunded,
        "captured": True,
        "created": unix(payment.created),
        "currency": payment.currency,
        "customer": None,
        "disputed": False,
        "livemode": False,
        "metadata": payment.metadata,
        "paid": True,
        "payment_intent": payment.id,
        "receipt_email": payment.email,
        "refunded": payment.amount_refunded == payment.amount,
        "status": "succeeded",
    }


def refund_document(refund: Refund) -> Document:
    return {
        "id": refund.id,
        "object": "refund",
        "amount": refund.amount,
        "balance_transaction": None,
        "charge": refund.charge_id,
        "created": unix(refund.created),
        "currency": refund.currency,
        "metadata": refund.metadata,
        "payment_intent": refund.payment_intent,
        "reason": refund.reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def event_document(event: Event) -> Document:
    return {
        "id": event.id,
        "object": "event",
        "api_version": API_VERSION,
        "created": unix(event.created),
        "data": {"object": event.object},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": event.type,
    }


def unix(instant: datetime) -> int:
    return int(instant.timestamp())


def _customer_document(session: Session) -> Document | None:
    email = session.order.customer_email
    if email is None and session.status != "complete":
        return None
    return {"address": None, "email": email, "name": None, "phone": None, "tax_exempt": "none", "tax_ids": None}


def _decline_document(payment: Payment) -> Document | None:
    if payment.decline_code is None:
        return None
    return {
        "type": "card_error",
        "code": "card_declined",
        "decline_code": payment.decline_code,
        "message": "Your card was declined.",
        "charge": payment.charge_id,
    }
