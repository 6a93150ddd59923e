"""Test bookings: a real event at calendar.live, on a time that is free, for somebody who does not exist.

What is to be asked for is stored first. Its id is the key of the call: after a lost answer it is asked for once more,
and calendar.live makes no second event.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from bookings.availability import clip, merge, subtract
from bookings.models import TrialBooking
from bookings.timezones import format_instant
from integrations.calls import use_account
from integrations.events import Booking, CalendarRef
from integrations.exceptions import KeepsyncError, MissingError, SetupError, SlotTakenError, StateError, TransientError
from integrations.first_steps import examine_log
from integrations.models import Connection
from integrations.providers.base import Account
from integrations.providers.calendar_live import writing
from integrations.providers.calendar_live.client import Interval, get_free_busy, list_calendars

TITLE = "Keepsync test booking"
DESCRIPTION = "Made by Keepsync's first steps, to see that bookings arrive. It can be cancelled at any time."
# Nobody has this address (RFC 2606). Always the same one, so that a second test makes no second contact.
NAME, EMAIL = "Keepsync Test", "keepsync-test@example.com"
LENGTH = timedelta(minutes=30)
# Not so soon that it disturbs somebody's day.
FROM, WITHIN = timedelta(days=1), timedelta(days=15)


def list_bookable(connection: Connection) -> list[CalendarRef]:
    """The calendars that a test booking can be made on. Raises KeepsyncError."""
    return use_account(connection, list_calendars)


def find_open(connection: Connection | None) -> TrialBooking | None:
    """The one that was left; it is to be cancelled before another one is made."""
    return TrialBooking.objects.filter(connection=connection, cancelled_at=None).first() if connection else None


def book(connection: Connection, calendar: CalendarRef, *, user: User) -> TrialBooking:
    """Book the first free half hour from tomorrow on.

    Raises StateError where there is one already, SetupError where nothing is free, and what calendar.live refuses with:
    nothing is left of it then. Where no answer came (TransientError) the row stays, and `send` asks once more.
    """
    start = find_time(connection, calendar)
    trial = store(
        TrialBooking(
            connection=connection,
            calendar_id=calendar.id,
            timezone=calendar.timezone,
            start=start,
            end=start + LENGTH,
            user=user,
        )
    )
    try:
        send(trial)
    except TransientError:
        raise
    except KeepsyncError:
        trial.delete()
        raise
    return trial


def store(trial: TrialBooking) -> TrialBooking:
    try:
        with transaction.atomic():
            trial.save()
    except IntegrityError as error:
        raise StateError("There is a test booking already: cancel that one first.") from error
    return trial


def send(trial: TrialBooking) -> None:
    """Ask calendar.live for the event; the same one, however often it is asked. Raises KeepsyncError."""
    event = {
        "calendar_id": trial.calendar_id,
        "title": TITLE,
        "description": DESCRIPTION,
        "start": format_instant(trial.start),
        "end": format_instant(trial.end),
        "timezone": trial.timezone,
        "attendees": [{"email": EMAIL, "full_name": NAME}],
    }

    def create(account: Account) -> Booking:
        return writing.create_event(account, event, key=f"trial-{trial.pk}")

    try:
        booking = use_account(trial.connection, create)
    except SlotTakenError as error:
        raise StateError("Somebody has just booked that time: press it once more.") from error
    trial.event_id, trial.event_uid, trial.booked_at = booking.id, booking.uid, timezone.now()
    trial.save(update_fields=["event_id", "event_uid", "booked_at"])


def cancel(trial: TrialBooking) -> None:
    """Cancel the event at calendar.live, whose webhook cancels it everywhere else. Raises KeepsyncError."""
    if trial.event_id:
        with suppress(MissingError):
            use_account(trial.connection, lambda account: writing.delete_event(account, trial.event_id))
    trial.cancelled_at = timezone.now()
    trial.save(update_fields=["cancelled_at"])


def ask_why(trial: TrialBooking) -> str:
    """What calendar.live says of its webhooks; it is kept with the test booking."""
    trial.finding = examine_log(trial.connection)
    trial.save(update_fields=["finding"])
    return trial.finding


# --- A time that is free ----------------------------------------------------------------------------------------------


def find_time(connection: Connection, calendar: CalendarRef) -> datetime:
    begin = timezone.now() + FROM
    end = begin + WITHIN
    found = use_account(connection, lambda account: get_free_busy(account, calendar.id, begin, end))
    hours, busy = (merge([clip(each, begin, end) for each in part]) for part in (found.hours, found.busy))
    start = choose_start(subtract(hours, busy))
    if start is None:
        raise SetupError(f"This calendar has no free half hour within {WITHIN.days} days: choose another one.")
    return start


def choose_start(free: Iterable[Interval]) -> datetime | None:
    """The first full or half hour that has room. Pure."""
    for start, end in free:
        rounded = start.replace(minute=0, second=0, microsecond=0)
        while rounded < start:
            rounded += LENGTH
        if rounded + LENGTH <= end:
            return rounded
    return None
