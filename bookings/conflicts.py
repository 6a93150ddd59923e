"""Conflicts of time: two meetings on one calendar at once, as calendar.live itself allows. They close by themselves.

A meeting has at most one that is open: with the earliest meeting that it shares time with.
"""

from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils import timezone

from bookings.flows.notices import announce_conflict
from bookings.models import Conflict, Meeting
from bookings.reservations import Met, find_met, follow_meeting
from bookings.timezones import format_instant
from integrations.exceptions import StateError

Kind, Status = Conflict.Kind, Conflict.Status


def follow_time(meeting: Meeting, *, is_new: bool) -> None:
    """Reserve the time that a meeting takes now, and open and close the double bookings that this makes."""
    met = follow_meeting(meeting, is_new=is_new)
    if not is_new:
        for conflict in list_open(meeting):
            look_again(conflict)
    if met:
        open_double_booking(meeting, met)


def list_open(meeting: Meeting) -> QuerySet[Conflict]:
    concerned = Q(meeting=meeting) | Q(other_meeting=meeting)
    return Conflict.objects.filter(concerned, status=Status.OPEN, kind=Kind.DOUBLE_BOOKING).select_related("meeting")


def open_double_booking(meeting: Meeting, met: Met) -> None:
    """Tell it, unless it is open already."""
    conflict, is_new = Conflict.objects.get_or_create(
        kind=Kind.DOUBLE_BOOKING, meeting=meeting, status=Status.OPEN, defaults=read_met(met)
    )
    if is_new:
        announce_conflict(conflict)


def read_met(met: Met) -> dict[str, Any]:
    return {"other_meeting_id": met.meeting_id, "details": {"at": format_instant(met.at)}}


def look_again(conflict: Conflict) -> None:
    """Settled, where its meeting meets nobody any more; with another one where that is in its way now."""
    met = find_met(conflict.meeting) if conflict.meeting else None
    if met is None:
        close(conflict, Status.SETTLED)
    elif met.meeting_id != conflict.other_meeting_id:
        Conflict.objects.filter(pk=conflict.pk).update(**read_met(met))


def dismiss(conflict: Conflict, user: User) -> None:
    """A person leaves both meetings where they are. Raises StateError where it is over."""
    if not close(conflict, Status.DISMISSED, user):
        raise StateError("This conflict is settled by now.")


def close(conflict: Conflict, status: Conflict.Status, user: User | None = None) -> bool:
    """Returns whether it was open."""
    still_open = Conflict.objects.filter(pk=conflict.pk, status=Status.OPEN)
    return bool(still_open.update(status=status, settled_by=user, settled_at=timezone.now()))
