"""Reserving time on calendars: what is booked through Keepsync excludes all else, what calendar.live says is followed.

All functions run in their caller's transaction. The exclusion constraint of bookings/models/reservations.py decides
races: who comes second waits for the first one's transaction to end, and then gets nothing.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db import connection as database
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from psycopg.types.range import TimestamptzRange

from bookings.availability import clip, merge, subtract
from bookings.exceptions import TakenError
from bookings.models import BookingRequest, Calendar, Meeting, Reservation
from bookings.spans import TAKING, Span, block, list_spans
from integrations.exceptions import TransientError
from integrations.providers.calendar_live.client import Interval

Kind = Reservation.Kind
TRIES = 4

# --- What is booked through Keepsync ----------------------------------------------------------------------------------

RESERVE = """
INSERT INTO bookings_reservation (calendar_id, kind, start, "end", period, is_exclusive, request_id, expires_at)
SELECT %(calendar)s, 'hold', given.start, given."end", given.blocked, true, %(request)s, %(expires_at)s
FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[], %(blocked)s::tstzrange[])
    AS given (start, "end", blocked)
ON CONFLICT DO NOTHING
"""


def reserve(request: BookingRequest, wanted: Sequence[Interval], *, expires_at: datetime | None) -> None:
    """Take these times for a request, all or none. What its own meeting has taken already is no obstacle.

    Raises TakenError with what is in the way; then the caller's transaction is to be rolled back.
    """
    calendar = request.calendar
    release_expired(calendar, wanted)
    if obstacles := list_obstacles(calendar, wanted, ignoring=request):
        raise TakenError(obstacles)
    own = Reservation.objects.filter(calendar=calendar, is_exclusive=True, meeting=request.meeting_id)
    kept = list_periods(own) if request.meeting_id else []
    blocked = subtract(merge([block(calendar, each) for each in wanted]), kept)
    inner = [find_inner(each, wanted) for each in blocked]
    values: dict[str, Any] = {
        "calendar": calendar.pk,
        "request": request.pk,
        "expires_at": expires_at,
        "starts": [start for start, _ in inner],
        "ends": [end for _, end in inner],
        "blocked": [TimestamptzRange(*each) for each in blocked],
    }
    with database.cursor() as cursor:
        cursor.execute(RESERVE, values)
        is_complete = cursor.rowcount == len(blocked)
    if not is_complete:
        raise TakenError(list_obstacles(calendar, wanted, ignoring=request))


def find_inner(blocked: Interval, wanted: Sequence[Interval]) -> Interval:
    """What is left of a blocked time without its buffers; a buffer alone leaves nothing."""
    inner = [clip(each, *blocked) for each in wanted if each[0] < blocked[1] and each[1] > blocked[0]]
    return (min(start for start, _ in inner), max(end for _, end in inner)) if inner else (blocked[0], blocked[0])


def list_obstacles(calendar: Calendar, wanted: Sequence[Interval], *, ignoring: BookingRequest) -> list[Interval]:
    """The times that are taken and meet these, merged and sorted, without their buffers."""
    others = overlapping(calendar.pk, [block(calendar, each) for each in wanted]).exclude(request=ignoring.pk)
    if ignoring.meeting_id:
        others = others.exclude(meeting=ignoring.meeting_id)
    return merge(list(others.values_list("start", "end")))


def overlapping(calendar_id: int, periods: Iterable[Interval]) -> QuerySet[Reservation]:
    """Reservations that are not over by themselves. Each half has an index of its own."""
    is_live = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    halves = Q(is_exclusive=True) | Q(is_exclusive=False)
    return Reservation.objects.filter(halves, meets_any(periods), is_live, calendar=calendar_id)


def meets_any(periods: Iterable[Interval]) -> Q:
    found = Q(pk__in=[])
    for period in periods:
        found |= Q(period__overlap=TimestamptzRange(*period))
    return found


def list_taken(calendar: Calendar, window: Interval, *, ignoring: UUID | None = None) -> list[Interval]:
    """Blocked times that meet a window, with their buffers; without those of a meeting."""
    rows = overlapping(calendar.pk, [window])
    return list_periods(rows.exclude(meeting=ignoring) if ignoring else rows)


def list_periods(rows: Iterable[Reservation]) -> list[Interval]:
    """Merged; what takes no time has no period."""
    return merge([(row.period.lower, row.period.upper) for row in rows if not row.period.isempty])


def release_expired(calendar: Calendar, wanted: Iterable[Interval]) -> None:
    """Whoever needs a slot need not wait for the sweeper."""
    meets = meets_any(block(calendar, each) for each in wanted)
    Reservation.objects.filter(meets, calendar=calendar, expires_at__lte=timezone.now()).delete()


def sweep_expired() -> int:
    """Release all holds whose time is over. Returns how many there were."""
    deleted, _ = Reservation.objects.filter(expires_at__lte=timezone.now()).delete()
    return deleted


def release(request: BookingRequest) -> None:
    """Give back what a request has reserved and no meeting has taken over."""
    promote(take_back(Reservation.objects.filter(request=request, kind=Kind.HOLD)))


# --- What calendar.live says ------------------------------------------------------------------------------------------

# In one statement: an expired hold is no reason to give way, but it is still in the way; see `insert`.
FOLLOW = """
INSERT INTO bookings_reservation AS mine (
    calendar_id, kind, meeting_id, start, "end", period, occurrence, is_exclusive
)
SELECT %(calendar)s, 'meeting', %(meeting)s, given.start, given."end", given.period, given.occurrence, NOT EXISTS (
    SELECT FROM bookings_reservation AS other
    WHERE other.is_exclusive AND other.calendar_id = %(calendar)s AND other.period && given.period
        AND (other.expires_at IS NULL OR other.expires_at > %(now)s)
)
FROM unnest(
    %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(periods)s::tstzrange[], %(occurrences)s::timestamptz[]
) AS given (start, "end", period, occurrence)
ON CONFLICT DO NOTHING
RETURNING mine.start, mine.occurrence, NOT mine.is_exclusive OR EXISTS (
    SELECT FROM bookings_reservation AS other
    WHERE other.calendar_id = %(calendar)s AND other.period && mine.period AND other.meeting_id <> %(meeting)s
        AND (other.is_exclusive OR NOT other.is_exclusive)
)
"""


@dataclass(frozen=True, slots=True)
class Followed:
    """Whether something was in a meeting's way, and whose time has become free, on which calendars."""

    is_crowded: bool
    freed: set[UUID]
    calendars: set[int]


