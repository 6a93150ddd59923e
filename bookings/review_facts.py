"""Meetings, where two contacts are compared."""

from collections.abc import Collection
from uuid import UUID

from bookings.models import Attendance
from contacts.review_facts import Fact, Facts, collect, facts_of
from integrations.admin.formats import link_to


@facts_of("attendances", "Meetings")
def find_meetings(contact_ids: Collection[UUID]) -> Facts:
    rows = Attendance.objects.filter(contact__in=contact_ids).select_related("meeting")
    return collect(rows.order_by("-meeting__start", "-id"), describe_attendance)


def describe_attendance(row: Attendance) -> Fact:
    meeting = row.meeting
    note = f"{meeting.start:%Y-%m-%d %H:%M} UTC, {meeting.get_status_display().lower()}"
    return Fact(link_to(meeting, meeting.title or "(no title)"), note, key=meeting.pk)
