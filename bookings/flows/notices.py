"""News for those who run a calendar: bookings that wait for calendar.live, their end, what attendees do, and double
bookings.

They go to Slack where there is a Slack connection, else by e-mail to the sales rep who has made the meeting in a CRM,
or to the calendar's owner.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from bookings.calendar_files import clean_line
from bookings.flows.letters import find_mailer
from bookings.models import Attendance, BookingRequest, Conflict, Meeting
from bookings.withholding import show_at
from integrations.effect_kinds import Done, Result, Skipped, Task, carries_out
from integrations.effects import plan
from integrations.models import Connection
from integrations.pairs import find_connection
from integrations.providers.email import client as email
from integrations.providers.slack import client as slack

SLACK_NOTICE, EMAIL_NOTICE, SLACK_CONFLICT = "slack.notice", "email.notice", "slack.conflict"


# Webhooks that come in another order than their events look like a double booking for a moment.
GRACE_S = 15


class News(StrEnum):
    """What has become of a request, or of a meeting that was booked here."""

    TENTATIVE = "tentative"
    CONFIRMED = "confirmed"
    RELEASED = "released"
    POSTPONED = "postponed"
    DONE = "done"
    GIVEN_UP = "given_up"
    ANSWERED = "answered"
    MOVED = "moved"
    CANCELLED = "cancelled"


SENTENCES = {
    News.TENTATIVE: "is tentative: calendar.live is away. It is confirmed or released once calendar.live is back.",
    News.CONFIRMED: "is confirmed: calendar.live has it now.",
    News.RELEASED: "was released: calendar.live did not take it.",
    News.POSTPONED: "is to be changed: calendar.live is away. The change is made once calendar.live is back.",
    News.DONE: "was changed as asked for: calendar.live has it now.",
    News.GIVEN_UP: "was not changed: calendar.live did not take the change.",
    News.MOVED: "was moved at calendar.live: this is its new time.",
    News.CANCELLED: "was cancelled at calendar.live.",
}
AFTER = {
    BookingRequest.Kind.CREATE: (News.TENTATIVE, News.CONFIRMED, News.RELEASED),
    BookingRequest.Kind.CHANGE: (News.POSTPONED, News.DONE, News.GIVEN_UP),
    BookingRequest.Kind.CANCEL: (News.POSTPONED, News.DONE, News.GIVEN_UP),
}


def tell_postponed(request: BookingRequest, meeting: Meeting) -> None:
    tell(request, meeting, AFTER[BookingRequest.Kind(request.kind)][0])


def tell_end(request: BookingRequest, meeting: Meeting) -> None:
    """How a request ended that had been postponed."""
    _, well, badly = AFTER[BookingRequest.Kind(request.kind)]
    tell(request, meeting, well if request.state == BookingRequest.State.CONFIRMED else badly)


def tell(request: BookingRequest, meeting: Meeting, news: News) -> None:
    plan_notice(meeting, f"{news}:{request.pk}", {"news": news})


def plan_notice(meeting: Meeting, key: str, parameters: Mapping[str, Any]) -> None:
    channel = find_connection("slack")
    kind, way = (SLACK_NOTICE, channel) if channel else (EMAIL_NOTICE, find_mailer(meeting))
    if way and (channel or find_reader(meeting)):
        subject = f"meeting:{meeting.pk}"
        plan(kind, connection_id=way.pk, subject=subject, key=f"{kind}:{key}", parameters=parameters)


def find_reader(meeting: Meeting) -> str:
    """The address of the sales rep who has made the meeting in a CRM, or else of the calendar's owner."""
    booking = BookingRequest.objects.filter(pk=meeting.pk).first()
    return str(booking.body.get("rep", "") if booking else "") or str(meeting.calendar.owner_email)


def announce_change(meeting: Meeting, before: Meeting) -> None:
    """Who booked through Keepsync hears what somebody else has changed: `before` is the meeting as it was."""
    is_cancelled = meeting.status == Meeting.Status.CANCELLED
    if before.status == Meeting.Status.CANCELLED:
        return
    if is_cancelled:
        plan_notice(meeting, f"{News.CANCELLED}:{meeting.pk}:{meeting.version}", {"news": News.CANCELLED})
    elif (meeting.start, meeting.end) != (before.start, before.end):
        plan_notice(meeting, f"{News.MOVED}:{meeting.pk}:{meeting.version}", {"news": News.MOVED})


