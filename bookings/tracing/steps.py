"""What is on record about a meeting as steps of its timeline. Names, addresses and numbers of people stay out of it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import capfirst

from bookings.inputs import read_instant
from bookings.models import Attendance, Invitation, Meeting, MeetingLink, Payment
from bookings.tracing.decisions import tell_conflict, tell_discrepancy, tell_merge, tell_request
from bookings.tracing.reading import Change, Trace
from integrations.admin.effect_outlook import EarlierFinder
from integrations.admin.formats import NOTHING, address_of, format_utc
from integrations.admin.subjects import show_subject
from integrations.admin.timeline import Origin, Step
from integrations.admin.timeline_rows import tell_attempt, tell_delivery, tell_effect, tell_write
from integrations.claims import IN_ORDER
from integrations.models import Effect

# Whose values say nothing about people: of other fields only the name is told.
PLAIN = frozenset(
    {
        "status", "start", "end", "timezone", "rrule", "version", "external_id", "calendar_event_uid", "is_gone",
        "response", "payment_status", "payment_amount", "payment_currency", "paid_at", "confirmed_at", "registrant_id",
        "online_id", "amount", "currency", "session_id", "payment_intent",
    }
)  # fmt: skip
INSTANTS = frozenset({"start", "end", "paid_at", "confirmed_at"})
WORDS = frozenset({"status", "response"})
# What changes with each message, and is told by the message's own step.
UNTOLD = frozenset(
    {"external_updated_at", "pushed_at", "pushed_hash", "disputed", "exchanged", "told_by", "said", "merged_from"}
)
ABOUT: Mapping[type, tuple[str, str]] = {
    Meeting: ("Meeting", "The meeting"),
    MeetingLink: ("External id", "The record"),
    Attendance: ("Attendee", "An attendee"),
    Invitation: ("Invitation", "An invitation"),
    Payment: ("Payment", "The payment"),
}
VERBS = {"+": "came to be here", "~": "was changed", "-": "was removed"}


def list_steps(request: HttpRequest, trace: Trace) -> list[Step]:
    """Of those at one time, causes stand before what they led to."""
    parents: dict[UUID | None, Any] = {row.pk: row for row in (*trace.deliveries, *trace.effects)}
    earlier_than, home = make_earlier_finder(trace.effects), f"meeting:{trace.meeting.pk}"
    return [
        *(step for asked in trace.requests for step in tell_request(asked)),
        *(tell_delivery(request, delivery) for delivery in trace.deliveries),
        *(tell_attempt(each, parents[each.delivery_id or each.effect_id]) for each in reversed(trace.attempts)),
        *(tell_write(write, home) for write in reversed(trace.writes)),
        *(step for change in trace.changes if (step := tell_change(trace, change))),
        *(step for merge in trace.merges for step in tell_merge(merge)),
        *(step for conflict in trace.conflicts for step in tell_conflict(request, conflict)),
        *(step for found in trace.discrepancies for step in tell_discrepancy(request, found)),
        *(step for effect in reversed(trace.effects) for step in tell_effect(request, effect, earlier_than, home)),
    ]


def make_earlier_finder(effects: Iterable[Effect]) -> EarlierFinder:
    """Among these, which has all that were read of a subject."""
    waiting = sorted((each for each in effects if each.status in IN_ORDER), key=lambda each: each.pk)

    def find(effect: Effect) -> Effect | None:
        place = (effect.connection_id, effect.subject)
        same = (each for each in waiting if (each.connection_id, each.subject) == place and each.pk < effect.pk)
        return next(same, None)

    return find


def find_origins(trace: Trace) -> dict[UUID, Origin]:
    """Delivery id → when what it tells of happened. Only calendar.live says that, of the state that it brings."""
    origins = {each.pk: Origin(each.received_at, is_change=False) for each in trace.deliveries}
    at_calendar = {each.pk for each in trace.deliveries if each.connection_id == trace.meeting.connection_id}
    for change in trace.changes:
        key = change.row.delivery_id
        if change.model is Meeting and key in at_calendar:
            changed_at = min(change.row.external_updated_at, origins[key].at)
            origins[key] = Origin(changed_at, is_change=True)
    return origins


# --- Changes ----------------------------------------------------------------------------------------------------------


def tell_change(trace: Trace, change: Change) -> Step | None:
    """None for one that nobody needs to know of."""
    row, told = change.row, {name: pair for name, pair in (change.fields or {}).items() if name not in UNTOLD}
    if row.history_type == "~" and change.fields is not None and not told:
        return None
    what, subject = ABOUT[change.model]
    return Step(
        at=row.history_date,
        what=what,
        title=title_of(trace, change, subject),
        name=f"{change.model.__name__.lower()}-change-{row.history_id}",
        state={"+": "New", "~": "Changed", "-": "Removed"}[row.history_type],
        variant={"+": "success", "~": "info", "-": "warning"}[row.history_type],
        address=find_history(trace, change),
        lines=list(describe_change(change, told)),
        delivery_id=row.delivery_id,
    )


def title_of(trace: Trace, change: Change, subject: str) -> str:
    row = change.row
    if change.model is MeetingLink:
        names = {link.connection_id: str(link.connection) for link in trace.links}
        place = names.get(row.connection_id, "a connection")
        if row.history_type == "+":
            return f"It has the external id {row.external_id} at {place}"
        return f"Its record at {place} {'is gone there' if row.is_gone else VERBS[row.history_type]}"
    if change.model is Payment and row.history_type != "-":
        return f"The payment is {row.get_status_display().lower()}"
    return f"{subject} {VERBS[row.history_type]}"


def describe_change(change: Change, told: Mapping[str, Mapping[str, Any]]) -> Iterator[object]:
    """Who made it, unless a message did, to which its step leads; and what it changed."""
    row = change.row
    if not row.delivery_id:
        yield f"By {row.history_user.get_username() if row.history_user else 'a command or a job'}."
    if fields := list(describe_fields(row.history_type, told)):
        yield capfirst(", ".join(fields))
    if change.model is Attendance:
        yield show_subject(f"contact:{row.contact_id}", is_short=True)


def describe_fields(history_type: str, told: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Of a new row only the values that say nothing about people are worth it."""
    for name, pair in told.items():
        label = name.replace("_", " ")
        if name in PLAIN and history_type == "~":
            yield f"{label}: {show_value(name, pair['old'])} → {show_value(name, pair['new'])}"
        elif name in PLAIN and pair["new"] is not False:
            yield f"{label}: {show_value(name, pair['new'])}"
        elif history_type == "~":
            yield f"{label}: another one"


def show_value(name: str, value: Any) -> str:
    if value in (None, ""):
        return NOTHING
    instant = read_instant(value) if name in INSTANTS else None
    return format_utc(instant) if instant else str(value).replace("_", " " if name in WORDS else "_")


def find_history(trace: Trace, change: Change) -> str:
    """Where the values are: links, attendances and invitations have no page of their own."""
    if change.model is Payment:
        return reverse("admin:bookings_payment_history", args=[change.row.id])
    page = "history" if change.model is Meeting else "change"
    return address_of(trace.meeting, page)
