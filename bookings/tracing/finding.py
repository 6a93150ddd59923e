"""Finding what somebody has an id, an address or a number of. Exact look-ups only, each with its index."""

import re
from collections.abc import Iterable, Iterator
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
)
from bookings.traces import RECORDS
from contacts.aliases import find_living
from contacts.histories import history_of
from contacts.identifiers import hold, normalise_typed_phone
from contacts.models import Contact, ContactLink, Identifier
from contacts.normalisation import normalise_email
from integrations.deliveries import sent_as
from integrations.models import Connection, Delivery, Effect, FieldWrite

Kind = Identifier.Kind
# Of each kind of row no more are found.
LIMIT = 20
LONGEST = 320
TYPED_NUMBER = re.compile(r"[+(]?[\d\s()./-]{5,}")
# What leads on to its meeting when its id is given.
OF_A_MEETING: tuple[type[Any], ...] = (BookingRequest, Conflict, Discrepancy, Invitation, Payment)


def find(text: str) -> list[Model]:
    """Meetings, contacts, deliveries and effects that the text names, each once.

    It is an id of ours (also behind a kind, as in contact:<id>), an external id, an event's uid, the sender's id of a
    delivery, an idempotency key, an e-mail address or a phone number.
    """
    term = text.replace("\0", "").strip()[:LONGEST]
    if not term:
        return []
    kind, _, key = term.partition(":")
    known = read_key(term) or (read_key(key) if kind.isidentifier() else None)
    return unify([*(find_by_key(known) if known else ()), *find_by_name(term), *find_people(term)])


