"""Which meetings share time on a calendar, and which of them was booked first: by calendar.live's own time and id.

So it does not matter in which order its webhooks come.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection as database

SHARING = """
FROM bookings_reservation AS mine
JOIN bookings_meeting AS own ON own.id = mine.meeting_id
JOIN bookings_reservation AS other ON other.calendar_id = mine.calendar_id AND other.period && mine.period
    AND (other.is_exclusive OR NOT other.is_exclusive)
    AND other.start < mine."end" AND other."end" > mine.start
JOIN bookings_meeting AS meeting ON meeting.id = other.meeting_id
WHERE mine.meeting_id = ANY(%(meetings)s) AND meeting.version > 0
    AND meeting.calendar_event_uid <> own.calendar_event_uid
"""
LIST_SHARING = f"SELECT DISTINCT other.meeting_id {SHARING}"
FIND_MET = f"""
SELECT DISTINCT ON (mine.meeting_id) mine.meeting_id, other.meeting_id, mine.start {SHARING}
    AND (meeting.external_created_at, meeting.external_id) < (own.external_created_at, own.external_id)
ORDER BY mine.meeting_id, meeting.external_created_at, meeting.external_id, mine.start
"""


@dataclass(frozen=True, slots=True)
class Met:
    """Of the meetings that a meeting shares time with, the one booked first; and where the shared occurrence starts."""

    meeting_id: UUID
    at: datetime


def list_sharing(meeting_id: UUID) -> set[UUID]:
    """The meetings that share time with one. Those that calendar.live has not got yet count for nothing."""
    with database.cursor() as cursor:
        cursor.execute(LIST_SHARING, {"meetings": [meeting_id]})
        return {key for (key,) in cursor.fetchall()}


def find_met(meeting_ids: Collection[UUID]) -> dict[UUID, Met]:
    """Whom each of these meets that was booked before it; those that meet nobody are left out."""
    with database.cursor() as cursor:
        cursor.execute(FIND_MET, {"meetings": list(meeting_ids)})
        return {key: Met(other, at) for key, other, at in cursor.fetchall()}
