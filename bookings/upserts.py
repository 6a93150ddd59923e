"""Bringing a meeting, its calendar and its attendees to the state that a booking has. Versions order the states."""

from copy import copy
from dataclasses import replace
from datetime import datetime
from functools import cache, partial
from typing import Any

from bookings.adoption import PENDING_ATTENDEE, find_booked, find_request, is_asked_for, take_over
from bookings.calendar_writes import keep_owned
from bookings.conflicts import follow_time
from bookings.erasure import forget_again
from bookings.flows.notices import announce_answers, announce_change
from bookings.models import Attendance, BookingRequest, Calendar, Meeting
from bookings.payments import CALENDAR_LIVE, Told, settle
from bookings.reservations import promote
from bookings.spans import read_footprint
from bookings.timezones import FIRST_YEAR, LAST_YEAR, validate_rule, zone
from contacts.claims import Person, Source
from contacts.consent import ConsentSource, Said, record_consents
from contacts.models import Consent, Contact
from contacts.normalisation import normalise_email
from contacts.scoring import load_rules, score
from contacts.upserts import FIELDS, upsert_contacts
from integrations.events import BookedAttendee, Booking, CalendarRef, Origin
from integrations.exceptions import PayloadError
from integrations.ownership import Record, digest_value, find_strictest

LEAD_SOURCE = CALENDAR_LIVE


def upsert_meeting(booking: Booking, origin: Origin) -> Meeting | None:
    """Apply a booking's state, and return its meeting. None where a newer state is known; the same one changes nothing.

    Runs in the delivery's transaction, under the lock of the event's uid. Raises PayloadError for a zone or a rule
    that nobody could keep.
    """
    check_times(booking)
    meeting, request = find_meeting(booking, origin)
    if meeting.version > booking.version:
        return None
    if meeting.version == booking.version:
        return meeting
    before = None if meeting.is_pending else read_footprint(meeting)
    is_new, was = meeting._state.adding, copy(meeting)
    kept = {} if is_new or meeting.is_pending else keep_owned(meeting, booking)
    for field, value in (read_fields(booking) | kept).items():
        setattr(meeting, field, value)
    meeting.calendar = upsert_calendar(booking, origin)
    meeting.save()
    held = take_over(request, meeting) if request else []
    if before != read_footprint(meeting):
        follow_time(meeting, is_new=is_new)
    promote(held)
    if before and meeting.client_reference == str(meeting.pk) and not is_asked_for(meeting):
        announce_change(meeting, was)
    erased = sync_attendees(meeting, booking, origin)
    settle_payment(meeting, booking)
    forget_again(meeting, erased, origin.delivery_id)
    return meeting


def find_meeting(booking: Booking, origin: Origin) -> tuple[Meeting, BookingRequest | None]:
    """The event's meeting, locked, or a new one; with the request that is done with it, where it was booked here."""
    known = Meeting.objects.select_for_update(no_key=True)
    meeting = known.filter(connection=origin.connection_id, external_id=booking.id).first()
    if meeting is None and (request := find_request(booking, origin)) and (booked := find_booked(request)):
        return booked, request
    return meeting or Meeting(connection_id=origin.connection_id), None


def settle_older_payment(booking: Booking, origin: Origin) -> Meeting | None:
    """What an older state tells of its payment is news all the same: of a group, each place has one of its own.

    Its meeting, where it tells of one.
    """
    found = Meeting.objects.select_for_update(no_key=True)
    meeting = found.filter(connection=origin.connection_id, external_id=booking.id).first()
    if meeting is None or booking.payment is None:
        return None
    settle_payment(meeting, booking, is_latest=False)
    return meeting


def settle_payment(meeting: Meeting, booking: Booking, *, is_latest: bool = True) -> None:
    if told := read_payment(booking):
        settle(told, meeting=meeting, is_latest=is_latest)