def read_key(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def unify(rows: Iterable[Model]) -> list[Model]:
    return list({(type(row), row.pk): row for row in rows}.values())


# --- By what is typed -------------------------------------------------------------------------------------------------


def find_by_key(key: UUID) -> Iterator[Model]:
    """By an id of ours."""
    for model in OF_A_MEETING:
        for row in model.objects.filter(pk=key).select_related("meeting"):
            yield from [row.meeting] if row.meeting else []
    yield from Meeting.objects.filter(pk=key)
    yield from find_living_contacts([key])
    yield from lean(Delivery).filter(pk=key)
    yield from lean(Effect).filter(pk=key)


def find_by_name(term: str) -> Iterator[Model]:
    """By what a program, a provider or its user calls something."""
    connections = list(Connection.objects.values_list("pk", flat=True))
    payments = Payment.objects.filter(Q(session_id=term) | Q(payment_intent=term)).values_list("meeting", flat=True)
    links = find_linked(connections, [term])
    asked = BookingRequest.objects.filter(crm__in=connections, record_id=term).values_list("meeting", flat=True)
    named = Q(external_id=term) | Q(calendar_event_uid=term) | Q(caller_id=term) | Q(payment_session_id=term)
    keys = {key for key in (*payments, *links[:LIMIT], *asked[:LIMIT]) if key}
    yield from Meeting.objects.filter(named | Q(pk__in=keys)).order_by("-id")[:LIMIT]
    records = ContactLink.objects.filter(connection__in=connections, external_id=term)
    attendees = hold(Contact.objects, Kind.ATTENDEE_ID, term).values_list("pk", flat=True)
    yield from find_living_contacts([*records.values_list("contact", flat=True), *attendees])
    yield from lean(Delivery).filter(sent_as(term, connections)).order_by("-id")[:LIMIT]
    done = Q(subject=term) | Q(external_id=term) | Q(idempotency_key=term)
    yield from lean(Effect).filter(done).order_by("-id")[:LIMIT]


def find_people(term: str) -> Iterator[Contact]:
    """By an e-mail address or a phone number that they have now, in its normal form."""
    if email := normalise_email(term):
        yield from unforgotten(hold(Contact.objects, Kind.EMAIL, email))
    if TYPED_NUMBER.fullmatch(term):
        yield from unforgotten(hold(Contact.objects, Kind.PHONE, normalise_typed_phone(term)))


def unforgotten(contacts: QuerySet[Contact]) -> QuerySet[Contact]:
    """Who was erased is found by no address any more."""
    return contacts.filter(erased_at=None).order_by("-id")[:LIMIT]


def find_living_contacts(keys: Iterable[UUID]) -> list[Contact]:
    """Of merged ones, those that they went into in the end."""
    there = Contact.objects.filter(pk__in=list(keys)).values_list("pk", flat=True)
    return list(Contact.objects.filter(pk__in={find_living(key) for key in there}).order_by("-id"))


def lean(model: type[Any]) -> QuerySet[Any]:
    """Rows as lists show them."""
    hidden = ("body", "headers") if model is Delivery else ("parameters",)
    rows: QuerySet[Any] = model.objects.select_related("connection").defer(*hidden, "connection__credentials")
    return rows


# --- What they have to do with meetings -------------------------------------------------------------------------------


def list_meetings(row: Model) -> list[Meeting]:
    """Those that a contact attends, a delivery told of, an effect is about, or a conflict is between; newest first."""
    match row:
        case Meeting():
            return [row]
        case Contact():
            found = find_attended(row.pk)
        case Delivery():
            found = find_told(row)
        case Effect():
            found = find_concerned(row)
        case Conflict():
            found = Q(pk__in=[key for key in (row.meeting_id, row.other_meeting_id) if key])
        case _:
            return []
    return list(Meeting.objects.filter(found).select_related("calendar").order_by("-start", "-id")[: LIMIT * 5])


def find_attended(contact_id: UUID) -> Q:
    return Q(pk__in=Attendance.objects.filter(contact=find_living(contact_id)).values("meeting"))


def find_told(delivery: Delivery) -> Q:
    """By what it changed, wrote and led to, and by what its envelope names."""
    keys: set[Any] = set(history_of(Meeting).filter(delivery_id=delivery.pk).values_list("id", flat=True))
    for model in (MeetingLink, Attendance, Invitation, Payment):
        keys |= set(history_of(model).filter(delivery_id=delivery.pk).values_list("meeting", flat=True))
    written = FieldWrite.objects.filter(delivery_id=delivery.pk).values_list("subject", flat=True)
    led = Effect.objects.filter(delivery_id=delivery.pk).values_list("subject", flat=True)
    keys |= {key for subject in (*written, *led) if (key := read_meeting(subject))}
    found = Q(pk__in=keys - {None})
    if delivery.subject:
        found |= Q(connection=delivery.connection_id, calendar_event_uid=delivery.subject)
        found |= Q(pk__in=find_linked([delivery.connection_id], list_record_ids(delivery.subject)))
    return found


def read_meeting(subject: str) -> UUID | None:
    kind, _, key = subject.partition(":")
    return read_key(key) if kind in ("meeting", "booking") else None


def list_record_ids(subject: str) -> list[str]:
    """The record's id of an envelope's subject that names one."""
    prefixes = [form.format("") for form in RECORDS]
    return [subject.removeprefix(prefix) for prefix in prefixes if subject.startswith(prefix)]


def find_linked(connections: list[int], record_ids: list[str]) -> QuerySet[MeetingLink, UUID]:
    rows = MeetingLink.objects.filter(connection__in=connections, external_id__in=record_ids)
    return rows.values_list("meeting", flat=True)


def find_concerned(effect: Effect) -> Q:
    kind, _, key = effect.subject.partition(":")
    match kind:
        case "meeting" | "booking":
            return Q(pk=read_key(key))
        case "invitation":
            return Q(invitations=read_key(key))
        case "conflict":
            return Q(conflicts=read_key(key)) | Q(conflicts_of_others=read_key(key))
        case "record":
            crms = list(Connection.objects.values_list("pk", flat=True))
            asked = BookingRequest.objects.filter(crm__in=crms, record_id=key)
            return Q(pk__in=find_linked(crms, [key])) | Q(pk__in=asked.values("meeting"))
    led = lean(Delivery).filter(pk=effect.delivery_id).first() if effect.delivery_id else None
    if led is None and kind == "contact" and (contact_id := read_key(key)):
        return find_attended(contact_id)
    return find_told(led) if led else Q(pk__in=[])
