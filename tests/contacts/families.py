"""People with all that a contact can have, for the tests of merges."""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from bookings.models import Attendance, Calendar, Meeting
from contacts.claims import Person, Source
from contacts.consent import ConsentSource, Said, record_consents
from contacts.models import CandidatePair, Consent, Contact, ContactLink, Identifier
from contacts.survivorship import FIELDS
from contacts.upserts import upsert_contact
from integrations.models import Connection

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def meet(calendar: Connection, attendee_id: str, email: str = "", *, minute: int = 0, **person: Any) -> Contact:
    """Somebody as calendar.live tells of him, some minutes past noon."""
    seen_at = NOON + timedelta(minutes=minute)
    source = Source(calendar.pk, "calendar.live", "FR", seen_at, f"uid/ev/{minute:019d}")
    return upsert_contact(Person(attendee_id, email, **person), source)


def attend(calendar: Connection, contact: Contact, attendee_id: str, meeting_id: str) -> Attendance:
    place, _ = Calendar.objects.get_or_create(
        connection=calendar, external_id="cal", defaults={"name": "Sales", "timezone": "UTC", "seen_at": NOON}
    )
    meeting, _ = Meeting.objects.get_or_create(
        connection=calendar,
        external_id=meeting_id,
        defaults={
            "calendar_event_uid": meeting_id,
            "version": 1,
            "status": "confirmed",
            "calendar": place,
            "start": NOON,
            "end": NOON,
            "timezone": "UTC",
            "external_created_at": NOON,
            "external_updated_at": NOON,
        },
    )
    return Attendance.objects.create(meeting=meeting, contact=contact, attendee_id=attendee_id)


def link(crm: Connection, contact: Contact, external_id: str) -> ContactLink:
    return ContactLink.objects.create(
        contact=contact, connection=crm, external_id=external_id, pushed_hash="as it was", pushed_at=timezone.now()
    )


def agree(calendar: Connection, contact: Contact, attendee_id: str, *, minute: int = 0, is_given: bool = True) -> None:
    """To news by e-mail."""
    said = Said(Consent.Purpose.MARKETING, Consent.Channel.EMAIL, is_given, NOON + timedelta(minutes=minute), "News.")
    record_consents(contact, [said], ConsentSource("calendar.live", calendar.pk, attendee_id))


def edit(contact: Contact, **values: Any) -> None:
    latest = Contact.objects.get(pk=contact.pk)
    for field, value in values.items():
        setattr(latest, field, value)
        latest.provenance[field] = [timezone.now().isoformat(), "admin"]
    latest.save()


def latest(contact: Contact) -> Contact:
    return Contact.objects.get(pk=contact.pk)


def emails(contact: Contact) -> list[str]:
    rows = Identifier.objects.filter(contact=contact, kind="email", is_current=True)
    return sorted(row.value for row in rows)


def external_ids(contact: Contact) -> list[str]:
    return list(ContactLink.objects.filter(contact=contact).order_by("pk").values_list("external_id", flat=True))


def take_picture() -> dict[str, Any]:
    """Everything that merging and undoing could change, in a form that can be compared."""
    contacts = {
        row.pk: {**{field: getattr(row, field) for field in FIELDS}, "into": row.merged_into_id, "told": row.provenance}
        for row in Contact.objects.all()
    }
    states: dict[str, tuple[Any, list[str]]] = {
        "identifiers": (Identifier, ["contact", "merged_from", "is_current", "is_shared", "introduced_by"]),
        "links": (ContactLink, ["contact", "merged_from", "external_id", "merged_at"]),
        "attendances": (Attendance, ["contact", "merged_from"]),
        "consents": (Consent, ["contact", "merged_from", "is_given"]),
        "pairs": (CandidatePair, ["first", "second", "status", "reason"]),
    }
    pictures = {
        name: {row[0]: row[1:] for row in model.objects.values_list("pk", *fields)}
        for name, (model, fields) in states.items()
    }
    return {"contacts": contacts, **pictures}