def read_payment(booking: Booking) -> Told | None:
    """What a booking tells of its payment."""
    if booking.payment is None:
        return None
    return Told(
        by=CALENDAR_LIVE,
        session_id=booking.payment.session_id,
        status=booking.payment.status,
        amount=booking.payment.amount,
        currency=booking.payment.currency,
        url=booking.payment.url,
    )


def check_times(booking: Booking) -> None:
    """Raises PayloadError for what no series could be made of. Its message never quotes the payload."""
    if not (FIRST_YEAR < booking.start.year < LAST_YEAR and FIRST_YEAR < booking.end.year < LAST_YEAR):
        raise PayloadError("data.event.start", f"or the end is not between the years {FIRST_YEAR} and {LAST_YEAR}.")
    try:
        known_zone = zone(booking.timezone)
    except ValueError as error:
        raise PayloadError("data.event.timezone", "is no time zone that is known here.") from error
    try:
        if booking.rrule:
            validate_rule(booking.rrule, booking.start, known_zone)
    except ValueError as error:
        rule = "is no rule (RFC 5545) that recurs daily or more rarely."
        raise PayloadError("data.event.recurrence.rrule", rule) from error


def read_fields(booking: Booking) -> dict[str, Any]:
    """The meeting's columns; what they hold is in the words of the models."""
    return {
        "external_id": booking.id,
        "calendar_event_uid": booking.uid,
        "version": booking.version,
        "status": booking.status,
        "title": booking.title,
        "description": booking.description,
        "start": booking.start,
        "end": booking.end,
        "timezone": booking.timezone,
        "rrule": booking.rrule,
        "exdates": list(booking.exdates),
        "series_id": booking.series_id,
        "original_start": booking.original_start,
        "event_type": booking.event_type,
        "answers": list(booking.answers),
        "join_url": booking.join_url,
        "source": booking.source,
        "client_reference": booking.client_reference,
        "external_created_at": booking.created_at,
        "external_updated_at": booking.updated_at,
    }


def upsert_calendar(booking: Booking, origin: Origin) -> Calendar:
    """The booking's calendar, made or renamed. Where nothing differs its row is not written: many bookings share it."""
    ref: CalendarRef = booking.calendar
    values = {"name": ref.name, "timezone": ref.timezone, "owner_email": ref.owner_email.strip()}
    calendar, is_new = Calendar.objects.get_or_create(
        connection_id=origin.connection_id,
        external_id=ref.id,
        defaults={**values, "seen_at": booking.updated_at},
    )
    is_changed = any(getattr(calendar, field) != value for field, value in values.items())
    if not is_new and is_changed and not is_calendar_known_since(calendar, booking.updated_at):
        # A conditional update: of two states at once, the newer one wins.
        older = Calendar.objects.filter(pk=calendar.pk, seen_at__lt=booking.updated_at)
        older.update(**values, seen_at=booking.updated_at)
    return calendar


def is_calendar_known_since(calendar: Calendar, instant: datetime) -> bool:
    """Whether a state of that time or later has set, or confirmed, what the calendar is called now."""
    newer = Meeting.objects.filter(calendar=calendar, external_updated_at__gte=instant)
    return calendar.seen_at >= instant or newer.exists()


def sync_attendees(meeting: Meeting, booking: Booking, origin: Origin) -> list[BookedAttendee]:
    """Add, change and remove attendances. Returns those who were erased, and whom this state does not bring back."""
    known = find_known(meeting, booking)
    people = [note_repeated(person, known.get(person.attendee_id)) for person in score_people(booking)]
    contacts = upsert_contacts(people, read_source(booking, origin))
    answered: list[Attendance] = []
    for attendee, person, contact in zip(booking.attendees, people, contacts, strict=True):
        attendance = known.pop(attendee.id) if attendee.id in known else Attendance(meeting=meeting)
        if attendance.pk and attendance.response != attendee.response:
            answered.append(attendance)
        save_attendance(attendance, attendee, contact, person.lead_score)
        record_consents(contact, read_consents(attendee, booking), read_consent_source(attendee, origin))
    for removed in known.values():
        removed.delete()
    if meeting.client_reference == str(meeting.pk):
        announce_answers(meeting, answered)
    each = zip(booking.attendees, contacts, strict=True)
    return [attendee for attendee, contact in each if contact.erased_at]


