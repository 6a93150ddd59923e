"""Free slots near a wished one, inside the hours in which calendar.live lets a calendar be booked."""

from datetime import timedelta
from uuid import UUID

from django.utils import timezone

from bookings.availability import PATIENCE_S
from bookings.models import Calendar
from bookings.reservations import list_taken
from bookings.spans import find_free, find_nearest
from integrations import http
from integrations.calls import use_account
from integrations.providers.calendar_live.client import FREE_BUSY_DAYS, Interval, get_free_busy

SUGGESTED = 3
LOOK_BACK, WINDOW = timedelta(days=FREE_BUSY_DAYS // 2), timedelta(days=FREE_BUSY_DAYS)
LIMIT_S = 4.0


def suggest(calendar: Calendar, wished: Interval, *, ignoring: UUID | None = None) -> list[Interval]:
    """The nearest slots as long as the wished one; none in the past, unless that itself is wished.

    What calendar.live and what our own reservations say is taken is both taken. `ignoring` is the meeting to move.
    Raises a KeepsyncError where calendar.live does not answer.
    """
    now = timezone.now().replace(microsecond=0) + timedelta(seconds=1)
    since = max(wished[0] - LOOK_BACK, min(now, wished[0]))
    window = since, since + WINDOW
    with http.limit_time(LIMIT_S):
        found = use_account(
            calendar.connection,
            lambda account: get_free_busy(account, calendar.external_id, *window),
            wait_s=PATIENCE_S,
        )
    taken = [*found.busy, *list_taken(calendar, window, ignoring=ignoring)]
    return find_nearest(find_free(found.hours, taken, calendar, since), wished, SUGGESTED)
