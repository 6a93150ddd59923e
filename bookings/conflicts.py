"""Conflicts of time: two meetings on one calendar at once, as calendar.live itself allows. They close by themselves.

A meeting has at most one that is open: with the first booked of those booked before it that it shares time with. So
what is in conflict is a matter of what stands in the calendar, and not of the order in which it was told.
"""

from collections.abc import Collection, Set
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils import timezone

from bookings.flows.notices import announce_conflict
from bookings.models import Calendar, Conflict, Meeting
from bookings.overlaps import Met, find_met, list_sharing
from bookings.reservations import extend, follow_meeting
from bookings.timezones import format_instant
from integrations.exceptions import StateError

Kind, Status = Conflict.Kind, Conflict.Status


def follow_time(meeting: Meeting, *, is_new: bool) -> None:
    """Reserve the time that a meeting takes now, and open and close the double bookings that this makes.

    Whoever frees time waits for those who may be opening a conflict about it, and whom it would not see otherwise.
    """
    followed = follow_meeting(meeting, is_new=is_new)
    moved = followed.freed if is_new else {meeting.pk, *followed.freed}
    lock_calendars(followed.calendars)
    if followed.is_crowded or (moved and list_open(moved).exists()):
        look_around(meeting, moved)


def extend_time(meeting_id: UUID) -> None:
    """Reserve the occurrences that have come into sight, and open the double bookings that they bring."""
    if meeting := extend(meeting_id):
        look_around(meeting, set())


def look_around(meeting: Meeting, moved: Set[UUID]) -> None:
    """Bring the conflicts of a meeting, of all that it meets, and of all that the moved ones met, to what is so now.

    One after the other on a calendar: who shares a time with others at once sees what they have made of it.
    """
    calendars = set(Meeting.objects.filter(pk__in=find_parties(moved)).values_list("calendar", flat=True))
    lock_calendars({meeting.calendar_id, *calendars})
    concerned = {meeting.pk, *find_parties(moved), *list_sharing(meeting.pk)}
    met = find_met(concerned)
    known = {each.meeting_id: each for each in list_open(concerned) if each.meeting_id in concerned}
    for key in concerned:
        if key not in met:
            settle(known.get(key))
        elif key in known:
            point_to(known[key], met[key])
        elif moved & {key, met[key].meeting_id} or not is_left_alone(key, met[key]):
            open_double_booking(key, met[key])


def lock_calendars(ids: Collection[int]) -> None:
    """In their order. Where there are none, nothing is asked."""
    list(Calendar.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk").values_list("pk"))


def list_open(meeting_ids: Collection[UUID]) -> QuerySet[Conflict]:
    """Those that these are part of."""
    concerned = Q(meeting__in=meeting_ids) | Q(other_meeting__in=meeting_ids)
    return Conflict.objects.filter(concerned, status=Status.OPEN, kind=Kind.DOUBLE_BOOKING)


def find_parties(meeting_ids: Collection[UUID]) -> list[UUID]:
    """Whose open conflicts these are part of."""
    return list(list_open(meeting_ids).values_list("meeting_id", flat=True)) if meeting_ids else []


def open_double_booking(meeting_id: UUID, met: Met) -> None:
    """Tell it, unless it is open already."""
    conflict, is_new = Conflict.objects.get_or_create(
        kind=Kind.DOUBLE_BOOKING, meeting_id=meeting_id, status=Status.OPEN, defaults=read_met(met)
    )
    if is_new:
        announce_conflict(conflict)


def is_left_alone(meeting_id: UUID, met: Met) -> bool:
    """Whether a person has left both where they are."""
    left = Conflict.objects.filter(kind=Kind.DOUBLE_BOOKING, status=Status.DISMISSED)
    return left.filter(meeting=meeting_id, other_meeting=met.meeting_id).exists()


def read_met(met: Met) -> dict[str, Any]:
    return {"other_meeting_id": met.meeting_id, "details": {"at": format_instant(met.at)}}


def point_to(conflict: Conflict, met: Met) -> None:
    if met.meeting_id != conflict.other_meeting_id:
        Conflict.objects.filter(pk=conflict.pk).update(**read_met(met))


def settle(conflict: Conflict | None) -> None:
    if conflict:
        close(conflict, Status.SETTLED)


def dismiss(conflict: Conflict, user: User) -> None:
    """A person leaves both meetings where they are. Raises StateError where it is over."""
    if not close(conflict, Status.DISMISSED, user):
        raise StateError("This conflict is settled by now.")


def close(conflict: Conflict, status: Conflict.Status, user: User | None = None) -> bool:
    """Returns whether it was open."""
    still_open = Conflict.objects.filter(pk=conflict.pk, status=Status.OPEN)
    return bool(still_open.update(status=status, settled_by=user, settled_at=timezone.now()))
