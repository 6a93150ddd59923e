"""What bookings hold about a person: meetings attended, answers, invitations, payments."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from django.db.models import Q, QuerySet

from bookings import erasure, personal_data
from bookings.flows import checkout, lead_capture, letters
from bookings.models import Attendance, Conflict, Invitation, Meeting, MeetingLink
from bookings.traces import Traces, find_deliveries, find_traces
from contacts.contact_section import read_texts
from contacts.dossiers import Deliveries, Dossier, Elsewhere, Section, add_section
from contacts.histories import find_history
from contacts.marks import Marks

# What tells others of the person: the rest of a meeting's effects is the meeting's own.
TELLING = (letters.PAYMENT_LINK, lead_capture.MESSAGE, checkout.CREATE)


def open_traces(dossier: Dossier) -> Traces:
    return dossier.note("meetings", lambda: find_traces(dossier.family))


def read_made(dossier: Dossier) -> list[MeetingLink]:
    """What was made elsewhere for this person alone."""
    links = MeetingLink.objects.filter(meeting__in=open_traces(dossier).alone).order_by("pk")
    return dossier.note("made", lambda: list(links.select_related("connection").defer("connection__credentials")))


@add_section
class Meetings(Section):
    def read_marks(self, dossier: Dossier) -> Marks:
        traces = open_traces(dossier)
        attendances = list(Attendance.objects.filter(pk__in=traces.attendances).select_related("meeting"))
        rows = chain(attendances, Invitation.objects.filter(pk__in=traces.invitations))
        ids: dict[int, set[str]] = {}
        for attendance in attendances:
            ids.setdefault(attendance.meeting.connection_id, set()).add(f"attendee:{attendance.attendee_id}")
        for link in read_made(dossier):
            ids.setdefault(link.connection_id, set()).add(f"meeting:{link.external_id}")
        return Marks(names=frozenset(read_texts(rows, "full_name")), ids=ids)

    def lock(self, dossier: Dossier) -> None:
        """As deliveries do: meetings first, in the order of their ids."""
        meetings = Meeting.objects.select_for_update(no_key=True).filter(pk__in=open_traces(dossier).meetings)
        list(meetings.order_by("pk").values_list("pk"))

    def find_deliveries(self, dossier: Dossier) -> Deliveries:
        return find_deliveries(open_traces(dossier))

    def find_effects(self, dossier: Dossier) -> Q:
        traces = open_traces(dossier)
        invitations = Q(subject__in=[f"invitation:{key}" for key in traces.invitations])
        return invitations | Q(subject__in=[f"meeting:{key}" for key in traces.alone], kind__in=TELLING)

    def list_elsewhere(self, dossier: Dossier) -> Sequence[Elsewhere]:
        """Bookings at the calendar, and what was made at CRMs and at Zoom for this person alone."""
        traces = open_traces(dossier)
        booked = Meeting.objects.filter(pk__in=traces.meetings).order_by("pk")
        made = [link for link in read_made(dossier) if not link.is_gone]
        return [
            *(Elsewhere(slug, "booking", key) for slug, key in booked.values_list("connection__slug", "external_id")),
            *(Elsewhere(link.connection.slug, "meeting", link.external_id) for link in made),
            *list_registrants(traces),
        ]

    def count(self, dossier: Dossier) -> Mapping[str, int]:
        traces = open_traces(dossier)
        return {
            "meetings of this person alone": len(traces.alone),
            "meetings with others": len(traces.meetings - traces.alone),
            "invitations": len(traces.invitations),
        }

    def find_rows(self, dossier: Dossier) -> Iterable[tuple[str, QuerySet[Any]]]:
        traces = open_traces(dossier)
        return [
            ("attendances", Attendance.objects.filter(pk__in=traces.attendances)),
            ("conflicts", Conflict.objects.filter(erasure.find_disputes(traces.meetings, dossier.family))),
            ("history rows", find_history(Attendance, traces.attendances)),
            ("history rows", find_history(Invitation, traces.invitations)),
        ]

    def erase(self, dossier: Dossier) -> None:
        erasure.forget(open_traces(dossier), dossier.marks, dossier.family)

    def export(self, dossier: Dossier) -> Mapping[str, Any]:
        return personal_data.export(open_traces(dossier))


def list_registrants(traces: Traces) -> list[Elsewhere]:
    """Who the person is in Zoom's meetings for several."""
    if not traces.invitations:
        return []
    registered = Invitation.objects.filter(pk__in=traces.invitations).exclude(registrant_id="").order_by("pk")
    there = MeetingLink.objects.filter(connection__provider="zoom", meeting__in=traces.meetings)
    slugs = dict(there.values_list("external_id", "connection__slug"))
    found = registered.values_list("online_id", "registrant_id")
    return [Elsewhere(slugs[online_id], "registrant", key) for online_id, key in found if online_id in slugs]
