"""Whose data the effects of bookings carry.

- A meeting (CRM, Zoom, messages about it) carries its attendees'. It goes without those who may not go there, as long
  as somebody is left (withholding.py); else it waits. What is taken back carries nobody's.
- A message about one person, a registration and a checkout carry that person's.
- Letters go to the person they are about, and calendar.live is where bookings are made: neither is held back.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from django.db.models import Q

from bookings.flows import checkout, lead_capture, notices, online_meeting
from bookings.flows.admission import wants_zoom
from bookings.models import Attendance, Conflict, Invitation, Meeting
from bookings.sync import UPSERT
from contacts.residency import read_regions
from integrations.crossings import Cargo, carries_people
from integrations.models import Effect
from integrations.privacy.residency import Policy

NOBODY = Cargo()

type Regions = Mapping[UUID, list[str]]


def id_of(effect: Effect) -> UUID:
    return UUID(effect.subject.partition(":")[2])


def read_attended(meeting_ids: Iterable[UUID], policy: Policy) -> Regions:
    """Meeting → the regions of its attendees, in their order."""
    attending = Attendance.objects.filter(meeting__in=list(meeting_ids)).order_by("id")
    pairs = list(attending.values_list("meeting_id", "contact_id"))
    regions = read_regions({contact_id for _, contact_id in pairs}, policy)
    attended: dict[UUID, list[str]] = defaultdict(list)
    for meeting_id, contact_id in pairs:
        if contact_id in regions:
            attended[meeting_id].append(regions[contact_id])
    return attended


@carries_people(UPSERT)
def list_meeting_cargo(effects: Sequence[Effect], policy: Policy) -> list[Cargo]:
    attended = read_attended(map(id_of, effects), policy)
    return [Cargo(attended.get(id_of(effect), ()), is_divisible=True) for effect in effects]


@carries_people(online_meeting.MEETING)
def list_online_cargo(effects: Sequence[Effect], policy: Policy) -> list[Cargo]:
    """One that is to be deleted carries nobody."""
    meetings = Meeting.objects.in_bulk([id_of(effect) for effect in effects])
    made = {effect.pk for effect in effects if (each := meetings.get(id_of(effect))) and wants_zoom(each)}
    cargo = list_meeting_cargo(effects, policy)
    return [each if effect.pk in made else NOBODY for effect, each in zip(effects, cargo, strict=True)]


@carries_people(online_meeting.REGISTRANT)
def list_registrant_cargo(effects: Sequence[Effect], policy: Policy) -> list[Cargo]:
    """Who is there already, or comes no more, is only taken back."""
    invitations = Invitation.objects.filter(pk__in=[id_of(effect) for effect in effects], registrant_id="")
    places = {(row.meeting_id, row.attendee_id): row.pk for row in invitations}
    attending = Attendance.objects.filter(meeting__in={key for key, _ in places})
    attending = attending.exclude(response=Attendance.Response.DECLINED)
    people = {
        places[row.meeting_id, row.attendee_id]: row.contact_id
        for row in attending
        if (row.meeting_id, row.attendee_id) in places
    }
    return name_people([people.get(id_of(effect)) for effect in effects], policy)


@carries_people(checkout.CREATE)
def list_checkout_cargo(effects: Sequence[Effect], policy: Policy) -> list[Cargo]:
    """Who pays is the first who has booked."""
    attended = read_attended(map(id_of, effects), policy)
    return [Cargo(attended.get(id_of(effect), [])[:1]) for effect in effects]


@carries_people(lead_capture.MESSAGE)
def list_lead_cargo(effects: Sequence[Effect], policy: Policy) -> list[Cargo]:
    """It names the one with the highest score."""
    attending = Attendance.objects.filter(meeting__in=[id_of(effect) for effect in effects], contact__erased_at=None)
    rows = attending.order_by("meeting_id", "-lead_score", "id").distinct("meeting_id")
    leads = dict(rows.values_list("meeting_id", "contact_id"))
    return name_people([leads.get(id_of(effect)) for effect in effects], policy)


@carries_people(notices.SLACK_NOTICE, notices.EMAIL_NOTICE)
def list_notice_cargo(effects: Sequence[Effect], policy: Policy) -> list[Cargo]:
    """An answer names who gave it; other news the meeting alone."""
    answers = {each.pk: each.parameters["attendance"] for each in effects if "attendance" in each.parameters}
    people = dict(Attendance.objects.filter(pk__in=answers.values()).values_list("pk", "contact_id"))
    named = name_people([people.get(answers.get(effect.pk, 0)) for effect in effects], policy)
    met = list_meeting_cargo(effects, policy)
    return [one if effect.pk in answers else all_ for effect, one, all_ in zip(effects, named, met, strict=True)]


@carries_people(notices.SLACK_CONFLICT)
def list_conflict_cargo(effects: Sequence[Effect], policy: Policy) -> list[Cargo]:
    """It names the meetings, and no values."""
    found = Conflict.objects.filter(Q(pk__in=[effect.subject.partition(":")[2] for effect in effects]))
    met = {str(row.pk): [key for key in (row.meeting_id, row.other_meeting_id) if key] for row in found}
    attended = read_attended({key for keys in met.values() for key in keys}, policy)
    return [
        Cargo(
            [region for key in met.get(effect.subject.partition(":")[2], ()) for region in attended.get(key, ())],
            is_divisible=True,
        )
        for effect in effects
    ]


def name_people(people: Sequence[UUID | None], policy: Policy) -> list[Cargo]:
    """Of one contact each, or of nobody."""
    regions = read_regions({key for key in people if key}, policy)
    return [Cargo([regions[key]] if key and key in regions else ()) for key in people]
