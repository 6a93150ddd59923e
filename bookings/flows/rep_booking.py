"""A meeting that a sales rep has made in a CRM becomes a booking; what cannot be booked is told to the rep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from bookings.booking_requests import add_of_record
from bookings.crm_records import read_record
from bookings.exceptions import RefusedError
from bookings.flows.crm_booking import keep_place_now, plan_settling
from bookings.flows.rep_notices import find_owner_emails, tell_of_record
from bookings.inputs import LONGEST, MOST_ATTENDEES
from bookings.models import BookingRequest, Calendar
from bookings.ordering import make_booking
from bookings.rep_calendars import choose_calendar
from bookings.timezones import parse_utc
from contacts.claims import Person, Source
from contacts.crm_people import meet, read_people
from contacts.normalisation import normalise_email
from integrations import mappings
from integrations.effect_kinds import Done, Result, Skipped
from integrations.models import Connection, FieldMapping
from integrations.payloads import cut
from integrations.providers.base import Account
from integrations.providers.crm import MeetingRecord

TEXT_LENGTH, PHONE_LENGTH = 300, 100
PAGE = 100
IS_PAST = Skipped("Its time is over.")
IS_CANCELLED = Skipped("It is cancelled over there, and was never booked.")
WAS_TRIED = Skipped("It could not be booked at this time before. It is tried anew once it is moved.")
IS_BOOKED = Skipped("It is booked already.")

type People = Sequence[tuple[Person, Source]]


@dataclass(slots=True)
class Desk:
    """Where records of one CRM are taken in, and what was found out over there on the way."""

    crm: Connection
    account: Account
    mapping: list[tuple[str, str]] = field(init=False)
    emails: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mapping = mappings.read_mapping(self.crm, FieldMapping.Record.MEETING)

    def find_owner_emails(self, owner_id: str) -> list[str]:
        if owner_id not in self.emails:
            self.emails[owner_id] = find_owner_emails(self.crm, owner_id)
        return self.emails[owner_id]

    def fetch_people(self, ids: Sequence[str]) -> People:
        """Those of these contacts that are there."""
        fields = dict.fromkeys(theirs for _, theirs in mappings.read_mapping(self.crm, FieldMapping.Record.CONTACT))
        adapter = mappings.get_crm(self.crm)
        pages = [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]
        found = [each for page in pages for each in adapter.fetch_contacts(self.account, page, fields=list(fields))]
        return read_people(self.crm, [each for each in found if each])


def take(record: MeetingRecord, desk: Desk) -> Result:
    """Ask for the record's meeting, unless it was asked for. Raises TransientErrors."""
    there = read_record(desk.mapping, record)
    if record.is_cancelled:
        return IS_CANCELLED
    if not has_time(there):
        return refuse(record, desk, there, RefusedError("It has no start and end.", status=400, code="no_time"))
    if parse_utc(there["start"]) <= timezone.now():
        return IS_PAST
    if was_tried(record, desk, there):
        return WAS_TRIED
    people = desk.fetch_people(record.contact_ids)
    try:
        attendees = write_attendees(people)
        emails = desk.find_owner_emails(record.owner_id)
        calendar = choose_calendar(desk.crm, emails)
    except RefusedError as error:
        return refuse(record, desk, there, error)
    request = write_request(calendar, there, attendees, emails)
    return ask(request, record, desk, people)


def has_time(there: Mapping[str, str]) -> bool:
    if "start" not in there or "end" not in there:
        return False
    return timedelta(0) < parse_utc(there["end"]) - parse_utc(there["start"]) <= LONGEST


def was_tried(record: MeetingRecord, desk: Desk, there: Mapping[str, str]) -> bool:
    """Whether it was asked for at this very time, and could not be booked."""
    tried = BookingRequest.objects.filter(crm=desk.crm, record_id=record.external_id, kind=BookingRequest.Kind.CREATE)
    latest = tried.order_by("-id").first()
    return latest is not None and all(latest.body.get(name) == there[name] for name in ("start", "end"))


def write_attendees(people: People) -> list[dict[str, str]]:
    """Those whom calendar.live can invite, each address once. Raises RefusedError where there is nobody."""
    attendees: dict[str, dict[str, str]] = {}
    for person, _ in people:
        addresses = filter(None, map(normalise_email, (person.email, *person.more_emails)))
        if email := next(addresses, None):
            attendees.setdefault(
                email,
                {
                    "email": email,
                    "full_name": cut(person.full_name, TEXT_LENGTH),
                    "phone": cut(person.phone, PHONE_LENGTH),
                    "company": cut(person.company, TEXT_LENGTH),
                },
            )
    if not attendees:
        raise RefusedError("None of its contacts has an e-mail address.", status=400, code="nobody")
    return list(attendees.values())[:MOST_ATTENDEES]


def write_request(
    calendar: Calendar, there: Mapping[str, str], attendees: list[dict[str, str]], emails: Sequence[str]
) -> BookingRequest:
    """`emails` are the rep's, the first of which is written to."""
    asked: dict[str, Any] = {
        "title": there.get("title", ""),
        "description": there.get("description", ""),
        "start": there["start"],
        "end": there["end"],
        "timezone": there.get("timezone", calendar.timezone),
        "attendees": attendees,
    }
    request = make_booking(calendar, asked)
    request.body["rep"] = next(iter(emails), "")
    return request


def ask(request: BookingRequest, record: MeetingRecord, desk: Desk, people: People) -> Result:
    """Store the request with its people, and leave it to an effect. Whatever races, a record is asked for once."""
    try:
        with transaction.atomic():
            add_of_record(request, desk.crm.pk, record.external_id)
            meet(people)
            plan_settling(request)
    except IntegrityError:
        return IS_BOOKED
    keep_place_now(request.pk)
    return Done()


def refuse(record: MeetingRecord, desk: Desk, there: Mapping[str, str], error: RefusedError) -> Result:
    """Nothing is booked. The rep is told why, once for each time that the record was moved to."""
    known = {"owner": record.owner_id, "start": there.get("start", "")}
    with transaction.atomic():
        tell_of_record(
            desk.crm,
            record.external_id,
            failure=error.code,
            **{name: value for name, value in known.items() if value},
        )
    return Skipped(f"Not booked: {error}")
