"""E-mails to attendees: the link to pay, the confirmation with the link to join, and its cancellation.

Everything else is calendar.live's to send. The option `send_emails=0` of the calendar.live connection stops these too.
"""

import hashlib
from typing import Any, Literal

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from bookings.calendar_files import make_calendar_file
from bookings.models import Attendance, Invitation, Meeting, Payment
from bookings.timezones import zone
from integrations.effects import Done, Result, Skipped, Task, carries_out, plan
from integrations.models import Connection, Effect
from integrations.providers.email import client as email

type Method = Literal["PUBLISH", "CANCEL"]
type Person = Invitation | Attendance

CONFIRMATION, CANCELLATION, PAYMENT_LINK = "email.confirmation", "email.cancellation", "email.payment_link"


def find_mailer(meeting: Meeting) -> Connection | None:
    """The connection that letters go through, made at the first one. None where this calendar sends none."""
    if meeting.connection.options.get("send_emails", "1") == "0":
        return None
    mailer = Connection.objects.filter(provider="email").order_by("id").first()
    if mailer is None:
        mailer, _ = Connection.objects.get_or_create(slug="email", defaults={"provider": "email"})
    return None if mailer.status == Connection.Status.DISABLED else mailer


# --- Planning ---------------------------------------------------------------------------------------------------------


def plan_confirmation(meeting: Meeting, invitation: Invitation) -> None:
    """One confirmation for each link that an attendee gets."""
    if mailer := find_mailer(meeting):
        key = f"{CONFIRMATION}:{invitation.pk}:{digest(find_url(meeting, invitation))}"
        plan(CONFIRMATION, connection_id=mailer.pk, subject=f"invitation:{invitation.pk}", key=key)


def plan_cancellation(meeting: Meeting, invitation: Invitation) -> None:
    """One cancellation for those who had got a confirmation, or may be getting one at this moment."""
    confirmations = Effect.objects.filter(kind=CONFIRMATION, subject=f"invitation:{invitation.pk}")
    latest = confirmations.order_by("-id").first()
    if latest and (mailer := find_mailer(meeting)):
        key = f"{CANCELLATION}:{invitation.pk}:{latest.pk}"
        plan(CANCELLATION, connection_id=mailer.pk, subject=f"invitation:{invitation.pk}", key=key)


def plan_payment_link(meeting: Meeting, payment: Payment) -> None:
    if mailer := find_mailer(meeting):
        key = f"{PAYMENT_LINK}:{payment.pk}"
        plan(PAYMENT_LINK, connection_id=mailer.pk, subject=f"meeting:{meeting.pk}", key=key)


def find_url(meeting: Meeting, invitation: Invitation) -> str:
    """The personal link where there is one, else the meeting's."""
    return str(invitation.join_url or meeting.made_join_url)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# --- Sending ----------------------------------------------------------------------------------------------------------


@carries_out(CONFIRMATION, is_findable=False)
def send_confirmation(task: Task) -> Result:
    invitation = find_invitation(task)
    if invitation is None or not is_wanted(invitation):
        return Skipped("The booking was cancelled before the confirmation went out.")
    meeting = invitation.meeting
    url = find_url(meeting, invitation)
    if not task.key.endswith(digest(url)):
        return Skipped("There is a newer link, with a confirmation of its own.")
    send(task, meeting, invitation, template="confirmation", method="PUBLISH", url=url)
    return Done(record=lambda: note_confirmed(invitation))


@carries_out(CANCELLATION, is_findable=False)
def send_cancellation(task: Task) -> Result:
    invitation = find_invitation(task)
    if invitation is None or invitation.confirmed_at is None:
        return Skipped("No confirmation was sent that could be taken back.")
    if is_wanted(invitation):
        return Skipped("The booking stands again.")
    send(task, invitation.meeting, invitation, template="cancellation", method="CANCEL", url="")
    return Done(record=lambda: note_cancelled(invitation))


@carries_out(PAYMENT_LINK, is_findable=False)
def send_payment_link(task: Task) -> Result:
    payment = Payment.objects.select_related("meeting").filter(pk=task.key.rpartition(":")[2]).first()
    payer = payment.meeting.attendances.order_by("id").first() if payment and payment.meeting else None
    if payment is None or payment.meeting is None or payer is None or payment.status != Payment.Status.UNPAID:
        return Skipped("There is nothing to pay any more.")
    send(task, payment.meeting, payer, template="payment_link", method=None, url=payment.url)
    return Done()


def find_invitation(task: Task) -> Invitation | None:
    return Invitation.objects.select_related("meeting__calendar").filter(pk=task.subject_id).first()


def is_wanted(invitation: Invitation) -> bool:
    """Whether this attendee still comes, and the meeting still has the link that Keepsync made."""
    meeting = invitation.meeting
    attending = meeting.attendances.filter(attendee_id=invitation.attendee_id)
    is_coming = attending.exclude(response=Attendance.Response.DECLINED).exists()
    return is_coming and meeting.status == Meeting.Status.CONFIRMED and bool(meeting.made_join_url)


def note_confirmed(invitation: Invitation) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(confirmed_at=timezone.now())


def note_cancelled(invitation: Invitation) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(confirmed_at=None)


def send(task: Task, meeting: Meeting, to: Person, *, template: str, method: Method | None, url: str) -> None:
    context: dict[str, Any] = {
        "meeting": meeting,
        "name": to.full_name,
        "url": url,
        "start": meeting.start.astimezone(zone(meeting.timezone)),
        "end": meeting.end.astimezone(zone(meeting.timezone)),
    }
    email.send_message(
        task.account,
        email.Message(
            to=to.email,
            subject=" ".join(render_to_string(f"emails/{template}.subject.txt", context).split()),
            text=render_to_string(f"emails/{template}.txt", context),
            html=render_to_string(f"emails/{template}.html", context),
            message_id=f"<{task.effect_id}@{settings.MAIL_DOMAIN}>",
            attachments=(attach_calendar_file(meeting, to, method=method, url=url),) if method else (),
        ),
    )


def attach_calendar_file(meeting: Meeting, to: Person, *, method: Method, url: str) -> email.Attachment:
    content = make_calendar_file(
        method=method,
        uid=meeting.calendar_event_uid,
        sequence=meeting.version,
        start=meeting.start,
        end=meeting.end,
        summary=meeting.title,
        description=meeting.description,
        url=url,
        organizer_email=meeting.calendar.owner_email,
        attendee_email=to.email,
        attendee_name=to.full_name,
        rrule=meeting.rrule,
        exdates=meeting.exdates,
        timezone=meeting.timezone,
        now=timezone.now(),
    )
    return email.Attachment("invite.ics", content, "text/calendar")
