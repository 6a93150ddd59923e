"""What a sales rep hears of a meeting that was made, changed or deleted in a CRM, and is not so at calendar.live.

It goes to Slack where there is a Slack connection, else by e-mail to the record's owner, else to the calendar's.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.urls import reverse

from bookings.flows.letters import find_mailer_of
from bookings.flows.notices import address_of, find_reader, send_letter, show_instant
from bookings.models import BookingRequest, Calendar, Meeting, MeetingLink
from bookings.suggestions import suggest
from bookings.timezones import parse_utc
from integrations.calls import use_account
from integrations.effect_kinds import Done, Result, Skipped, Task, carries_out
from integrations.effects import plan
from integrations.exceptions import KeepsyncError
from integrations.mappings import get_crm
from integrations.models import Connection, OwnerMapping, Pair
from integrations.pairs import find_connection
from integrations.providers import name_provider
from integrations.providers.calendar_live.client import Interval
from integrations.providers.slack import client as slack

SLACK, EMAIL = "slack.rep_notice", "email.rep_notice"
Kind = BookingRequest.Kind

OUTCOMES = {Kind.CREATE: "was not booked", Kind.CHANGE: "was not changed", Kind.CANCEL: "was not cancelled"}
REASONS = {
    "slot_taken": "that time is taken",
    "no_time": "it has no start, or no end that comes after it and within 31 days",
    "nobody": "none of its contacts has an e-mail address",
    "no_calendar": "no calendar belongs to its owner, and the connection's option calendar_id names none",
    "several_calendars": "several calendars belong to its owner, and the connection's option calendar_id names none",
    "too_late": "calendar.live was away until its time had come",
    "cancelled": "it is cancelled at calendar.live. Make a new one",
    "changed_meanwhile": "somebody has changed the same at calendar.live meanwhile",
    "gone": "calendar.live does not have it any more",
    "blocked": "what calendar.live has of it counts",
}
OTHERWISE = "calendar.live does not accept it"
GONE = Skipped("It is not there any more.")


# --- Planning ---------------------------------------------------------------------------------------------------------


def tell_of_request(request: BookingRequest) -> None:
    parameters = {"request": str(request.pk), "failure": request.failure}
    plan_notice(request.crm_id, request.record_id, f"{request.pk}", parameters)


def tell_of_meeting(link: MeetingLink, failure: str, wished: Mapping[str, str]) -> None:
    """Of a change of a linked record that was not asked for. Once for each time that something was brought there."""
    sent = link.pushed_at.isoformat() if link.pushed_at else ""
    times = {name: wished[name] for name in ("start", "end") if name in wished}
    parameters = {"meeting": str(link.meeting_id), "failure": failure, **times}
    plan_notice(link.connection_id, link.external_id, f"{link.pk}:{failure}:{sent}", parameters)


def tell_of_record(crm: Connection, record_id: str, **parameters: str) -> None:
    """Of a record that cannot be booked: `failure` and, where they are known, its `owner` over there and `start`."""
    key = f"{crm.pk}:{record_id}:{parameters['failure']}:{parameters.get('start', '')}"
    plan_notice(crm.pk, record_id, key, parameters)


def plan_notice(crm_id: int | None, record_id: str, key: str, parameters: Mapping[str, str]) -> None:
    channel = find_connection("slack")
    kind, way = (SLACK, channel) if channel else (EMAIL, find_mailer_of_crm(crm_id))
    if way:
        plan(
            kind,
            connection_id=way.pk,
            subject=f"record:{record_id}",
            key=f"{kind}:{key}"[:255],
            parameters={"crm": crm_id, **parameters},
        )


def find_mailer_of_crm(crm_id: int | None) -> Connection | None:
    """That of the first calendar which the CRM is paired with."""
    pair = Pair.objects.filter(crm=crm_id).select_related("calendar").order_by("id").first()
    return find_mailer_of(pair.calendar) if pair else None


# --- What it is about -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Matter:
    """`times` are those that were wished; `outcome` is in words; `reader` may be empty."""

    outcome: str
    address: str
    reader: str
    title: str = ""
    start: datetime | None = None
    calendar: Calendar | None = None
    times: Interval | None = None
    meeting_id: UUID | None = None


def read_matter(task: Task) -> Matter | None:
    """None where it is not there any more."""
    if "request" in task.parameters:
        rows = BookingRequest.objects.select_related("calendar__connection", "meeting__calendar")
        request = rows.filter(pk=task.parameters["request"]).first()
        return read_request(request, task) if request else None
    if "meeting" in task.parameters:
        meeting = Meeting.objects.select_related("calendar__connection").filter(pk=task.parameters["meeting"]).first()
        return read_meeting(meeting, OUTCOMES[Kind.CHANGE], task.parameters) if meeting else None
    return read_record(task)


def read_request(request: BookingRequest, task: Task) -> Matter:
    """Of a change, the meeting as it stays, with the times that were wished; of a booking, what was to be booked."""
    body, outcome = request.body, OUTCOMES[Kind(request.kind)]
    if request.meeting:
        return replace(read_meeting(request.meeting, outcome, body), calendar=request.calendar)
    times = (parse_utc(body["start"]), parse_utc(body["end"])) if body else None
    return Matter(
        outcome,
        address=list_effects_of(task),
        reader=body.get("rep") or request.calendar.owner_email,
        title=body.get("title", ""),
        start=times[0] if times else None,
        calendar=request.calendar,
        times=times,
    )


def read_meeting(meeting: Meeting, outcome: str, wished: Mapping[str, str]) -> Matter:
    start, end = (parse_utc(wished[name]) if name in wished else getattr(meeting, name) for name in ("start", "end"))
    return Matter(
        outcome,
        address=address_of(meeting),
        reader=find_reader(meeting),
        title=meeting.title,
        start=meeting.start,
        calendar=meeting.calendar,
        times=(start, end),
        meeting_id=meeting.pk,
    )


def read_record(task: Task) -> Matter:
    """What cannot be booked has no row here: the record's number names it, and its owner is looked up over there."""
    start = task.parameters.get("start")
    crm = Connection.objects.get(pk=task.parameters["crm"])
    return Matter(
        OUTCOMES[Kind.CREATE],
        address=list_effects_of(task),
        reader=next(iter(find_owner_emails(crm, task.parameters.get("owner", ""))), ""),
        title=f"Record {task.subject_id} of {name_provider(crm.provider)}",
        start=parse_utc(start) if start else None,
    )