def find_known(meeting: Meeting, booking: Booking) -> dict[str, Attendance]:
    """By attendee id. Who was entered here before calendar.live knew them is found by the e-mail address."""
    known = {attendance.attendee_id: attendance for attendance in meeting.attendances.all()}
    pending = {row.email: key for key, row in known.items() if key.startswith(PENDING_ATTENDEE)}
    for attendee in booking.attendees if pending else ():
        if attendee.id not in known and (key := pending.pop(read_email(attendee), None)):
            known[attendee.id] = known.pop(key)
    return known


def read_consents(attendee: BookedAttendee, booking: Booking) -> list[Said]:
    """The booking form asks one question: may we write to you about news?"""
    if attendee.consent is None:
        return []
    return [
        Said(
            purpose=Consent.Purpose.MARKETING,
            channel=Consent.Channel.EMAIL,
            is_given=attendee.consent.is_given,
            given_at=attendee.consent.given_at or booking.updated_at,
            wording=attendee.consent.text,
        )
    ]


def read_consent_source(attendee: BookedAttendee, origin: Origin) -> ConsentSource:
    return ConsentSource(CALENDAR_LIVE, connection_id=origin.connection_id, attendee_id=attendee.id)


def score_people(booking: Booking) -> list[Person]:
    """Those who attend, each with the points of this booking."""
    rules = load_rules()
    return [read_person(each, score(rules, booking.answers, read_email(each))) for each in booking.attendees]


def read_email(attendee: BookedAttendee) -> str:
    """Normalised, or as typed where it is no address."""
    return normalise_email(attendee.email) or attendee.email.strip()


def read_person(attendee: BookedAttendee, lead_score: int) -> Person:
    return Person(
        attendee_id=attendee.id,
        email=attendee.email,
        phone=attendee.phone,
        full_name=attendee.full_name,
        company=attendee.company,
        country=attendee.country,
        timezone=attendee.timezone,
        lead_score=lead_score,
    )


def note_repeated(person: Person, attendance: Attendance | None) -> Person:
    """Whoever moves a meeting says again what he said about himself when he booked it: that is no news."""
    if attendance is None or not attendance.said:
        return person
    repeated = attendance.said.items() & read_said(person).items()
    return replace(person, repeated=frozenset(field for field, _ in repeated)) if repeated else person


def read_said(person: Person | BookedAttendee) -> dict[str, str]:
    return {field: digest_value(value) for field in FIELDS if (value := getattr(person, field))}


def read_source(booking: Booking, origin: Origin) -> Source:
    return Source(
        connection_id=origin.connection_id,
        lead_source=LEAD_SOURCE,
        default_region=origin.default_region,
        seen_at=booking.updated_at,
        reference=f"{booking.uid}/{booking.id}/{booking.version:019d}",
        met_at=booking.created_at,
        list_rules=cache(partial(find_strictest, Record.CONTACT, calendar=origin.connection_id)),
    )


def save_attendance(attendance: Attendance, attendee: BookedAttendee, contact: Contact, lead_score: int) -> None:
    """Of somebody who was erased, the place only."""
    values = {
        "contact_id": contact.pk,
        "attendee_id": attendee.id,
        "email": "" if contact.erased_at else read_email(attendee),
        "full_name": "" if contact.erased_at else attendee.full_name,
        "response": attendee.response,
        "lead_score": 0 if contact.erased_at else lead_score,
        "said": {} if contact.erased_at else read_said(attendee),
    }
    if attendance.pk and all(getattr(attendance, field) == value for field, value in values.items()):
        return
    for field, value in values.items():
        setattr(attendance, field, value)
    attendance.save()
