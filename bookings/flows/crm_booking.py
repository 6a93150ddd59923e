"""Flow C: a program, or a person, books, changes and cancels through Keepsync; calendar.live has the last word.

1. Is it free over there? Then the time is reserved here, where the database refuses a second one, and held there.
2. The event is made, changed or cancelled there, under a key, or a version, that fits once.
3. The answer is applied as its webhook would be; whichever comes first.

Each step is written down before the next one, so that whoever takes a request up goes on from there, and every step
may be taken twice. While calendar.live is away the request is postponed: the meeting is tentative, its time is taken,
and an effect goes on with it once calendar.live is back.
"""

from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from django.utils import timezone

from bookings.automations import follow
from bookings.availability import PATIENCE_S
from bookings.booking_requests import claim, finish, give_back, settle
from bookings.exceptions import RefusedError, TakenError
from bookings.flows import booking_changes, booking_steps, rep_answers
from bookings.flows.notices import tell_end, tell_postponed
from bookings.models import BookingRequest, Meeting, Reservation
from bookings.pending import cancel_here, make_tentative
from integrations import http
from integrations.calls import use_account
from integrations.effect_kinds import Done, Result, Skipped, Task, carries_out
from integrations.effects import plan
from integrations.exceptions import (
    InputError,
    KeepsyncError,
    LeaseLostError,
    MissingError,
    PayloadError,
    SetupError,
    SlotTakenError,
    TransientError,
)
from integrations.models import Connection, Drain
from integrations.providers.base import Account
from integrations.providers.calendar_live import writing

Kind, State = BookingRequest.Kind, BookingRequest.State
SETTLE = "booking.settle"
# The failure of a booking whose caller does not want it any more.
WITHDRAWN = "withdrawn"
# Somebody waits for the answer: what takes longer is done later.
LIMIT_S = 8.0
# What says nothing about a request, but that calendar.live cannot be asked now.
AWAY: tuple[type[KeepsyncError], ...] = (TransientError, PayloadError)
STEPS = {
    Kind.CREATE: booking_steps.advance,
    Kind.CHANGE: booking_changes.advance_change,
    Kind.CANCEL: booking_changes.advance_cancellation,
}


@dataclass(frozen=True, slots=True)
class Settled:
    """A meeting as it is after a request; `is_done` False where calendar.live is still to be asked."""

    meeting: Meeting
    is_done: bool


def carry_out(request: BookingRequest) -> Settled:
    """Do what is asked for at once, or postpone it while calendar.live is away.

    Raises TakenError, or RefusedError; then nothing is left of it but the key of a booking that came too late.
    """
    try:
        return try_at_once(request)
    except LeaseLostError:
        return read_settled(request)
    except TakenError:
        give_up(request, "slot_taken")
        raise
    except KeepsyncError as error:
        raise refuse(request, error) from error


def try_at_once(request: BookingRequest) -> Settled:
    """What may have happened there already is found out sooner or later: a refusal of today says nothing about it."""
    away: tuple[type[KeepsyncError], ...] = (*AWAY, SetupError) if request.asked_at else AWAY
    if is_resting(request.connection) or waits_for_booking(request):
        return postpone(request)
    try:
        with http.limit_time(LIMIT_S):
            meeting = use_account(request.connection, lambda account: take_up(request, account), wait_s=PATIENCE_S)
    except away:
        return postpone(request)
    return Settled(meeting, is_done=True)


def is_resting(connection: Connection) -> bool:
    """Whether nothing goes out there at the moment: paused, to be authorised again, or after outages."""
    if connection.status != Connection.Status.ACTIVE:
        return True
    return Drain.objects.filter(pk=connection.pk, held_until__gt=timezone.now()).exists()


def waits_for_booking(request: BookingRequest) -> bool:
    """Whether it is about a meeting that calendar.live has not got yet."""
    return request.kind != Kind.CREATE and request.meeting is not None and request.meeting.is_pending


def take_up(request: BookingRequest, account: Account) -> Meeting:
    """Go on with a request from where it stands, to its end."""
    try:
        return STEPS[Kind(request.kind)](request, account)
    except SlotTakenError as error:
        drop_hold(request, account)
        raise TakenError(error.conflicts) from error


def drop_hold(request: BookingRequest, account: Account) -> None:
    """It would run out by itself."""
    if request.hold_id:
        with suppress(KeepsyncError):
            writing.delete_hold(account, request.hold_id)


def read_settled(request: BookingRequest) -> Settled:
    """A webhook, or another process, was faster."""
    latest = BookingRequest.objects.select_related("meeting").get(pk=request.pk)
    if latest.state == State.CONFIRMED and latest.meeting:
        return Settled(latest.meeting, is_done=True)
    raise RefusedError("Another process works on this request.", status=409, code="in_progress")


