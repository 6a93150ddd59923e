"""Meetings that calendar.live has not got yet: entered here, so that their time and their people are known."""

from django.utils import timezone

from bookings.adoption import PENDING_ATTENDEE, link_record
from bookings.conflicts import follow_time
from bookings.models import Attendance, BookingRequest, Meeting
from bookings.payments import CALENDAR_LIVE
from bookings.timezones import parse_utc
from contacts.claims import Person, Source
from contacts.normalisation import normalise_email
from contacts.upserts import upsert_contacts


def make_tentative(request: BookingRequest) -> Meeting:
    """The meeting of a booking, with its people; the one that is there already."""
    if known := Meeting.objects.filter(pk=request.pk).first():
        return known
    now = timezone.now()
    meeting = Meeting(
        pk=request.pk,
        connection_id=request.connection_id,
        external_id=str(request.pk),
        status=Meeting.Status.TENTATIVE,
        source="api",
        client_reference=str(request.pk),
        caller_id=request.body["external_id"],
        external_created_at=now,
        external_updated_at=now,
    )
    fill(meeting, request)
    meeting.save(force_insert=True)
    link_record(request, meeting)
    enter_attendees(meeting, request)
    return meeting


def fill(meeting: Meeting, request: BookingRequest) -> None:
    """With what its booking asks for."""
    body = request.body
    meeting.title, meeting.description, meeting.timezone = body["title"], body["description"], body["timezone"]
    meeting.start, meeting.end = parse_utc(body["start"]), parse_utc(body["end"])
    meeting.calendar = request.calendar


def enter_attendees(meeting: Meeting, request: BookingRequest) -> None:
    people = [
        Person(email=each["email"], full_name=each["full_name"], phone=each["phone"], company=each["company"])
        for each in request.body["attendees"]
    ]
    source = Source(
        connection_id=request.connection_id,
        lead_source=CALENDAR_LIVE,
        default_region=request.connection.default_region,
        seen_at=request.created_at.replace(microsecond=0),
        reference=f"{meeting.pk}/{0:019d}",
        met_at=request.created_at,
    )
    for number, (person, contact) in enumerate(zip(people, upsert_contacts(people, source), strict=True)):
        Attendance.objects.create(
            meeting=meeting,
            contact=contact,
            attendee_id=f"{PENDING_ATTENDEE}{number}",
            email=normalise_email(person.email) or person.email,
            full_name=person.full_name,
        )


def cancel_here(meeting: Meeting) -> None:
    """Without calendar.live, which does not have it."""
    meeting.status = Meeting.Status.CANCELLED
    meeting.save()
    follow_time(meeting, is_new=False)
