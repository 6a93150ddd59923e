"""What happens to a Checkout Session: it is made, tried, paid, declined, refunded, or runs out."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from integrations.sandbox.stripe.account import Account, Moment, new_id
from integrations.sandbox.stripe.documents import charge_document, payment_document, session_document
from integrations.sandbox.stripe.exceptions import InvalidRequestError, MissingError
from integrations.sandbox.stripe.records import Order, Payment, Refund, Session, State

LIFETIME = timedelta(hours=24)
# https://docs.stripe.com/api/checkout/sessions/create: expires_at lies 30 minutes to 24 hours ahead.
SHORTEST_LIFETIME = timedelta(minutes=30)
# A caller who asks for exactly 30 minutes must not fail because his request took a moment.
TOLERANCE = timedelta(seconds=60)


def find_session(moment: Moment, session_id: str) -> Session:
    """Raises MissingError."""
    session = moment.state.sessions.get(session_id)
    if session is None:
        raise MissingError("checkout.session", session_id, param="session")
    return session


def create_session(moment: Moment, order: Order, *, checkout_url: str) -> Session:
    """An open session; its page is at <checkout_url><id>/. Raises InvalidRequestError for a bad `expires_at`."""
    expires_at = order.expires_at or moment.now + LIFETIME
    if expires_at < moment.now + SHORTEST_LIFETIME - TOLERANCE:
        raise InvalidRequestError(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.", param="expires_at"
        )
    if expires_at > moment.now + LIFETIME + TOLERANCE:
        raise InvalidRequestError(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", param="expires_at"
        )
    session_id = new_id("cs_test", 58)
    session = Session(session_id, order, f"{checkout_url}{session_id}/", moment.now, expires_at)
    return _store(moment, session)


def expire_session(moment: Moment, session: Session) -> Session:
    """Raises InvalidRequestError where it is not open any more."""
    if session.status != "open":
        raise InvalidRequestError(
            f'Only Checkout Sessions with a status in ["open"] can be expired. '
            f"This Checkout Session has a status of `{session.status}`."
        )
    expired = _store(moment, replace(session, status="expired"))
    moment.announce("checkout.session.expired", expired, session_document(expired))
    return expired


def read_current(account: Account) -> State:
    """The account's state, once every open session whose time is over is expired."""
    if _find_overdue(account.store.read(), account.clock()):
        with account.change() as moment:
            for session in _find_overdue(moment.state, moment.now):
                expire_session(moment, session)
    return account.store.read()


def pay_session(moment: Moment, session: Session) -> Session:
    """The card is charged, and the session complete. Raises InvalidRequestError where it is not open any more."""
    _require_open(session)
    payment = _store_payment(moment, replace(_payment_of(moment, session), status="succeeded", decline_code=None))
    paid = replace(session, status="complete", payment_status="paid", payment_intent=payment.id)
    _store(moment, paid)
    moment.announce("payment_intent.succeeded", paid, payment_document(payment))
    moment.announce("checkout.session.completed", paid, session_document(paid))
    return paid


def decline_session(moment: Moment, session: Session, decline_code: str) -> Session:
    """The card is declined; the session stays open for another try. Raises InvalidRequestError."""
    _require_open(session)
    payment = _store_payment(moment, replace(_payment_of(moment, session), decline_code=decline_code))
    tried = _store(moment, replace(session, payment_intent=payment.id))
    moment.announce("payment_intent.payment_failed", tried, payment_document(payment))
    return tried


def promise_transfer(moment: Moment, session: Session) -> Session:
    """The customer pays by a delayed method: complete, but unpaid until the money arrives. InvalidRequestError."""
    _require_open(session)
    payment = _store_payment(moment, replace(_payment_of(moment, session), status="processing", decline_code=None))
    promised = _store(moment, replace(session, status="complete", payment_intent=payment.id))
    moment.announce("checkout.session.completed", promised, session_document(promised))
    return promised


def settle_transfer(moment: Moment, session: Session, *, has_arrived: bool) -> Session:
    """The promised money arrives, or never will. Raises InvalidRequestError where none was promised."""
    payment = moment.state.payments.get(session.payment_intent or "")
    if payment is None or payment.status != "processing":
        raise InvalidRequestError("No transfer is on its way for this Checkout Session.")
    _store_payment(moment, replace(payment, status="succeeded" if has_arrived else "requires_payment_method"))
    settled = _store(moment, replace(session, payment_status="paid" if has_arrived else "unpaid"))
    outcome = "succeeded" if has_arrived else "failed"
    moment.announce(f"checkout.session.async_payment_{outcome}", settled, session_document(settled))
    return settled


def refund_payment(
    moment: Moment, payment: Payment, *, amount: int | None, reason: str | None, metadata: Mapping[str, str]
) -> Refund:
    """Give back the amount, or all that is left of it. Raises InvalidRequestError."""
    left = payment.amount - payment.amount_refunded
    if payment.status != "succeeded":
        raise InvalidRequestError(f"This PaymentIntent ({payment.id}) does not have a successful charge to refund.")
    if left == 0:
        message = f"Charge {payment.charge_id} has already been refunded."
        raise InvalidRequestError(message, code="charge_already_refunded")
    if amount is not None and not 0 < amount <= left:
        message = f"Refund amount ({amount}) must be above 0 and at most the unrefunded amount of the charge ({left})."
        raise InvalidRequestError(message, param="amount")
    refund = Refund(
        id=new_id("re"),
        payment_intent=payment.id,
        charge_id=payment.charge_id,
        amount=amount or left,
        currency=payment.currency,
        created=moment.now,
        reason=reason,
        metadata=dict(metadata),
    )
    moment.state.refunds[refund.id] = refund
    refunded = _store_payment(moment, replace(payment, amount_refunded=payment.amount_refunded + refund.amount))
    moment.announce("charge.refunded", moment.state.sessions[payment.session_id], charge_document(refunded))
    return refund


def _find_overdue(state: State, now: datetime) -> list[Session]:
    return [session for session in state.sessions.values() if session.status == "open" and session.expires_at <= now]


def _require_open(session: Session) -> None:
    if session.status != "open":
        raise InvalidRequestError("This Checkout Session is not open any more.")


def _payment_of(moment: Moment, session: Session) -> Payment:
    """The session's payment intent; a new one with the first try."""
    known = moment.state.payments.get(session.payment_intent or "")
    return known or Payment(
        id=new_id("pi"),
        charge_id=new_id("ch"),
        session_id=session.id,
        amount=session.order.amount,
        currency=session.order.currency,
        created=moment.now,
        email=session.order.customer_email,
        metadata=session.order.payment_metadata,
    )


def _store(moment: Moment, session: Session) -> Session:
    moment.state.sessions[session.id] = session
    return session


def _store_payment(moment: Moment, payment: Payment) -> Payment:
    moment.state.payments[payment.id] = payment
    return payment
