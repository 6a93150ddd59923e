"""Fields that a CRM owns, put right at calendar.live after somebody has changed them there."""

from bookings.calendar_writes import RESTORE, TEXTS
from bookings.exceptions import RefusedError
from bookings.models import Meeting
from bookings.ordering import restore_event
from bookings.reconciliation.differences import find_differences
from integrations.effect_kinds import Done, Result, Skipped, Task, carries_out
from integrations.providers.calendar_live.reading import get_event


@carries_out(RESTORE, is_state=True)
def restore_meeting(task: Task) -> Result:
    """By a change that is asked for like anybody's: what somebody changes there meanwhile is not written over."""
    meeting = Meeting.objects.select_related("calendar", "connection").filter(pk=task.subject_id).first()
    booking = get_event(task.account, meeting.external_id) if meeting else None
    if meeting is None or booking is None or meeting.status == Meeting.Status.CANCELLED:
        return Skipped("The meeting does not take place any more.")
    names = [name for name in find_differences(meeting, booking) if name in TEXTS]
    if not names:
        return Skipped("calendar.live holds the same already.")
    try:
        return Done(restore_event(meeting, booking, names, user_id=None).meeting.external_id)
    except RefusedError as error:
        return Skipped(str(error))