def follow_meeting(meeting: Meeting, *, is_new: bool) -> Followed:
    """Bring a meeting's reservations to where it is now."""
    freed = [] if is_new else take_back(Reservation.objects.filter(meeting=meeting))
    if meeting.series_id:
        freed += give_way(meeting)
    if meeting.rrule and meeting.status == Meeting.Status.CANCELLED:
        freed += take_back_changes(meeting)
    is_crowded = insert(meeting, list_present(meeting))
    promote(freed)
    freed_of = {row.meeting_id for row in freed if row.meeting_id}
    return Followed(is_crowded, freed_of, {row.calendar_id for row in freed})


def list_present(meeting: Meeting) -> list[Span]:
    return [] if is_of_cancelled_series(meeting) else list_spans(meeting, timezone.now())


def insert(meeting: Meeting, spans: Sequence[Span]) -> bool:
    """One statement where nothing is in the way. What another transaction has taken meanwhile is seen the next time.

    Returns whether something is in the way.
    """
    is_crowded = False
    for _ in range(TRIES):
        if not spans:
            return is_crowded
        with database.cursor() as cursor:
            cursor.execute(FOLLOW, read_values(meeting, meeting.calendar, spans))
            rows = cursor.fetchall()
        is_crowded = is_crowded or any(meets for _, _, meets in rows)
        done = {(start, occurrence) for start, occurrence, _ in rows}
        spans = [span for span in spans if (span.start, span.occurrence) not in done]
        if spans:
            release_expired(meeting.calendar, [(span.start, span.end) for span in spans])
    if spans:
        raise TransientError("Several meetings took the same time at once.")
    return is_crowded


def read_values(meeting: Meeting, calendar: Calendar, spans: Sequence[Span]) -> dict[str, Any]:
    return {
        "calendar": calendar.pk,
        "meeting": meeting.pk,
        "now": timezone.now(),
        "starts": [span.start for span in spans],
        "ends": [span.end for span in spans],
        "periods": [TimestamptzRange(*block(calendar, (span.start, span.end))) for span in spans],
        "occurrences": [span.occurrence for span in spans],
    }


