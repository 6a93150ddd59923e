"""What Stripe received, and buttons that act as a person in its dashboard."""

from collections.abc import Callable, Sequence
from functools import partial

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from integrations.sandbox.panel import Action, Card, Input, Panel, Section
from integrations.sandbox.stripe.account import Moment
from integrations.sandbox.stripe.checkout import (
    expire_session,
    find_session,
    read_current,
    refund_payment,
    settle_transfer,
)
from integrations.sandbox.stripe.exceptions import InvalidRequestError, StripeError
from integrations.sandbox.stripe.inputs import read_integer
from integrations.sandbox.stripe.money import format_money
from integrations.sandbox.stripe.records import Payment, Refund, Session, State
from integrations.sandbox.stripe.runtime import get_account


def show_sections() -> Sequence[Section]:
    state = read_current(get_account())
    return [
        Section("Checkout sessions", [_session_card(state, item) for item in reversed(state.sessions.values())]),
        Section("Payments", [_payment_card(item) for item in reversed(state.payments.values())]),
        Section("Refunds", [_refund_card(item) for item in reversed(state.refunds.values())]),
    ]


panel = Panel(
    "stripe",
    name="Stripe",
    intro="Checkout sessions, payments and refunds. A customer pays at a session's page with a test card.",
    show=show_sections,
)


@require_POST
def expire(request: HttpRequest, session_id: str) -> HttpResponse:
    return _act(lambda moment: expire_session(moment, find_session(moment, session_id)))


@require_POST
def settle(request: HttpRequest, session_id: str, outcome: str) -> HttpResponse:
    return _act(
        lambda moment: settle_transfer(moment, find_session(moment, session_id), has_arrived=outcome == "arrived")
    )


@require_POST
def refund(request: HttpRequest, intent_id: str) -> HttpResponse:
    """Refund `amount` in the minor unit; left empty, all that is left."""

    def give_back(moment: Moment) -> object:
        payment = moment.state.payments.get(intent_id)
        if payment is None:
            raise InvalidRequestError("No such payment.")
        amount = read_integer(raw, "amount") if (raw := request.POST.get("amount", "").strip()) else None
        return refund_payment(moment, payment, amount=amount, reason="requested_by_customer", metadata={})

    return _act(give_back)


def _act(change: Callable[[Moment], object]) -> HttpResponse:
    try:
        with get_account().change() as moment:
            change(moment)
    except StripeError as refusal:
        return HttpResponse(refusal.message, status=409, content_type="text/plain; charset=utf-8")
    return panel.back()


def _session_card(state: State, session: Session) -> Card:
    order, payment = session.order, state.payments.get(session.payment_intent or "")
    actions: list[Action] = []
    if session.status == "open":
        actions.append(Action("Expire", f"sessions/{session.id}/expire/", is_dangerous=True))
    if payment is not None and payment.status == "processing":
        make = partial(Action, hidden={})
        actions += [
            make("The transfer arrives", f"sessions/{session.id}/arrived/"),
            make("The transfer fails", f"sessions/{session.id}/failed/", is_dangerous=True),
        ]
    return Card(
        id=session.id,
        title=", ".join(item.name for item in order.items),
        subtitle=format_money(order.amount, order.currency),
        status=session.status if session.status != "complete" else session.payment_status,
        link=reverse("checkout", args=[session.id]),
        facts={
            "E-mail": order.customer_email,
            "Reference": order.client_reference_id,
            "Metadata": ", ".join(f"{name}={value}" for name, value in order.metadata.items()),
            "Payment": session.payment_intent,
            "Made at": f"{session.created:%Y-%m-%d %H:%M:%S}",
            "Expires at": f"{session.expires_at:%Y-%m-%d %H:%M:%S}",
            "Success page": order.success_url,
        },
        actions=tuple(actions),
    )


def _payment_card(payment: Payment) -> Card:
    left = payment.amount - payment.amount_refunded
    can_refund = payment.status == "succeeded" and left > 0
    amount = Input("amount", "Amount, in the smallest unit", str(left))
    return Card(
        id=payment.id,
        title=format_money(payment.amount, payment.currency),
        subtitle=payment.email or "",
        status=_payment_status(payment),
        facts={
            "Session": payment.session_id,
            "Charge": payment.charge_id,
            "Declined": payment.decline_code,
            "Refunded": format_money(payment.amount_refunded, payment.currency) if payment.amount_refunded else "",
        },
        actions=(Action("Refund", f"payments/{payment.id}/refund/", inputs=(amount,), is_dangerous=True),)
        if can_refund
        else (),
    )


def _payment_status(payment: Payment) -> str:
    if payment.amount_refunded == payment.amount:
        return "refunded"
    return "declined" if payment.decline_code else payment.status


def _refund_card(refund: Refund) -> Card:
    facts = {"Payment": refund.payment_intent, "Reason": refund.reason, "At": f"{refund.created:%Y-%m-%d %H:%M:%S}"}
    return Card(refund.id, format_money(refund.amount, refund.currency), facts=facts)
