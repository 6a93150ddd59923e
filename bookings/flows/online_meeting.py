"""Flow B, the meeting: a Zoom meeting that follows its booking, and everybody's way into it.

1. An event for Zoom that has no link of its own, is confirmed, and is paid if it costs money, gets a Zoom meeting.
2. Where several may come, each attendee becomes a registrant, with a personal link, as far as places go.
3. Everybody gets a confirmation with the link, and the CRMs learn it.
4. A reschedule moves the Zoom meeting, a cancellation or a refund takes it back, with a letter to those who had got a
   confirmation. One that somebody deleted in Zoom is made anew, and the new link is passed on.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from django.utils import timezone

from bookings import sync
from bookings.flows import letters
from bookings.flows.admission import list_attending, wants_zoom
from bookings.models import Attendance, Invitation, Meeting, MeetingLink
from bookings.withholding import show_at
from integrations import mappings
from integrations.effect_kinds import Done, Result, Skipped, Task, carries_out
from integrations.effects import OPEN, plan
from integrations.exceptions import MissingError, PermanentError
from integrations.models import Effect
from integrations.pairs import find_connection
from integrations.providers.zoom import client as zoom

MEETING, REGISTRANT = "zoom.meeting", "zoom.registrant"


def follow(meeting: Meeting) -> None:
    """Bring the Zoom meeting and the invitations to where the booking is."""
    link = find_link(meeting)
    account = link.connection if link else find_connection("zoom")
    if account is None:
        return
    subject = f"meeting:{meeting.pk}"
    if link is None and not wants_zoom(meeting) and not is_under_way(account.pk, MEETING, subject):
        return
    plan(MEETING, connection_id=account.pk, subject=subject)
    if link is not None:
        invite(meeting, link)


def is_under_way(connection_id: int, kind: str, subject: str) -> bool:
    """Whether something is being brought there that nothing is recorded of yet."""
    mine = Effect.objects.filter(connection=connection_id, kind=kind, subject=subject)
    return mine.filter(status__in=OPEN).exists()


def find_link(meeting: Meeting) -> MeetingLink | None:
    return MeetingLink.objects.select_related("connection").filter(meeting=meeting, connection__provider="zoom").first()


def read_capacity(meeting: Meeting) -> int:
    return (meeting.event_type or {}).get("capacity") or 1


# --- The meeting ------------------------------------------------------------------------------------------------------


@carries_out(MEETING, is_state=True)
def bring_meeting(task: Task) -> Result:
    meeting = Meeting.objects.filter(pk=task.subject_id).first()
    if meeting is None:
        return Skipped("The meeting is not there any more.")
    link = MeetingLink.objects.filter(meeting=meeting, connection=task.connection).first()
    if not wants_zoom(meeting):
        return remove(task, meeting, link) if link else remove_unrecorded(task, meeting)
    shown, note = show_at(task.connection, meeting)
    spec = make_spec(shown)
    if link is None or link.is_gone:
        return create(task, meeting, spec, note)
    if link.pushed_hash == hash_spec(spec):
        return Skipped("Nothing has changed since it was last sent.")
    try:
        zoom.update_meeting(task.account, link.external_id, spec)
    except MissingError:
        return create(task, meeting, spec, note)
    return Done(link.external_id, lambda: record_push(link, spec), note)


def make_spec(meeting: Meeting) -> zoom.MeetingSpec:
    minutes = max(1, round((meeting.end - meeting.start).total_seconds() / 60))
    return zoom.MeetingSpec(
        key=str(meeting.pk),
        topic=meeting.title or "Meeting",
        agenda=meeting.description,
        start=meeting.start,
        duration_min=minutes,
        timezone=meeting.timezone,
        needs_registration=read_capacity(meeting) > 1,
    )


def hash_spec(spec: zoom.MeetingSpec) -> str:
    return mappings.hash_values({name: getattr(spec, name) for name in spec.__slots__})


def create(task: Task, meeting: Meeting, spec: zoom.MeetingSpec, note: str) -> Done:
    made = zoom.create_meeting(task.account, spec, may_exist=task.is_repeat)
    return Done(made.external_id, lambda: record_meeting(task, meeting.pk, spec, made), note)


def record_meeting(task: Task, meeting_id: Any, spec: zoom.MeetingSpec, made: zoom.OnlineMeeting) -> None:
    """The link is ours from now on: people, CRMs and registrations get it."""
    meeting = Meeting.objects.select_for_update(no_key=True).get(pk=meeting_id)
    link, _ = MeetingLink.objects.update_or_create(
        meeting=meeting,
        connection=task.connection,
        defaults={"external_id": made.external_id, "is_gone": False, "pushed_hash": hash_spec(spec)},
    )
    record_push(link, spec)
    meeting.made_join_url = made.join_url
    meeting.save(update_fields=["made_join_url", "updated_at"])
    invite(meeting, link)
    sync.follow(meeting)


def record_push(link: MeetingLink, spec: zoom.MeetingSpec) -> None:
    MeetingLink.objects.filter(pk=link.pk).update(pushed_hash=hash_spec(spec), pushed_at=timezone.now())


def remove(task: Task, meeting: Meeting, link: MeetingLink) -> Done:
    if not link.is_gone:
        zoom.delete_meeting(task.account, link.external_id)
    return Done(link.external_id, lambda: record_removal(meeting.pk, link))


def remove_unrecorded(task: Task, meeting: Meeting) -> Result:
    """An earlier try may have made one, with the answer lost."""
    path = zoom.meetings_path(task.account)
    found = zoom.find_meeting(task.account, path, make_spec(meeting)) if task.is_repeat else None
    if found is None:
        return Skipped("No online meeting is wanted.")
    zoom.delete_meeting(task.account, found.external_id)
    return Done(found.external_id)


def record_removal(meeting_id: Any, link: MeetingLink) -> None:
    meeting = Meeting.objects.select_for_update(no_key=True).get(pk=meeting_id)
    link.delete()
    meeting.made_join_url = ""
    meeting.save(update_fields=["made_join_url", "updated_at"])
    Invitation.objects.filter(meeting=meeting).update(registrant_id="", online_id="", join_url="")
    take_back(meeting, meeting.invitations.all())
    sync.follow(meeting)


# --- Invitations ------------------------------------------------------------------------------------------------------


def invite(meeting: Meeting, link: MeetingLink) -> None:
    """Register and tell those who attend; take it back from those who don't any more."""
    attending = {each.attendee_id: each for each in list_attending(meeting)} if wants_zoom(meeting) else {}
    known = {invitation.attendee_id: invitation for invitation in meeting.invitations.all()}
    for attendee_id, attendance in attending.items():
        invitation = known.pop(attendee_id, None) or Invitation(meeting=meeting, attendee_id=attendee_id)
        save_invitation(invitation, attendance)
        bring_in(meeting, link, invitation)
    for invitation in known.values():
        subject = f"invitation:{invitation.pk}"
        if invitation.registrant_id or is_under_way(link.connection_id, REGISTRANT, subject):
            plan_registrant(link.connection_id, invitation)
    take_back(meeting, known.values())


