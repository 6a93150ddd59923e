"""Filling a database as so many bookings would have, at once: what `make bench-reconcile` begins with."""

from collections.abc import Iterator
from datetime import datetime
from itertools import batched

from django.db import transaction
from django.utils import timezone

from bookings.models import Attendance, Calendar, Meeting, MeetingLink
from bookings.sync import Batch, hash_record
from bookings.upserts import read_fields, upsert_calendar
from contacts.claims import Person, Source
from contacts.models import Contact
from contacts.upserts import upsert_contacts
from integrations import mappings
from integrations.connections import add_connection
from integrations.events import Booking, Origin
from integrations.models import Connection, Pair
from integrations.pairs import make_pair
from integrations.payloads import PayloadReader
from integrations.providers.calendar_live.mapping import read_booking
from tests.benchmarks import town

CHUNK = 1000


def fill_database(count: int, url: str) -> None:
    """Connections to the server at the URL, and all that is known here of its events."""
    calendar, _ = add_connection(
        slug="bench", provider="calendar_live", base_url=url, webhook_secret="s", options={"access_token": "t"}
    )
    crm, _ = add_connection(
        slug="bench-crm", provider="hubspot", base_url=url, webhook_secret="s", options={"access_token": "t"}
    )
    make_pair(calendar, crm, Pair.Pattern.IN)
    people = make_people(calendar)
    origin = Origin(calendar.pk, calendar.slug, None, "")
    place = upsert_calendar(read(0), origin)
    for numbers in batched(list_known(count), CHUNK):
        with transaction.atomic():
            make_meetings(calendar, place, people, numbers)
            make_links(crm, numbers)
    disturb(count)


def list_known(count: int) -> Iterator[int]:
    return (number for number in range(count) if town.way_of(number) != town.MISSING_HERE)


def read(number: int) -> Booking:
    return read_booking(PayloadReader(town.make_event(number, version=1), ""))


def make_people(calendar: Connection) -> list[Contact]:
    people = [
        Person(attendee_id=f"att_{number}", email=f"p{number}@acme.example", full_name=f"Person {number}", phone="")
        for number in range(town.PEOPLE)
    ]
    found: list[Contact] = []
    for some in batched(people, 50):
        with transaction.atomic():
            source = Source(calendar.pk, "calendar.live", "", town.BEGIN, "bench")
            found += upsert_contacts(list(some), source)
    return found


def make_meetings(calendar: Connection, place: Calendar, people: list[Contact], numbers: tuple[int, ...]) -> None:
    bookings = {number: read(number) for number in numbers}
    Meeting.objects.bulk_create(
        Meeting(
            id=town.meeting_id(number),
            connection=calendar,
            calendar=place,
            **read_fields(booking),
        )
        for number, booking in bookings.items()
    )
    Attendance.objects.bulk_create(
        Attendance(
            meeting_id=town.meeting_id(number),
            contact=people[number % town.PEOPLE],
            attendee_id=attendee.id,
            email=attendee.email,
            full_name=attendee.full_name,
            response=attendee.response,
        )
        for number, booking in bookings.items()
        for attendee in booking.attendees
    )


def make_links(crm: Connection, numbers: tuple[int, ...]) -> None:
    """As if each meeting had been pushed."""
    now: datetime = timezone.now()
    batch = Batch(crm, mappings.Owners(crm, None), [str(town.meeting_id(number)) for number in numbers])
    MeetingLink.objects.bulk_create(
        MeetingLink(
            meeting_id=town.meeting_id(number),
            connection=crm,
            external_id=str(town.HUBSPOT + number),
            pushed_hash=hash_record(batch.describe(batch.meetings[str(town.meeting_id(number))])),
            pushed_at=now,
        )
        for number in numbers
    )


def disturb(count: int) -> None:
    """Somebody has changed these here, and the CRM follows them."""
    others = [number for number in range(count) if town.way_of(number) == town.OTHER_HERE]
    for some in batched(others, CHUNK):
        Meeting.objects.filter(pk__in=[town.meeting_id(number) for number in some]).update(title=town.OTHER_HERE)
        crm = Connection.objects.get(slug="bench-crm")
        batch = Batch(crm, mappings.Owners(crm, None), [str(town.meeting_id(number)) for number in some])
        for meeting in batch.meetings.values():
            pushed = hash_record(batch.describe(meeting))
            MeetingLink.objects.filter(meeting=meeting, connection=crm).update(pushed_hash=pushed)
