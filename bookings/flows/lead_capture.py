"""Flow A: a booking makes a lead.

1. The upsert scores each attendee by the answers (contacts/scoring.py), and gives a new contact the owner whose turn it
   is (contacts/owners.py). Both go to the CRMs with the contact (contacts/sync.py).
2. A high score is told to Slack at once, once for each booking.
"""

from collections.abc import Sequence

from django.conf import settings
from django.urls import reverse

from bookings.models import Attendance, Meeting
from bookings.withholding import show_at
from integrations.effect_kinds import Done, Result, Skipped, Task, carries_out
from integrations.effects import plan
from integrations.pairs import find_connection
from integrations.providers.slack import client as slack

MESSAGE = "slack.message"
# From this score on a lead is told to Slack.
HIGH_SCORE = 60


def follow(meeting: Meeting) -> None:
    """Tell Slack of a booking with a high score. An occurrence that was changed by itself is no booking of its own."""
    if meeting.status == Meeting.Status.CANCELLED or meeting.series_id:
        return
    is_high = meeting.attendances.filter(lead_score__gte=HIGH_SCORE).exists()
    if is_high and (channel := find_connection("slack")):
        subject = f"meeting:{meeting.pk}"
        plan(MESSAGE, connection_id=channel.pk, subject=subject, key=f"{MESSAGE}:high_score:{meeting.pk}")


@carries_out(MESSAGE, is_findable=False)
def send_message(task: Task) -> Result:
    meeting = Meeting.objects.filter(pk=task.subject_id).first()
    if meeting is None:
        return Skipped("The meeting is not there any more.")
    known = meeting.attendances.filter(contact__erased_at=None)
    attendances = list(known.select_related("contact").order_by("-lead_score", "id"))
    if not attendances:
        return Skipped("Nobody attends the meeting any more.")
    shown, note = show_at(task.connection, meeting)
    return Done(slack.post_message(task.account, write_message(shown, attendances)), note=note)


def write_message(meeting: Meeting, attendances: Sequence[Attendance]) -> str:
    """Contact, company, meeting, start, and a link; in Slack's own markup."""
    lead = attendances[0]
    company = f" ({lead.contact.company})" if lead.contact.company else ""
    start = meeting.start.strftime("%Y-%m-%d %H:%M UTC")
    address = settings.BASE_URL + reverse("admin:bookings_meeting_change", args=[meeting.pk])
    who = slack.escape_text(f"{lead.full_name or lead.contact.full_name or lead.email}{company}")
    others = f" and {len(attendances) - 1} more" if len(attendances) > 1 else ""
    what = slack.escape_text(meeting.title or "a meeting")
    opening = slack.link(address, "Open it in Keepsync")
    return f"*High-scoring lead ({lead.lead_score}):* {who}{others} booked “{what}” for {start}. {opening}"
