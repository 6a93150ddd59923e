"""How instants and slots are shown to people. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from integrations.sandbox.calendar_live.documents import format_instant
from integrations.sandbox.calendar_live.records import EventType, Ticket
from integrations.sandbox.calendar_live.schedule import Interval
from integrations.sandbox.stripe.money import format_money

DAYS_SHOWN = 7


@dataclass(frozen=True)
class SlotChoice:
    value: str
    label: str
    places_left: int


@dataclass
class Day:
    """A day with open slots; one day is open in the picker at a time."""

    label: str
    is_open: bool = False
    choices: list[SlotChoice] = field(default_factory=list)


def group_by_day(places: Mapping[Interval, int], zone_name: str, *, chosen: str) -> list[Day]:
    """The first days with open slots. The day of the chosen slot is open, else the first one."""
    zone = ZoneInfo(zone_name)
    days: dict[str, Day] = {}
    for slot, places_left in places.items():
        start = slot.start.astimezone(zone)
        label = f"{start:%A} {start.day} {start:%B}"
        if label not in days and len(days) == DAYS_SHOWN:
            break
        choice = SlotChoice(format_instant(slot.start), f"{start:%H:%M}", places_left)
        days.setdefault(label, Day(label)).choices.append(choice)
    shown = list(days.values())
    for day in shown:
        day.is_open = any(choice.value == chosen for choice in day.choices)
    if shown and not any(day.is_open for day in shown):
        shown[0].is_open = True
    return shown


def local_time(start: datetime, end: datetime, zone_name: str) -> str:
    """For example: Tuesday 24 November 2026, 14:00 to 14:30."""
    begins, ends = start.astimezone(ZoneInfo(zone_name)), end.astimezone(ZoneInfo(zone_name))
    until = f"{ends:%H:%M}" if begins.date() == ends.date() else f"{ends.day} {ends:%B}, {ends:%H:%M}"
    return f"{begins:%A} {begins.day} {begins:%B %Y}, {begins:%H:%M} to {until}"


def zone_label(zone_name: str, at: datetime) -> str:
    """For example: Europe/Paris (UTC+01:00)."""
    offset = at.astimezone(ZoneInfo(zone_name)).isoformat()[-6:]
    return f"{zone_name} (UTC{offset})"


def show_price(event_type: EventType) -> str:
    """For example: EUR 49.00, paid by card after booking. Empty for what is free."""
    price = event_type.price
    if price is None:
        return ""
    how = "paid by card after booking" if price.is_sold_here else "a link to pay comes by e-mail"
    return f"{format_money(price.amount, price.currency)}, {how}"


def show_payment(ticket: Ticket | None) -> Mapping[str, str | None] | None:
    """A ticket's payment: status, amount, and where to pay it as long as it is not paid."""
    if ticket is None:
        return None
    payment = ticket.payment
    return {
        "status": payment.status,
        "amount": format_money(payment.amount, payment.currency),
        "url": payment.url if payment.status in ("unpaid", "failed") else None,
    }