# --- Postponing -------------------------------------------------------------------------------------------------------


def postpone(request: BookingRequest) -> Settled:
    """Keep the time, and leave the rest to an effect. Raises TakenError."""
    settle(request, write_postponed)
    meeting = Meeting.objects.get(pk=request.meeting_id or request.pk)
    return Settled(meeting, is_done=request.finished_at is not None)


def write_postponed(request: BookingRequest) -> None:
    if request.state == State.RECEIVED:
        booking_steps.take_time(request, expires_at=None)
        request.state = State.RESERVED
    held = Reservation.objects.filter(request=request, kind=Reservation.Kind.HOLD)
    held.update(expires_at=None)
    if request.kind == Kind.CREATE:
        request.meeting = make_tentative(request)
        held.update(kind=Reservation.Kind.MEETING, meeting=request.meeting)
        follow(request.meeting)
    request.is_postponed = True
    request.save(update_fields=["state", "meeting", "is_postponed"])
    plan_settling(request)
    if request.meeting:
        tell_postponed(request, request.meeting)


def plan_settling(request: BookingRequest) -> None:
    """Requests about one meeting go in the order in which they were made."""
    subject = f"booking:{request.meeting_id or request.pk}"
    key, parameters = f"{SETTLE}:{request.pk}", {"request": str(request.pk)}
    plan(SETTLE, connection_id=request.connection_id, subject=subject, key=key, parameters=parameters)


def keep_place(request: BookingRequest) -> None:
    """What a CRM's record asks for while calendar.live is away: leased to the caller, it is postponed.

    Raises TakenError.
    """
    if request.crm_id is not None and not request.is_postponed:
        postpone(request)


def keep_place_now(request_id: UUID) -> None:
    """The same where calendar.live is known to be away; otherwise the effect that asks it sees."""
    request = claim(request_id)
    if request is None:
        return
    try:
        if is_resting(request.connection):
            keep_place(request)
    except TakenError:
        give_up(request, "slot_taken")
    finally:
        give_back(request)


@carries_out(SETTLE)
def settle_request(task: Task) -> Result:
    key = UUID(task.parameters["request"])
    request = claim(key)
    if request is None:
        if BookingRequest.objects.filter(pk=key, finished_at=None).exists():
            raise TransientError("Another process works on this request.")
        return Skipped("The request is settled.")
    try:
        return Done(take_up_or_keep_place(request, task.account).external_id)
    except LeaseLostError:
        return Skipped("The request was settled meanwhile.")
    except TakenError as error:
        give_up(request, "slot_taken")
        return Skipped(str(error))
    except (InputError, MissingError, RefusedError) as error:
        give_up(request, getattr(error, "code", "refused"))
        return Skipped(str(error))
    finally:
        give_back(request)


def take_up_or_keep_place(request: BookingRequest, account: Account) -> Meeting:
    try:
        return take_up(request, account)
    except AWAY:
        keep_place(request)
        raise


def release_overdue(request_id: UUID) -> None:
    """A postponed booking whose time has come: nobody waits for calendar.live any longer."""
    request = claim(request_id)
    if request is None:
        return
    try:
        if request.asked_at is None:
            give_up(request, "too_late")
    finally:
        give_back(request)


# --- Giving up --------------------------------------------------------------------------------------------------------


def refuse(request: BookingRequest, error: KeepsyncError) -> RefusedError:
    """Nothing is left of the request; of a booking, not even its key. Returns what to raise."""
    refused = error if isinstance(error, RefusedError) else read_refusal(error)
    give_up(request, refused.code)
    BookingRequest.objects.filter(pk=request.pk, kind=Kind.CREATE, state=State.FAILED, meeting=None).delete()
    return refused


def read_refusal(error: KeepsyncError) -> RefusedError:
    match error:
        case InputError():
            return RefusedError(str(error), status=400, code="invalid", field=error.field or None)
        case MissingError():
            return RefusedError("calendar.live has no such event any more.", status=409, code="gone")
    return RefusedError(str(error), status=502, code="provider_refused")


def give_up(request: BookingRequest, failure: str) -> None:
    """What it had reserved is free again; a tentative meeting is cancelled, and its owner told."""
    settle(request, lambda locked: write_failure(locked, failure))


def write_failure(request: BookingRequest, failure: str) -> None:
    meeting = Meeting.objects.select_related("calendar").filter(requests=request).first()
    finish(request, State.FAILED, failure)
    if meeting and meeting.is_pending and request.kind == Kind.CREATE:
        cancel_here(meeting)
        follow(meeting)
    if failure == WITHDRAWN:
        return
    if request.crm_id is not None:
        rep_answers.refuse(request, meeting)
    elif meeting and request.is_postponed:
        tell_end(request, meeting)