def take_back(rows: QuerySet[Reservation]) -> list[Reservation]:
    """Delete reservations. Returns them: what they had blocked is free."""
    found = list(rows)
    if found:
        Reservation.objects.filter(pk__in=[row.pk for row in found]).delete()
    return found


def give_way(change: Meeting) -> list[Reservation]:
    """An occurrence that was changed by itself takes its own time, and no longer that of the rule."""
    series = Q(meeting__connection=change.connection_id, meeting__external_id=change.series_id)
    return take_back(Reservation.objects.filter(series, occurrence=change.original_start))


def is_of_cancelled_series(meeting: Meeting) -> bool:
    if not meeting.series_id:
        return False
    series = Meeting.objects.filter(connection=meeting.connection_id, external_id=meeting.series_id)
    return series.filter(status=Meeting.Status.CANCELLED).exists()


def take_back_changes(series: Meeting) -> list[Reservation]:
    """A cancelled series takes its changed occurrences with it."""
    changes = Q(meeting__connection=series.connection_id, meeting__series_id=series.external_id)
    return take_back(Reservation.objects.filter(changes))


def promote(freed: Sequence[Reservation]) -> None:
    """What had to give way to time that is free now is exclusive again, as far as nothing else is in its way."""
    for calendar_id in {row.calendar_id for row in freed}:
        periods = list_periods(row for row in freed if row.calendar_id == calendar_id)
        for row in overlapping(calendar_id, periods).filter(is_exclusive=False).order_by("id"):
            make_exclusive(row)


def make_exclusive(row: Reservation) -> None:
    """Where nothing is in its way."""
    others = Reservation.objects.filter(calendar=row.calendar_id, is_exclusive=True)
    if others.filter(period__overlap=row.period).exists():
        return
    with suppress(IntegrityError), transaction.atomic():
        Reservation.objects.filter(pk=row.pk).update(is_exclusive=True)


# --- Buffers ----------------------------------------------------------------------------------------------------------

WIDEN = """
UPDATE bookings_reservation SET is_exclusive = false, period = CASE WHEN start = "end" THEN period ELSE tstzrange(
    start - make_interval(mins => %(before)s), "end" + make_interval(mins => %(after)s)
) END
WHERE calendar_id = %(calendar)s AND kind = 'meeting' AND "end" > %(now)s
"""
SET_APART = """
UPDATE bookings_reservation AS mine SET is_exclusive = true
WHERE mine.calendar_id = %(calendar)s AND NOT mine.is_exclusive AND NOT EXISTS (
    SELECT FROM bookings_reservation AS other
    WHERE other.calendar_id = %(calendar)s AND other.id <> mine.id AND other.period && mine.period
)
"""


def apply_buffers(calendar: Calendar) -> None:
    """Give all meetings to come the calendar's buffers as they are now; where two meet, the first one is exclusive."""
    values: dict[str, Any] = {
        "calendar": calendar.pk,
        "before": calendar.buffer_before_min,
        "after": calendar.buffer_after_min,
        "now": timezone.now(),
    }
    with database.cursor() as cursor:
        cursor.execute(WIDEN, values)
        cursor.execute(SET_APART, values)
    for row in Reservation.objects.filter(calendar=calendar, is_exclusive=False).order_by("id"):
        make_exclusive(row)


# --- The horizon ------------------------------------------------------------------------------------------------------


def find_lacking(now: datetime) -> list[UUID]:
    """Meetings whose time is not reserved as far ahead as it should be: series, and what is older than reservations."""
    taking = Meeting.objects.filter(status__in=TAKING)
    single = taking.filter(rrule="", end__gt=now, reservations=None)
    late = Reservation.objects.filter(meeting=OuterRef("pk"), start__gt=now + timedelta(days=360))
    series = taking.exclude(rrule="").exclude(Exists(late))
    return [*single.values_list("pk", flat=True), *series.values_list("pk", flat=True)]


def extend(meeting_id: UUID) -> Meeting | None:
    """Reserve the occurrences that have come into sight. Returns the meeting where something is in their way."""
    meeting = Meeting.objects.select_for_update(no_key=True, of=("self",)).select_related("calendar").get(pk=meeting_id)
    known = set(Reservation.objects.filter(meeting=meeting).values_list("start", "occurrence"))
    new = [span for span in list_present(meeting) if (span.start, span.occurrence) not in known]
    return meeting if insert(meeting, new) else None
