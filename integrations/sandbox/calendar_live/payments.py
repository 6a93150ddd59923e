"""Places that calendar.live sells: each booking has its own Checkout Session at Stripe, played beside it.

1. Who books an empty slot starts a tentative event with an unpaid payment; who joins later gets a ticket only, and
   appears in the event once he has paid.
2. Paid: the event is confirmed, and payment.succeeded says so. Declined: payment.failed, and the same session can be
   paid with another card. Expired, or a transfer that failed: the place is given up. Refunded: event.updated.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from integrations.sandbox.calendar_live.bookings import (
    Guest,
    group_at,
    leave,
    new_attendee,
    require_offered,
    require_place,
    start_event,
)
from integrations.sandbox.calendar_live.events import cancel_event, change_event, new_event_id, settle_event
from integrations.sandbox.calendar_live.records import Attendee, Event, EventType, Payment, PaymentStatus, Price, Ticket
from integrations.sandbox.calendar_live.world import Moment, World
from integrations.sandbox.stripe import checkout
from integrations.sandbox.stripe.account import Account
from integrations.sandbox.stripe.records import Event as StripeEvent
from integrations.sandbox.stripe.records import LineItem, Order, Session


def is_sold_here(event_type: EventType) -> bool:
    return event_type.price is not None and event_type.price.is_sold_here


def book_paid(
    moment: Moment, event_type: EventType, start: datetime, guest: Guest, *, account: Account, site: str
) -> Ticket:
    """Book a place that has to be paid at the ticket's `payment.url`; `site` is this sandbox's address, with a slash.

    Raises InvalidInputError and SlotTakenError as bookings.book() does.
    """
    slot = require_offered(moment, event_type, start)
    attendee = new_attendee(moment, guest)
    group = group_at(moment, event_type, start)
    if group is not None:
        require_place(moment, group, attendee)
    event_id = group.id if group is not None else new_event_id()
    payment = _open_payment(event_type, event_id, attendee, account=account, site=site)
    if group is None:
        status: dict[str, Any] = {"status": "tentative", "payment": payment}
        start_event(moment, event_type, slot, attendee, guest.answers, id=event_id, **status)
    ticket = Ticket(event_id, attendee, payment, is_member=group is None, answers=guest.answers)
    moment.state.tickets[payment.session_id] = ticket
    return ticket


def find_ticket(moment: Moment, event: Event, attendee_id: str) -> Ticket | None:
    """The person's ticket for the event that was made last."""
    tickets = [item for item in moment.state.tickets.values() if item.event_id == event.id]
    return next((item for item in reversed(tickets) if item.attendee.id == attendee_id), None)


def follow_payments(world: World, account: Account) -> None:
    """Let every change of a session that belongs to a ticket change its event."""

    def follow(happened: StripeEvent, session: Session) -> None:
        if session.id in world.read().state.tickets:
            with world.change() as moment:
                settle_payment(moment, happened, session)
            close_sessions(world, account)

    account.subscribe(follow)


def settle_payment(moment: Moment, happened: StripeEvent, session: Session) -> None:
    """Change the ticket, and its event, as Stripe's event says."""
    match happened.type:
        case "checkout.session.completed" | "checkout.session.async_payment_succeeded":
            if session.payment_status == "paid":
                _confirm(moment, session)
        case "payment_intent.payment_failed":
            _fail(moment, session)
        case "checkout.session.expired" | "checkout.session.async_payment_failed":
            _give_up(moment, session)
        case "charge.refunded":
            if happened.object["refunded"]:
                _refund(moment, session)


def close_sessions(world: World, account: Account) -> None:
    """Expire the sessions of places that nobody wants any more: nobody may pay for a cancelled event."""
    state = world.read().state
    for session_id, ticket in state.tickets.items():
        event = state.events[ticket.event_id]
        has_left = ticket.is_member and not _takes_part(event, ticket)
        if ticket.payment.status in ("unpaid", "failed") and (event.status == "cancelled" or has_left):
            with account.change() as moment:
                session = moment.state.sessions.get(session_id)
                if session is not None and session.status == "open":
                    checkout.expire_session(moment, session)


def _open_payment(event_type: EventType, event_id: str, attendee: Attendee, *, account: Account, site: str) -> Payment:
    price = _price(event_type)
    order = Order(
        items=(LineItem(event_type.name, price.amount),),
        currency=price.currency,
        success_url=f"{site}bookings/{event_id}/?attendee={attendee.id}",
        cancel_url=f"{site}book/{event_type.slug}/",
        customer_email=attendee.email.strip(),
        metadata={"calendar_live_event": event_id},
    )
    with account.change() as stripe:
        session = checkout.create_session(stripe, order, checkout_url=f"{site}stripe/checkout/")
    return Payment(session.id, "unpaid", price.amount, price.currency, session.url)


def _price(event_type: EventType) -> Price:
    if event_type.price is None:
        raise ValueError(f"{event_type.slug} costs nothing")
    return event_type.price


def _mark(moment: Moment, session: Session, status: PaymentStatus) -> tuple[Event, Ticket]:
    """The event, and the ticket with its payment's new status stored."""
    ticket = moment.state.tickets[session.id]
    ticket = replace(ticket, payment=replace(ticket.payment, status=status))
    moment.state.tickets[session.id] = ticket
    return moment.state.events[ticket.event_id], ticket


def _is_its_own(event: Event, ticket: Ticket) -> bool:
    """Whether the event's payment is the ticket's; in a group it is that of the place paid last."""
    return event.payment is not None and event.payment.session_id == ticket.payment.session_id


def _takes_part(event: Event, ticket: Ticket) -> bool:
    return any(member.id == ticket.attendee.id for member in event.attendees)


def _confirm(moment: Moment, session: Session) -> None:
    event, ticket = _mark(moment, session, "paid")
    if event.status == "cancelled":
        return  # paid at the last moment: a person has to give the money back, at Stripe
    attendees = event.attendees if _takes_part(event, ticket) else (*event.attendees, ticket.attendee)
    fields = {"status": "confirmed", "payment": ticket.payment, "attendees": attendees}
    settle_event(moment, event, "succeeded", **fields, answers=ticket.answers or event.answers)


def _fail(moment: Moment, session: Session) -> None:
    event, ticket = _mark(moment, session, "failed")
    if event.status != "cancelled" and _is_its_own(event, ticket):
        settle_event(moment, event, "failed", payment=ticket.payment)


def _give_up(moment: Moment, session: Session) -> None:
    event, ticket = _mark(moment, session, "failed")
    del moment.state.tickets[session.id]
    if event.status == "cancelled":
        return
    if _is_its_own(event, ticket):
        cancel_event(moment, event, payment=ticket.payment)
    elif _takes_part(event, ticket):
        leave(moment, event, ticket.attendee)


def _refund(moment: Moment, session: Session) -> None:
    event, ticket = _mark(moment, session, "refunded")
    if event.status != "cancelled" and _is_its_own(event, ticket):
        change_event(moment, event, payment=ticket.payment)
