"""E-mails to attendees: the link to pay, the confirmation with the link to join, and its cancellation.

Everything else is calendar.live's to send. The option `send_emails=0` of the calendar.live connection stops these too.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.conf import settings
from django.db.models import Q, QuerySet
from django.template.loader import render_to_string
from django.utils import timezone

from bookings.calendar_files import clean_line, make_calendar_file
from bookings.flows.admission import list_attending, stands, wants_zoom
from bookings.models import Attendance, Invitation, Meeting, Payment
from bookings.timezones import zone
from contacts.consent import ALWAYS_ALLOWED, may_contact
from contacts.models import Consent, Contact
from integrations.effect_kinds import Done, Result, Skipped, Task, carries_out
from integrations.effects import plan
from integrations.models import Connection, Effect
from integrations.providers.email import client as email
from integrations.retries import Cause

type Method = Literal["PUBLISH", "CANCEL"]
type Person = Invitation | Attendance

CONFIRMATION, CANCELLATION, PAYMENT_LINK = "email.confirmation", "email.cancellation", "email.payment_link"
Status = Effect.Status
Purpose = Consent.Purpose
# Why a letter was left out that is wanted after all if the booking turns once more.
CAME_TOO_LATE = "The booking was cancelled before the confirmation went out."
STANDS_AGAIN = "The booking stands."
NOBODY = "There is nobody to write to: the person was erased, or has no address."


@dataclass(frozen=True, slots=True)
class Letter:
    """What a kind of letter is made of, and what it is for: see contacts/consent.py for who may be written to."""

    template: str
    method: Method | None
    purpose: Consent.Purpose


LETTERS = {
    CONFIRMATION: Letter("confirmation", "PUBLISH", Purpose.TRANSACTIONAL),
    CANCELLATION: Letter("cancellation", "CANCEL", Purpose.TRANSACTIONAL),
    PAYMENT_LINK: Letter("payment_link", None, Purpose.TRANSACTIONAL),
}


def find_mailer(meeting: Meeting) -> Connection | None:
    """The connection that letters go through, made at the first one. None where this calendar sends none."""
    return find_mailer_of(meeting.connection)


def find_mailer_of(calendar_live: Connection) -> Connection | None:
    """The same of a calendar.live connection."""
    if calendar_live.options.get("send_emails", "1") == "0":
        return None
    mailer = Connection.objects.filter(provider="email").order_by("id").first()
    if mailer is None:
        mailer, _ = Connection.objects.get_or_create(slug="email", defaults={"provider": "email"})
    return None if mailer.status == Connection.Status.DISABLED else mailer


# --- Planning ---------------------------------------------------------------------------------------------------------


def plan_confirmation(meeting: Meeting, invitation: Invitation, *, turns: int = 0) -> None:
    """One confirmation for each link that an attendee gets, and one more each time that it was taken back.

    `turns`: how often that was, beyond what the ledger says.
    """
    if mailer := find_mailer(meeting):
        taken_back = Q(kind=CANCELLATION, status=Status.SUCCEEDED) | Q(kind=CONFIRMATION, close_reason=CAME_TOO_LATE)
        turns += list_letters(invitation).filter(taken_back).count()
        key = f"{CONFIRMATION}:{invitation.pk}:{turns}:{digest(find_url(meeting, invitation))}"
        plan(CONFIRMATION, connection_id=mailer.pk, subject=f"invitation:{invitation.pk}", key=key)


def plan_cancellation(meeting: Meeting, invitation: Invitation) -> None:
    """One cancellation for those who had got a confirmation, or may be getting one at this moment."""
    letters = list_letters(invitation)
    latest = letters.filter(kind=CONFIRMATION).order_by("-id").first()
    if latest and (mailer := find_mailer(meeting)):
        turns = letters.filter(kind=CANCELLATION, close_reason=STANDS_AGAIN).count()
        key = f"{CANCELLATION}:{invitation.pk}:{latest.pk}:{turns}"
        plan(CANCELLATION, connection_id=mailer.pk, subject=f"invitation:{invitation.pk}", key=key)


def plan_payment_link(meeting: Meeting, payment: Payment) -> None:
    if mailer := find_mailer(meeting):
        key = f"{PAYMENT_LINK}:{payment.pk}"
        plan(PAYMENT_LINK, connection_id=mailer.pk, subject=f"meeting:{meeting.pk}", key=key)


def list_letters(invitation: Invitation) -> QuerySet[Effect]:
    return Effect.objects.filter(subject=f"invitation:{invitation.pk}", kind__in=(CONFIRMATION, CANCELLATION))


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
        return Skipped(CAME_TOO_LATE)
    meeting = invitation.meeting
    url = find_url(meeting, invitation)
    if not task.key.endswith(digest(url)):
        return Skipped("There is a newer link, with a confirmation of its own.")
    return send(task, CONFIRMATION, meeting=meeting, to=invitation, url=url, record=lambda: note_confirmed(invitation))


@carries_out(CANCELLATION, is_findable=False)
def send_cancellation(task: Task) -> Result:
    invitation = find_invitation(task)
    if invitation is None or not holds_confirmation(invitation):
        return Skipped("No confirmation was sent that could be taken back.")
    if is_coming(invitation) and stands(invitation.meeting):
        return Skipped(STANDS_AGAIN)
    meeting = invitation.meeting
    return send(task, CANCELLATION, meeting=meeting, to=invitation, record=lambda: note_cancelled(invitation))


@carries_out(PAYMENT_LINK, is_findable=False)
def send_payment_link(task: Task) -> Result:
    payment = Payment.objects.select_related("meeting").filter(pk=task.key.rpartition(":")[2]).first()
    payer = payment.meeting.attendances.order_by("id").first() if payment and payment.meeting else None
    if payment is None or payment.meeting is None or payer is None or not is_payable(payment, payment.meeting):
        return Skipped("There is nothing to pay any more.")
    return send(task, PAYMENT_LINK, meeting=payment.meeting, to=payer, url=payment.url)


def find_invitation(task: Task) -> Invitation | None:
    return Invitation.objects.select_related("meeting__calendar").filter(pk=task.subject_id).first()


def is_wanted(invitation: Invitation) -> bool:
    """Whether this attendee still comes, and the meeting still has the link that Keepsync made."""
    meeting = invitation.meeting
    return bool(meeting.made_join_url) and is_coming(invitation) and wants_zoom(meeting)


def is_coming(invitation: Invitation) -> bool:
    return list_attending(invitation.meeting).filter(attendee_id=invitation.attendee_id).exists()


def holds_confirmation(invitation: Invitation) -> bool:
    """Whether one was sent that has not been taken back. One of which nobody knows whether it arrived counts."""
    letters = list_letters(invitation)
    taken_back = letters.filter(kind=CANCELLATION, status=Status.SUCCEEDED).order_by("-id").first()
    sent = Q(status=Status.SUCCEEDED) | Q(status=Status.WAITING, cause=Cause.UNKNOWN_OUTCOME)
    confirmations = letters.filter(sent, kind=CONFIRMATION)
    return (confirmations.filter(pk__gt=taken_back.pk) if taken_back else confirmations).exists()


def is_payable(payment: Payment, meeting: Meeting) -> bool:
    return payment.status == Payment.Status.UNPAID and meeting.status != Meeting.Status.CANCELLED


def note_confirmed(invitation: Invitation) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(confirmed_at=timezone.now())


def note_cancelled(invitation: Invitation) -> None:
    """Where the booking has turned while the letter was sent, a confirmation follows it."""
    Invitation.objects.filter(pk=invitation.pk).update(confirmed_at=None)
    latest = Invitation.objects.select_related("meeting__connection").get(pk=invitation.pk)
    if is_wanted(latest):
        plan_confirmation(latest.meeting, latest, turns=1)


def send(
    task: Task,
    kind: str,
    *,
    meeting: Meeting,
    to: Person,
    url: str = "",
    record: Callable[[], None] = lambda: None,
) -> Result:
    """Send a letter, unless its reader may not be written to for what it is for."""
    letter = LETTERS[kind]
    if objection := find_objection(meeting, to, letter.purpose):
        return Skipped(objection)
    context: dict[str, Any] = {
        "meeting": meeting,
        "name": to.full_name,
        "url": url,
        "start": read_wall_clock(meeting.start, meeting.timezone),
        "end": read_wall_clock(meeting.end, meeting.timezone),
    }
    template, method = letter.template, letter.method
    email.send_message(
        task.account,
        email.Message(
            to=to.email,
            subject=clean_line(render_to_string(f"emails/{template}.subject.txt", context)),
            text=render_to_string(f"emails/{template}.txt", context),
            html=render_to_string(f"emails/{template}.html", context),
            message_id=f"<{task.effect_id}@{settings.MAIL_DOMAIN}>",
            attachments=(attach_calendar_file(meeting, to, method=method, url=url),) if method else (),
        ),
    )
    return Done(record=record)


def find_objection(meeting: Meeting, to: Person, purpose: Consent.Purpose) -> str:
    """Why this person may not be written to; empty where nothing is against it."""
    contact = Contact.objects.filter(attendances__meeting=meeting, attendances__attendee_id=to.attendee_id).first()
    if not to.email or (contact and contact.erased_at):
        return NOBODY
    # Who was taken off the booking is no contact of it any more, and has agreed to nothing.
    is_allowed = may_contact(contact, purpose, Consent.Channel.EMAIL) if contact else purpose in ALWAYS_ALLOWED
    return "" if is_allowed else f"The person has not agreed to be written to by e-mail: {purpose.label}."


def read_wall_clock(instant: datetime, timezone_name: str) -> datetime:
    """Without its offset: a template would show an aware one in UTC."""
    return instant.astimezone(zone(timezone_name)).replace(tzinfo=None)


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
    return email.Attachment("invite.ics", content, f"text/calendar; method={method}")
