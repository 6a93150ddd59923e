"""Payments: one row for each Checkout Session, whoever tells of it first. Paid is paid once.

States only move forward (unpaid, failed or expired, paid, disputed, refunded), so that a message that comes late or
twice changes nothing; a dispute that was won is the one way back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection as database
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from bookings.models import Meeting, Payment, Price
from integrations.models import Connection
from integrations.privacy import blind_index

CALENDAR_LIVE = "calendar.live"
Status = Payment.Status
RANK = {
    Status.UNPAID: 0,
    Status.EXPIRED: 1,
    Status.FAILED: 1,
    Status.PAID: 2,
    Status.DISPUTED: 3,
    Status.REFUNDED: 4,
}


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody says about a payment. Empty texts and None are unknown values."""

    by: str
    session_id: str
    status: str
    payment_intent: str = ""
    amount: int | None = None
    currency: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Settled:
    payment: Payment
    # All that name the session, or for which it was made: one account that is connected twice has each booking twice.
    meetings: Sequence[Meeting]


def settle(
    told: Told, *, meeting: Meeting | None = None, connection: Connection | None = None, is_latest: bool = True
) -> Settled:
    """Bring the payment to what is told of it, and its meetings with it. `connection`: where Keepsync made the session;
    `is_latest` is False for what an older state of the booking tells.

    Runs in the caller's transaction, which has called `lock_payments` before anything else.
    """
    with transaction.atomic():
        payment = lock_payment(told)
        payment.meeting = payment.meeting or meeting
        payment.connection = payment.connection or connection
        payment.session_id = payment.session_id or told.session_id or None
        payment.payment_intent = payment.payment_intent or told.payment_intent or None
        payment.amount = told.amount if payment.amount is None else payment.amount
        payment.currency = payment.currency or told.currency
        payment.url = told.url or payment.url
        move(payment, told)
        payment.save()
        if meeting:
            show_on_meeting(meeting, payment, is_named=is_latest and told.by == CALENDAR_LIVE)
        others = [each for each in lock_meetings([payment]) if each != meeting]
        for other in others:
            show_on_meeting(other, payment, is_named=False)
    return Settled(payment, [meeting, *others] if meeting else others)


def lock_payments(told: Told) -> None:
    """Let one transaction at a time work on what is told of, with all of its meetings: several may name one session.

    Taken before any row, so that two that need the same ones never wait for each other in a circle.
    """
    known = find_told(told)
    names = {told.session_id, told.payment_intent}.union(*((row.session_id, row.payment_intent) for row in known))
    keys = sorted(blind_index.number("payment", name) for name in names if name)
    with database.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [keys])
    lock_meetings(list(find_told(told)))


def lock_meetings(payments: Sequence[Payment]) -> list[Meeting]:
    """The meetings for which the sessions were made, or whose bookings name them, locked in one order."""
    made_for, sessions = {payment.meeting_id for payment in payments}, {payment.session_id for payment in payments}
    found = Meeting.objects.filter(Q(pk__in=made_for - {None}) | Q(payment_session_id__in=sessions - {None}))
    return list(found.select_for_update(no_key=True).order_by("pk"))


def payments_of(meeting: Meeting) -> QuerySet[Payment]:
    """Those made for the meeting, and the session that its booking names, whichever meeting named that first."""
    is_named = Q(session_id=meeting.payment_session_id) if meeting.payment_session_id else Q(pk__in=[])
    return Payment.objects.filter(Q(meeting=meeting) | is_named)


def find_told(told: Told) -> QuerySet[Payment]:
    """The session's and the intent's rows, of which there may be one, two, or none."""
    of_session = Q(session_id=told.session_id) if told.session_id else Q(pk__in=[])
    of_intent = Q(payment_intent=told.payment_intent) if told.payment_intent else Q(pk__in=[])
    return Payment.objects.filter(of_session | of_intent)


def lock_payment(told: Told) -> Payment:
    """The session's or the intent's row, locked; a new one where neither is known. Two that are one are joined."""
    rows = list(find_told(told).select_for_update(no_key=True))
    of_session = next((row for row in rows if told.session_id and row.session_id == told.session_id), None)
    of_intent = next((row for row in rows if told.payment_intent and row.payment_intent == told.payment_intent), None)
    if of_session and of_intent and of_session != of_intent and not of_intent.session_id:
        join(of_session, of_intent)
    return of_session or of_intent or Payment()


def join(payment: Payment, other: Payment) -> None:
    """Take over what was told of the intent before its session was known."""
    if RANK[Status(other.status)] > RANK[Status(payment.status)]:
        payment.status = other.status
    payment.payment_intent = payment.payment_intent or other.payment_intent
    payment.meeting = payment.meeting or other.meeting
    payment.told_by = list(dict.fromkeys([*payment.told_by, *other.told_by]))
    payment.paid_at = payment.paid_at or other.paid_at
    other.delete()


def move(payment: Payment, told: Told) -> None:
    is_dispute_won = payment.status == Status.DISPUTED and told.status == Status.PAID and told.by == "stripe"
    if told.status == Status.PAID:
        payment.told_by = list(dict.fromkeys([*payment.told_by, told.by]))
        payment.paid_at = payment.paid_at or timezone.now()
    if not is_dispute_won and RANK[Status(told.status)] <= RANK[Status(payment.status)]:
        return
    payment.status = told.status


def show_on_meeting(meeting: Meeting, payment: Payment, *, is_named: bool) -> None:
    """A meeting shows the session that its booking names last: one for several people may have had several."""
    if not payment.session_id:
        return
    if not is_named and meeting.payment_session_id not in ("", payment.session_id):
        return
    shown = {
        "payment_session_id": payment.session_id,
        "payment_status": payment.status,
        "payment_amount": payment.amount,
        "payment_currency": payment.currency,
        "payment_url": payment.url,
    }
    if any(getattr(meeting, field) != value for field, value in shown.items()):
        for field, value in shown.items():
            setattr(meeting, field, value)
        meeting.save(update_fields=[*shown, "updated_at"])


def is_settled(meeting: Meeting) -> bool:
    """Whether nothing is owed: it costs nothing, or somebody has paid and not all of it was given back."""
    statuses = set(payments_of(meeting).order_by().values_list("status", flat=True))
    return bool(statuses & {Status.PAID, Status.DISPUTED}) or (not statuses and find_price(meeting) is None)


def find_price(meeting: Meeting) -> Price | None:
    """What Keepsync sells the meeting for; None where calendar.live takes the money, or it costs nothing."""
    event_type = meeting.event_type or {}
    names = [name for name in (event_type.get("slug"), event_type.get("id")) if name]
    return Price.objects.filter(event_type__in=names).first() if names else None
