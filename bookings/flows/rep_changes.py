"""What a sales rep has changed about a meeting in a CRM is asked of calendar.live, as far as the pair lets it.

What may not be, and what calendar.live does not take, is put right over there, and the rep is told.
"""

from collections.abc import Mapping
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from bookings.amending import amend
from bookings.booking_requests import add_of_record
from bookings.exceptions import TakenError
from bookings.flows.crm_booking import keep_place_now, plan_settling
from bookings.flows.rep_answers import BLOCKED, refuse_change
from bookings.inputs import LONGEST
from bookings.models import BookingRequest, Meeting, MeetingLink
from bookings.ordering import make_change, withdraw
from bookings.record_changes import MeetingChange
from bookings.sync import UPSERT
from bookings.timezones import parse_utc
from integrations.effect_kinds import Done, Result, Skipped
from integrations.exceptions import LeaseLostError, TransientError
from integrations.models import Effect, Pair
from integrations.ownership import Record, log_writes, read_rules
from integrations.providers.crm import MeetingRecord

Kind = BookingRequest.Kind
Status = Effect.Status
SAME = Skipped("Nothing has changed over there.")
NOT_THERE = Skipped("The record is not there any more.")
NOT_PAIRED = Skipped("The CRM is not paired with the meeting's calendar any more.")
IS_OVER = Skipped("It was deleted over there, and its time is over.")
PUT_RIGHT = Skipped("What was changed over there may not be: it is put right.")
LEFT = Skipped("What was changed over there is not taken over: the writes of its fields say why.")


def take(link: MeetingLink, record: MeetingRecord | None, seen: MeetingLink | None) -> Result:
    """`seen` is the link as it was before the record was fetched. Raises TransientErrors."""
    pair = Pair.objects.filter(crm=link.connection, calendar=link.meeting.connection).first()
    if pair is None:
        return NOT_PAIRED
    if record is None and not link.is_gone:
        return NOT_THERE
    with transaction.atomic():
        locked = MeetingLink.objects.select_for_update(no_key=True, of=("self",)).select_related(
            "connection", "meeting__calendar__connection", "meeting__connection"
        )
        link = locked.get(pk=link.pk)
        result, asked = take_locked(link, record, pair, seen)
    for request in asked:
        keep_place_now(request.pk)
    return result


type Taken = tuple[Result, list[BookingRequest]]


def take_locked(link: MeetingLink, record: MeetingRecord | None, pair: Pair, seen: MeetingLink | None) -> Taken:
    """What came of it, and what calendar.live is to be asked for."""
    meeting = link.meeting
    if record is None and meeting.end <= timezone.now():
        return IS_OVER, []
    change = MeetingChange(meeting, link, record, rules=read_rules(pair, Record.MEETING))
    change.take_all()
    if change.is_news:
        check_quiet(link, seen)
    if record is not None:
        link.is_gone = False
    link.save(update_fields=["exchanged", "disputed", "is_gone"])
    log_writes(link.connection_id, f"meeting:{meeting.pk}", change.verdicts)
    if change.is_to_be_put_right:
        is_over = meeting.status == Meeting.Status.CANCELLED
        refuse_change(link, "cancelled" if is_over else BLOCKED, change.refused)
    if change.asked:
        return order(link, change.asked)
    return (PUT_RIGHT if change.is_to_be_put_right else LEFT if change.is_news else SAME), []


def check_quiet(link: MeetingLink, seen: MeetingLink | None) -> None:
    """Raises TransientError where a push was on its way when the record was fetched: nobody knows who wrote what."""
    pushes = Effect.objects.filter(connection=link.connection, kind=UPSERT, subject=f"meeting:{link.meeting_id}")
    in_doubt = pushes.filter(status__in=(Status.RETRYING, Status.WAITING), attempts__gt=0)
    is_moved = seen is None or (seen.pushed_hash, seen.pushed_at) != (link.pushed_hash, link.pushed_at)
    if is_moved or pushes.filter(status=Status.RUNNING).exists() or in_doubt.exists():
        raise TransientError("A change of ours is on its way there: the record is looked at again after it.")


def order(link: MeetingLink, asked: Mapping[str, str]) -> Taken:
    """Ask for a change or a cancellation, each by an effect of its own."""
    if asked.get("status"):
        return cancel(link)
    meeting = link.meeting
    if meeting.status == Meeting.Status.CANCELLED:
        return refuse(link, "cancelled", asked)
    if not has_length(meeting, asked):
        return refuse(link, "no_time", asked)
    request = make_change(meeting, asked, meeting.calendar)
    if request is None:
        return SAME, []
    if meeting.is_pending:
        return change_pending(link, request)
    return leave(link, request)


def refuse(link: MeetingLink, failure: str, asked: Mapping[str, str]) -> Taken:
    refuse_change(link, failure, asked)
    return PUT_RIGHT, []


def has_length(meeting: Meeting, asked: Mapping[str, str]) -> bool:
    start, end = (parse_utc(asked[name]) if name in asked else getattr(meeting, name) for name in ("start", "end"))
    return timedelta(0) < end - start <= LONGEST


def change_pending(link: MeetingLink, request: BookingRequest) -> Taken:
    """Of a meeting that calendar.live was not asked for yet, the booking itself becomes another one."""
    try:
        if amend(link.meeting, request.body, request.calendar):
            return Done(), []
    except TakenError:
        return refuse(link, "slot_taken", request.body)
    except LeaseLostError as error:
        raise TransientError(str(error)) from error
    return leave(link, request)


def cancel(link: MeetingLink) -> Taken:
    """An occurrence of a series is cancelled alone; a series as a whole."""
    meeting = link.meeting
    try:
        if meeting.is_pending and withdraw(meeting):
            return Done(), []
    except LeaseLostError as error:
        raise TransientError(str(error)) from error
    request = BookingRequest(
        kind=Kind.CANCEL, connection=meeting.connection, calendar=meeting.calendar, meeting=meeting
    )
    return leave(link, request)


def leave(link: MeetingLink, request: BookingRequest) -> Taken:
    """To an effect of calendar.live's connection."""
    add_of_record(request, link.connection_id, link.external_id)
    plan_settling(request)
    return Done(), [request]
