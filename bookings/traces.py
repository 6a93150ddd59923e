"""Where a person has left traces in bookings: what they attend or attended, and what was made for that."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from bookings.models import Attendance, Invitation, Meeting, MeetingLink, Payment
from contacts.dossiers import NOTHING, Deliveries, Family
from contacts.histories import history_of, list_deliveries, list_held_ids

# How envelopes name a meeting's record: Zoom's, HubSpot's and Pipedrive's, Salesforce's.
RECORDS = ("zoom:{}", "meeting:{}", "Event.{}")


@dataclass(frozen=True, slots=True)
class Traces:
    """Ids. Nobody else attends the meetings of `alone`; of those of `booked` the person is the first attendee, who has
    answered the form. `attendances` are also those that were removed since.
    """

    attendances: frozenset[int]
    meetings: frozenset[UUID]
    alone: frozenset[UUID]
    booked: frozenset[UUID]
    invitations: frozenset[UUID]


def find_traces(family: Family) -> Traces:
    attendances = frozenset(list_held_ids(Attendance, family))
    attended = history_of(Attendance).filter(id__in=attendances).order_by().values_list("meeting_id", "attendee_id")
    current = Attendance.objects.filter(contact__in=family).order_by().values_list("meeting_id", "attendee_id")
    places = set(attended.union(current).order_by())
    meetings = frozenset(meeting_id for meeting_id, _ in places)
    first, shared = find_others(meetings, family)
    return Traces(
        attendances=attendances,
        meetings=meetings,
        alone=meetings - shared,
        booked=frozenset(key for key in meetings if first.get(key) in family),
        invitations=frozenset(find_invitations(meetings, places)),
    )


def find_others(meetings: Collection[UUID], family: Family) -> tuple[dict[UUID, UUID], set[UUID]]:
    """Each meeting's first attendee, as a contact; and the meetings that others attend."""
    first: dict[UUID, UUID] = {}
    shared: set[UUID] = set()
    attending = Attendance.objects.filter(meeting__in=meetings).order_by("id")
    for meeting_id, contact_id in attending.values_list("meeting", "contact"):
        first.setdefault(meeting_id, contact_id)
        if contact_id not in family:
            shared.add(meeting_id)
    return first, shared


def find_invitations(meetings: Collection[UUID], places: Collection[tuple[UUID, str]]) -> list[UUID]:
    rows = Invitation.objects.filter(meeting__in=meetings).values_list("pk", "meeting_id", "attendee_id")
    return [key for key, *place in rows if tuple(place) in places]


def find_payments(meetings: Collection[UUID]) -> Q:
    """Those made for the meetings, and those whose sessions their bookings name."""
    named = Meeting.objects.filter(pk__in=meetings).exclude(payment_session_id="").values("payment_session_id")
    return Q(meeting__in=meetings) | Q(session_id__in=named)


# --- Deliveries -------------------------------------------------------------------------------------------------------


def find_deliveries(traces: Traces) -> Deliveries:
    """What made a meeting of this person alone did bring the person; in the others' payloads one has to look."""
    led = list_deliveries((Attendance, traces.attendances), (Invitation, traces.invitations))
    return Deliveries(
        sure=Q(pk__in=led) | find_told_of(traces.alone), related=find_told_of(traces.meetings - traces.alone)
    )


def find_told_of(meetings: Collection[UUID]) -> Q:
    """What calendar.live, Stripe, Zoom and CRMs have told of these meetings."""
    if not meetings:
        return NOTHING
    payments = Payment.objects.filter(find_payments(meetings))
    changed = list_deliveries((Meeting, meetings), (Payment, payments.values("pk")))
    return join_told(changed, name_subjects(meetings), name_payments(payments))


def join_told(changed: Collection[UUID], subjects: Mapping[int, Collection[str]], payments: Collection[str]) -> Q:
    """Deliveries that changed something, or that name one of the subjects of their connection, or a payment."""
    told = Q(pk__in=changed) | Q(subject__in=payments)
    for connection_id, names in subjects.items():
        told |= Q(connection=connection_id, subject__in=names)
    return told


def name_subjects(meetings: Collection[UUID]) -> dict[int, list[str]]:
    """Connection id → how its envelopes name the meetings' events and records, also those that are there no more."""
    found: dict[int, list[str]] = {}
    for row in Meeting.objects.filter(pk__in=meetings):
        found.setdefault(row.connection_id, []).append(row.calendar_event_uid)
    links = history_of(MeetingLink).filter(meeting__in=meetings).order_by().distinct("connection", "external_id")
    for connection_id, external_id in links.values_list("connection", "external_id"):
        found.setdefault(connection_id, []).extend(name_records(external_id))
    return found


def name_records(external_id: str) -> list[str]:
    """As the envelopes of the CRMs and of Zoom name a meeting's record."""
    return [form.format(external_id) for form in RECORDS]


def name_payments(payments: Iterable[Payment]) -> list[str]:
    """As Stripe's envelopes name what they are about."""
    return [f"payment:{name}" for row in payments for name in (row.session_id, row.payment_intent) if name]


# --- Effects ----------------------------------------------------------------------------------------------------------


def name_effect_subjects(meeting_id: UUID, invitations: Iterable[UUID], records: Iterable[str]) -> list[str]:
    """How effects name a meeting, requests about it, its invitations, and its records at CRMs."""
    mine = [f"meeting:{meeting_id}", f"booking:{meeting_id}"]
    return [*mine, *(f"invitation:{key}" for key in invitations), *(f"record:{key}" for key in records)]