def save_invitation(invitation: Invitation, attendance: Attendance) -> None:
    values = {"email": attendance.email, "full_name": attendance.full_name}
    if invitation._state.adding or any(getattr(invitation, field) != value for field, value in values.items()):
        for field, value in values.items():
            setattr(invitation, field, value)
        invitation.save()


def bring_in(meeting: Meeting, link: MeetingLink, invitation: Invitation) -> None:
    if read_capacity(meeting) > 1 and invitation.online_id != link.external_id:
        plan_registrant(link.connection_id, invitation)
    elif meeting.made_join_url:
        letters.plan_confirmation(meeting, invitation)


def take_back(meeting: Meeting, invitations: Iterable[Invitation]) -> None:
    for invitation in invitations:
        letters.plan_cancellation(meeting, invitation)


def plan_registrant(connection_id: int, invitation: Invitation) -> None:
    plan(REGISTRANT, connection_id=connection_id, subject=f"invitation:{invitation.pk}")


@carries_out(REGISTRANT, is_state=True)
def bring_registrant(task: Task) -> Result:
    invitation = Invitation.objects.select_related("meeting").filter(pk=task.subject_id).first()
    link = find_link(invitation.meeting) if invitation else None
    if invitation is None or link is None or link.is_gone:
        return Skipped("There is no online meeting any more.")
    if not invitation.email:
        return Skipped("The person was erased: what Zoom has of them is deleted there.")
    meeting = invitation.meeting
    attendance = next((each for each in list_attending(meeting) if each.attendee_id == invitation.attendee_id), None)
    if attendance is None or not wants_zoom(meeting):
        return cancel_registrant(task, link, invitation)
    if invitation.registrant_id and invitation.online_id == link.external_id:
        return Skipped("This attendee is registered.")
    check_place(meeting, link, invitation)
    return register(task, link, invitation)


