"""All that is on record about one meeting, read in a bounded number of questions, however much it is.

Of each kind of row the newest are read. Messages are those that changed something of it, that name it, or that wrote
one of its fields; effects those about it and, as far as its messages led to them, those about who attends it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Model, Q, QuerySet

from bookings.models import (
    Attendance,
    BookingRequest,
    Conflict,
    Discrepancy,
    Invitation,
    Meeting,
    MeetingLink,
    Payment,
    Reservation,
)
from bookings.payments import payments_of
from bookings.traces import join_told, name_effect_subjects, name_payments, name_records
from contacts.histories import compare_each, history_of
from contacts.models import Merge
from integrations.models import Attempt, Connection, Delivery, Effect, FieldWrite
from integrations.privacy.encryption import UnreadableValueError


@dataclass(frozen=True, slots=True)
class Change:
    """A history row, and what it changed: field → old and new; None where that is not known."""

    model: type[Model]
    row: Any
    fields: dict[str, dict[str, Any]] | None


@dataclass(frozen=True, slots=True)
class Trace:
    """`is_cut`: there may be more than was read."""

    meeting: Meeting
    deliveries: Sequence[Delivery]
    effects: Sequence[Effect]
    attempts: Sequence[Attempt]
    writes: Sequence[FieldWrite]
    changes: Sequence[Change]
    requests: Sequence[BookingRequest]
    conflicts: Sequence[Conflict]
    discrepancies: Sequence[Discrepancy]
    merges: Sequence[Merge]
    links: Sequence[MeetingLink]
    payments: Sequence[Payment]
    reservations: Sequence[Reservation]
    attendances: Sequence[Attendance]
    is_cut: bool


def read_trace(meeting: Meeting, limit: int) -> Trace:
    """With the newest `limit` rows of each kind."""
    payments = list(payments_of(meeting).select_related("connection").defer("connection__credentials"))
    changes = read_changes(meeting, payments, limit)
    attendances = list(meeting.attendances.all())
    links = list(with_connection(meeting.links.all()))
    invitations = list(meeting.invitations.values_list("pk", flat=True))
    contacts = {f"contact:{row.contact_id}" for row in attendances}
    own = FieldWrite.objects.filter(subject=f"meeting:{meeting.pk}")
    writes = newest(with_connection(own), limit)
    about = name_effect_subjects(meeting.pk, invitations, {link.external_id for link in links})
    led = {key for row in (*(change.row for change in changes), *writes) if (key := row.delivery_id)}
    deliveries = newest(find_deliveries(meeting, changes, payments, led), limit)
    keys = [delivery.pk for delivery in deliveries]
    of_people = Q(subject__in=contacts, delivery_id__in=keys)
    effects = newest(find_effects(Q(subject__in=about) | of_people), limit)
    writes += newest(with_connection(FieldWrite.objects.filter(of_people)), limit)
    tried = Q(delivery__in=keys) | Q(effect__in=[effect.pk for effect in effects])
    attempts = newest(Attempt.objects.filter(tried), limit)
    read: list[Sequence[Any]] = [changes, deliveries, effects, writes, attempts]
    return Trace(
        meeting=meeting,
        deliveries=deliveries,
        effects=effects,
        attempts=attempts,
        writes=writes,
        changes=changes,
        requests=newest(find_requests(meeting), limit),
        conflicts=newest(find_conflicts(meeting), limit),
        discrepancies=newest(find_discrepancies(meeting), limit),
        merges=find_merges(changes, attendances),
        links=links,
        payments=payments,
        reservations=list(meeting.reservations.order_by("start")[:limit]),
        attendances=attendances,
        is_cut=any(len(rows) >= limit for rows in read),
    )


def newest[Row: Model](rows: QuerySet[Row], limit: int) -> list[Row]:
    return list(rows.order_by("-id")[:limit])


def with_connection[Row: Model](rows: QuerySet[Row]) -> QuerySet[Row]:
    return rows.select_related("connection").defer("connection__credentials")


# --- What happened to its rows ----------------------------------------------------------------------------------------


def read_changes(meeting: Meeting, payments: Iterable[Payment], limit: int) -> list[Change]:
    mine = {"meeting": meeting.pk}
    scopes: dict[type[Model], dict[str, Any]] = {
        Meeting: {"id": meeting.pk},
        MeetingLink: mine,
        Attendance: mine,
        Invitation: mine,
        Payment: {"id__in": [payment.pk for payment in payments]},
    }
    found: list[Change] = []
    for model, scope in scopes.items():
        rows = history_of(model).filter(**scope).select_related("history_user").order_by("-history_id")[:limit]
        found += compare_changes(model, sorted(rows, key=lambda row: row.history_id))
    return found


def compare_changes(model: type[Model], rows: Sequence[Any]) -> list[Change]:
    """Where a value cannot be read any more, nobody can say what has changed."""
    try:
        compared = list(compare_each(rows))
    except UnreadableValueError:
        return [Change(model, row, None) for row in rows]
    seen: set[Any] = set()
    changes: list[Change] = []
    for row, fields in compared:
        is_known = row.history_type == "+" or row.id in seen
        seen.add(row.id)
        changes.append(Change(model, row, fields if is_known else None))
    return changes


# --- Messages and effects ---------------------------------------------------------------------------------------------


def find_deliveries(
    meeting: Meeting, changes: Iterable[Change], payments: Iterable[Payment], led: Collection[UUID]
) -> QuerySet[Delivery]:
    """Without their bodies."""
    subjects = {meeting.connection_id: [meeting.calendar_event_uid] if meeting.calendar_event_uid else []}
    for change in changes:
        if change.model is MeetingLink:
            subjects.setdefault(change.row.connection_id, []).extend(name_records(change.row.external_id))
    told = join_told(led, subjects, name_payments(payments))
    return with_connection(Delivery.objects.filter(told)).defer("body", "headers", "connection__credentials")


def find_effects(about: Q) -> QuerySet[Effect]:
    found = Effect.objects.filter(about).select_related("connection__drain")
    return found.defer("parameters", "connection__credentials")


# --- What people and programs did -------------------------------------------------------------------------------------


def find_requests(meeting: Meeting) -> QuerySet[BookingRequest]:
    hidden = ("body", "base", "answer", "crm__credentials")
    return meeting.requests.select_related("user", "crm").defer(*hidden)


def find_conflicts(meeting: Meeting) -> QuerySet[Conflict]:
    """Without the values that contradict each other: the conflict's own page shows them."""
    mine = Conflict.objects.filter(Q(meeting=meeting) | Q(other_meeting=meeting))
    hidden = ("ours", "theirs", "connection__credentials")
    return mine.select_related("connection", "settled_by").defer(*hidden)


def find_discrepancies(meeting: Meeting) -> QuerySet[Discrepancy]:
    return with_connection(meeting.discrepancies.all()).select_related("closed_by", "run")


def find_merges(changes: Iterable[Change], attendances: Iterable[Attendance]) -> list[Merge]:
    """Those that gave one of its attendances to another contact."""
    rows = [change.row for change in changes if change.model is Attendance]
    attended = {str(row.id) for row in rows} | {str(row.pk) for row in attendances}
    contacts = {row.contact_id for row in rows} | {row.contact_id for row in attendances}
    found = Merge.objects.filter(Q(winner__in=contacts) | Q(loser__in=contacts))
    found = found.select_related("user", "told_by", "undone_by").defer("choices", "before", "changes")
    return [merge for merge in found if attended.intersection(merge.moved.get("attendances", ()))]


def list_connections(trace: Trace) -> dict[int, Connection]:
    """All at which something of it is, or was tried."""
    rows: list[Any] = [*trace.deliveries, *trace.effects, *trace.links]
    return {trace.meeting.connection_id: trace.meeting.connection} | {row.connection_id: row.connection for row in rows}