def find_owner_emails(crm: Connection, owner_id: str) -> list[str]:
    """Of a CRM's user: of the one of ours who is mapped to it, and as the CRM says, if it does."""
    if not owner_id:
        return []
    mapped = OwnerMapping.objects.filter(connection=crm, external_id=owner_id)
    found = [email for email in mapped.values_list("user__email", flat=True) if email]
    with suppress(KeepsyncError):
        found.append(use_account(crm, lambda account: get_crm(crm).find_owner_email(account, owner_id)))
    return list(dict.fromkeys(filter(None, found)))


def list_effects_of(task: Task) -> str:
    """The address of all that was tried for the record."""
    return f"{settings.BASE_URL}{reverse('admin:integrations_effect_changelist')}?{urlencode({'q': task.subject})}"


# --- Sending ----------------------------------------------------------------------------------------------------------


@carries_out(SLACK, is_findable=False)
def send_to_slack(task: Task) -> Result:
    matter = read_matter(task)
    if matter is None:
        return GONE
    what = f"“{slack.escape_text(matter.title or 'A meeting')}”{show_start(matter, ' ({})')}"
    opening = slack.link(matter.address, "Open it in Keepsync")
    return Done(slack.post_message(task.account, f"{what} {slack.escape_text(write_sentence(task, matter))} {opening}"))


@carries_out(EMAIL, is_findable=False)
def send_by_email(task: Task) -> Result:
    matter = read_matter(task)
    if matter is None:
        return GONE
    if not matter.reader:
        return Skipped("The address of the record's owner is not known.")
    context = {
        "title": matter.title,
        "start": show_start(matter, "{}"),
        "sentence": write_sentence(task, matter),
        "address": matter.address,
    }
    return send_letter(task, matter.reader, context)


def write_sentence(task: Task, matter: Matter) -> str:
    """Without markup."""
    failure = task.parameters["failure"]
    free = list_alternatives(matter) if failure == "slot_taken" else []
    offer = f" Free near it: {', '.join(show_instant(start) for start, _ in free)}." if free else ""
    return f"{matter.outcome}: {REASONS.get(failure, OTHERWISE)}.{offer}"


def list_alternatives(matter: Matter) -> list[Interval]:
    """As it is now; none while calendar.live does not answer."""
    if matter.calendar and matter.times:
        with suppress(KeepsyncError):
            return suggest(matter.calendar, matter.times, ignoring=matter.meeting_id)
    return []


def show_start(matter: Matter, form: str) -> str:
    return form.format(show_instant(matter.start)) if matter.start else ""