def check_place(meeting: Meeting, link: MeetingLink, invitation: Invitation) -> None:
    """Who has a place keeps it; the others go by who came first. Raises PermanentError where none is left."""
    capacity = read_capacity(meeting)
    placed = meeting.invitations.filter(online_id=link.external_id).exclude(registrant_id="")
    have_one = set(placed.values_list("attendee_id", flat=True))
    attending = sorted((each.attendee_id for each in list_attending(meeting)), key=lambda each: each not in have_one)
    if invitation.attendee_id in attending[capacity:]:
        raise PermanentError(f"The webinar is full: {capacity} of {capacity} places are taken. Offer another date.")


def register(task: Task, link: MeetingLink, invitation: Invitation) -> Done:
    first_name, _, last_name = invitation.full_name.strip().partition(" ")
    spec = zoom.RegistrantSpec(email=invitation.email, first_name=first_name, last_name=last_name.strip())
    try:
        made = zoom.add_registrant(task.account, link.external_id, spec, may_exist=task.is_repeat)
    except MissingError:
        return Done(record=lambda: notice_deletion(link))
    return Done(made.registrant_id, lambda: record_registrant(link, invitation, made))


def record_registrant(link: MeetingLink, invitation: Invitation, made: zoom.Registrant) -> None:
    meeting = Meeting.objects.select_for_update(no_key=True).get(pk=invitation.meeting_id)
    invitation.refresh_from_db()
    # Who was erased meanwhile has a place there, and no link here.
    invitation.registrant_id, invitation.join_url = made.registrant_id, made.join_url if invitation.email else ""
    invitation.online_id = link.external_id
    invitation.save(update_fields=["registrant_id", "join_url", "online_id"])
    letters.plan_confirmation(meeting, invitation)


def cancel_registrant(task: Task, link: MeetingLink, invitation: Invitation) -> Result:
    registrant_id = invitation.registrant_id if invitation.online_id == link.external_id else ""
    if not registrant_id and task.is_repeat:
        registrant_id = find_unrecorded(task, link, invitation)
    if not registrant_id:
        return Skipped("This attendee is not registered.")
    zoom.cancel_registrant(task.account, link.external_id, registrant_id, invitation.email)
    return Done(registrant_id, lambda: forget_registrant(invitation))


def find_unrecorded(task: Task, link: MeetingLink, invitation: Invitation) -> str:
    """The registrant that an earlier try made, with the answer lost; empty where there is none."""
    path = f"{zoom.meeting_path(link.external_id)}/registrants"
    with suppress(MissingError):
        found = zoom.find_registrant(task.account, path, invitation.email)
        return found.registrant_id if found else ""
    return ""


def forget_registrant(invitation: Invitation) -> None:
    invitation.registrant_id = invitation.online_id = invitation.join_url = ""
    invitation.save(update_fields=["registrant_id", "join_url", "online_id"])


# --- Deleted over there -----------------------------------------------------------------------------------------------


def notice_deletion(link: MeetingLink) -> None:
    """Somebody deleted the Zoom meeting: it is made anew, if the booking still wants one."""
    MeetingLink.objects.filter(pk=link.pk, external_id=link.external_id).update(is_gone=True)
    plan(MEETING, connection_id=link.connection_id, subject=f"meeting:{link.meeting_id}")
