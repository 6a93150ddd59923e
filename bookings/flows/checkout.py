"""Flow B, the payment: where calendar.live takes none for an event type that has a price, Keepsync sells it.

1. A booking of such a type gets a Checkout Session at Stripe, and its first attendee an e-mail with the link to pay.
2. Paid, by whichever message comes first, lets the online meeting be made (online_meeting.py).
3. A cancelled booking's open session is expired; one that was paid through Keepsync is refunded.
"""

from django.conf import settings

from bookings import sync
from bookings.flows import letters
from bookings.flows.admission import list_attending
from bookings.models import Meeting, Payment, Price
from bookings.payments import Told, find_price, lock_payments, payments_of, settle
from bookings.withholding import show_at
from integrations.effect_kinds import Done, Result, Skipped, Task, carries_out
from integrations.effects import plan
from integrations.exceptions import PermanentError
from integrations.pairs import find_connection
from integrations.providers.stripe import client as stripe

CREATE, EXPIRE, REFUND = "checkout.create", "checkout.expire", "refund.create"
Status = Meeting.Status


def follow(meeting: Meeting) -> None:
    """Ask for the payment that is due, and undo the one of a cancelled booking."""
    subject = f"meeting:{meeting.pk}"
    made = Payment.objects.filter(meeting=meeting).exclude(connection=None).exclude(session_id=None)
    if meeting.status == Status.CANCELLED:
        for payment in made:
            undo(payment, find_price(meeting))
        return
    price = find_price(meeting)
    # An occurrence that was changed by itself was sold with its series.
    is_free = price is None or meeting.series_id or payments_of(meeting).exists()
    if not is_free and (account := find_connection("stripe")):
        plan(CREATE, connection_id=account.pk, subject=subject, key=f"{CREATE}:{meeting.pk}")


def undo(payment: Payment, price: Price | None) -> None:
    """Expire the open session, or refund the paid one, of a payment that Keepsync took."""
    if payment.connection_id is None:
        return
    match payment.status:
        case Payment.Status.UNPAID | Payment.Status.FAILED:
            kind = EXPIRE
        case Payment.Status.PAID if price is None or price.is_refunded:
            kind = REFUND
        case _:
            return
    subject = f"meeting:{payment.meeting_id}"
    plan(kind, connection_id=payment.connection_id, subject=subject, key=f"{kind}:{payment.pk}")


@carries_out(CREATE)
def create_session(task: Task) -> Result:
    """A session for a booking that still wants one. A full event sells nothing more."""
    meeting = Meeting.objects.filter(pk=task.subject_id).first()
    price = find_price(meeting) if meeting else None
    payer = meeting.attendances.order_by("id").first() if meeting else None
    if meeting is None or price is None or payer is None or meeting.status == Status.CANCELLED:
        return Skipped("The booking is not there any more, was cancelled, or costs nothing now.")
    if not payer.email:
        return Skipped("Nobody is left who could pay: the person was erased, or has no address.")
    check_capacity(meeting)
    shown, note = show_at(task.connection, meeting)
    checkout = stripe.create_checkout(
        task.account,
        stripe.CheckoutSpec(
            key=str(meeting.pk),
            amount=price.amount,
            currency=price.currency.lower(),
            product=shown.title or price.event_type,
            email=payer.email,
            success_url=f"{settings.BASE_URL}/payments/paid/",
            cancel_url=f"{settings.BASE_URL}/payments/open/",
            expires_at=None,
        ),
        idempotency_key=task.key,
    )
    return Done(checkout.session_id, lambda: record_session(task, meeting, price, checkout), note)


def check_capacity(meeting: Meeting) -> None:
    capacity = (meeting.event_type or {}).get("capacity") or 0
    if capacity > 1 and list_attending(meeting).count() > capacity:
        raise PermanentError(f"The event is full: {capacity} of {capacity} places are taken. Offer another date.")


def record_session(task: Task, meeting: Meeting, price: Price, checkout: stripe.Checkout) -> None:
    told = Told(
        by="keepsync",
        session_id=checkout.session_id,
        status=Payment.Status.UNPAID,
        payment_intent=checkout.payment_intent,
        amount=price.amount,
        currency=price.currency.lower(),
        url=checkout.url,
    )
    lock_payments(told)
    meeting = Meeting.objects.select_for_update(no_key=True).get(pk=meeting.pk)
    payment = settle(told, meeting=meeting, connection=task.connection).payment
    if meeting.status == Status.CANCELLED:
        undo(payment, price)
    else:
        letters.plan_payment_link(meeting, payment)
    sync.follow(meeting)


@carries_out(EXPIRE)
def expire_session(task: Task) -> Result:
    payment = find_payment(task)
    if (
        payment is None
        or not payment.session_id
        or payment.status not in (Payment.Status.UNPAID, Payment.Status.FAILED)
    ):
        return Skipped("The session is not open any more.")
    checkout = stripe.expire_checkout(task.account, payment.session_id, idempotency_key=task.key)
    status = Payment.Status.PAID if checkout.payment_status == "paid" else Payment.Status.EXPIRED
    return Done(checkout.session_id, lambda: record_expired(payment, checkout, status))


def record_expired(payment: Payment, checkout: stripe.Checkout, status: str) -> None:
    """Where the customer was quicker and paid, that is undone next. The CRMs learn either."""
    told = Told(by="stripe", session_id=checkout.session_id, status=status, payment_intent=checkout.payment_intent)
    settled = settle_everywhere(told)
    if settled.status == Payment.Status.PAID and settled.meeting:
        undo(settled, find_price(settled.meeting))


@carries_out(REFUND)
def refund(task: Task) -> Result:
    payment = find_payment(task)
    # Stripe's word on a refund whose answer was lost may have come meanwhile: the same key finds that refund.
    open_states = (Payment.Status.PAID, Payment.Status.REFUNDED) if task.is_repeat else (Payment.Status.PAID,)
    if payment is None or payment.status not in open_states or not payment.session_id:
        return Skipped("There is nothing to refund any more.")
    intent = payment.payment_intent or stripe.get_checkout(task.account, payment.session_id).payment_intent
    made = stripe.refund_payment(task.account, intent, idempotency_key=task.key)
    told = Told(by="stripe", session_id=payment.session_id, status=Payment.Status.REFUNDED, payment_intent=intent)
    return Done(made.refund_id, lambda: record_refund(told))


def record_refund(told: Told) -> None:
    settle_everywhere(told)


def settle_everywhere(told: Told) -> Payment:
    """Settle what this side has done at Stripe, and bring it to the CRMs."""
    lock_payments(told)
    settled = settle(told)
    for meeting in settled.meetings:
        sync.follow(meeting)
    return settled.payment


def find_payment(task: Task) -> Payment | None:
    """The key ends with the payment's id."""
    return Payment.objects.filter(pk=task.key.rpartition(":")[2]).first()