def announce_answers(meeting: Meeting, attendances: Sequence[Attendance]) -> None:
    """Who booked through Keepsync hears who comes."""
    for attendance in attendances:
        parameters = {"news": News.ANSWERED, "attendance": attendance.pk}
        plan_notice(meeting, f"{News.ANSWERED}:{attendance.pk}:{meeting.version}", parameters)


def announce_conflict(conflict: Conflict) -> None:
    if channel := find_connection("slack"):
        subject, key = f"conflict:{conflict.pk}", f"{SLACK_CONFLICT}:{conflict.pk}"
        plan(SLACK_CONFLICT, connection_id=channel.pk, subject=subject, key=key, delay_s=GRACE_S)


# --- Sending ----------------------------------------------------------------------------------------------------------


@carries_out(SLACK_NOTICE, is_findable=False)
def send_to_slack(task: Task) -> Result:
    meeting = find_meeting(task)
    if meeting is None:
        return Skipped("The meeting is not there any more.")
    shown, note = show_at(task.connection, meeting)
    text = f"{describe(shown)} {slack.escape_text(write_sentence(task))} {open_it(meeting)}"
    return Done(slack.post_message(task.account, text), note=note)


@carries_out(EMAIL_NOTICE, is_findable=False)
def send_by_email(task: Task) -> Result:
    meeting = find_meeting(task)
    if meeting is None or not (reader := find_reader(meeting)):
        return Skipped("The meeting, or its calendar's owner, is not known any more.")
    context = {
        "title": show_at(task.connection, meeting)[0].title,
        "start": show_instant(meeting.start),
        "sentence": write_sentence(task),
        "address": address_of(meeting),
    }
    return send_letter(task, reader, context)


def send_letter(task: Task, to: str, context: Mapping[str, str]) -> Result:
    """Of `title`, `start`, `sentence` and the `address` to look it up at."""
    values = dict(context)
    email.send_message(
        task.account,
        email.Message(
            to=to,
            subject=clean_line(render_to_string("emails/notice.subject.txt", values)),
            text=render_to_string("emails/notice.txt", values),
            html=render_to_string("emails/notice.html", values),
            message_id=f"<{task.effect_id}@{settings.MAIL_DOMAIN}>",
        ),
    )
    return Done()


@carries_out(SLACK_CONFLICT, is_findable=False)
def send_conflict(task: Task) -> Result:
    rows = Conflict.objects.select_related("meeting__calendar", "other_meeting", "connection")
    found = rows.filter(pk=task.subject_id).first()
    if found is None or found.status != Conflict.Status.OPEN:
        return Skipped("The conflict is over.")
    opening = slack.link(settings.BASE_URL + reverse("admin:bookings_conflict_change", args=[found.pk]), "Settle it")
    return Done(slack.post_message(task.account, f"{describe_conflict(found, task.connection)} {opening}"))


def describe_conflict(conflict: Conflict, channel: Connection) -> str:
    """In Slack's own markup. The values are not in it: they are to be read in Keepsync."""
    if conflict.kind == Conflict.Kind.FIELD:
        what = describe(show_at(channel, conflict.meeting)[0]) if conflict.meeting else "a contact"
        both = f"here and at {slack.escape_text(str(conflict.connection))}"
        return f"*Changed on both sides*: {slack.escape_text(conflict.field)} of {what}, {both}."
    met = [describe(show_at(channel, each)[0]) for each in (conflict.meeting, conflict.other_meeting) if each]
    calendar = slack.escape_text(conflict.meeting.calendar.name) if conflict.meeting else ""
    return f"*Double booking* on “{calendar}”: {' and '.join(met)}."


def find_meeting(task: Task) -> Meeting | None:
    return Meeting.objects.select_related("calendar").filter(pk=task.subject_id).first()


def write_sentence(task: Task) -> str:
    """Without markup."""
    news = News(task.parameters["news"])
    if news != News.ANSWERED:
        return SENTENCES[news]
    attendance = Attendance.objects.filter(pk=task.parameters["attendance"]).first()
    if attendance is None:
        return "has an attendee less."
    return f"has an answer from {attendance.full_name or attendance.email}: {attendance.get_response_display()}."


def describe(meeting: Meeting) -> str:
    """In Slack's own markup."""
    return f"“{slack.escape_text(meeting.title or 'A meeting')}” ({show_instant(meeting.start)})"


def show_instant(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def open_it(meeting: Meeting) -> str:
    return slack.link(address_of(meeting), "Open it in Keepsync")


def address_of(meeting: Meeting) -> str:
    return settings.BASE_URL + reverse("admin:bookings_meeting_change", args=[meeting.pk])
