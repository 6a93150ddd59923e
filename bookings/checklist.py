"""What of meetings stands on the launch checklist."""

from datetime import UTC, datetime, timedelta
from secrets import token_hex
from zoneinfo import ZoneInfo

from bookings.local_times import show_local
from bookings.models import Calendar, Meeting, ReconciliationRun
from bookings.rehearsal.records import find_last_full, list_failed
from bookings.timezones import expand, transitions, zone
from bookings.upserts import upsert_meeting
from contacts.checklist import MIGRATE
from integrations.events import BookedAttendee, Booking, CalendarRef, Origin
from integrations.models import Connection
from integrations.operations.checklist import (
    DAY,
    HOUR,
    Evidence,
    Section,
    failed,
    not_applicable,
    passed,
    proves,
    rolled_back,
)
from integrations.operations.indexes import find_missing
from integrations.operations.pages import list_of, page_of
from integrations.operations.version import read_version
from integrations.pairs import CALENDAR

UNIQUE = ("meeting_once", "meeting_link_external_id", "attendance_once")
# Where no calendar has a zone whose clock is changed.
EXAMPLE = "Europe/Paris"
# How many of the calendars' zones are looked at, and how far ahead.
ZONES, YEAR = 20, timedelta(days=366)
# The daily run, and the time that a long one takes.
RECONCILED_WITHIN = timedelta(hours=26)
REHEARSED_WITHIN = timedelta(days=30)


# --- Times ------------------------------------------------------------------------------------------------------------


@proves(
    "times_shown",
    Section.INTEGRATION,
    "Times are shown in the user's zone, and stay over clock changes",
    why="A weekly call at nine is at nine in summer and in winter, which is another time in UTC.",
    holds=DAY,
)
def probe_times(now: datetime) -> Evidence:
    """A weekly series over the next clock change of each zone in use, as pages show it."""
    names = Calendar.objects.order_by("timezone").values_list("timezone", flat=True).distinct()[:ZONES]
    kept = []
    for name in [*names, EXAMPLE]:
        moved = find_move(zone(name), now)
        if moved is None:
            continue
        before, after = moved
        if before.strftime("%H:%M") != after.strftime("%H:%M") or before.utcoffset() == after.utcoffset():
            told = f"{name}: a weekly series moves from {before:%H:%M} to {after:%H:%M} with the clock."
            return failed(told, advice="Update the package tzdata, and run the tests of time zones.")
        if name not in show_local(before, name):
            return failed(f"{name}: pages do not name the zone.", advice="Run the tests of the meetings' pages.")
        in_utc = (f"{moment.astimezone(UTC):%H:%M}" for moment in moved)
        kept.append(f"{name} ({before:%H:%M} stays, in UTC {' becomes '.join(in_utc)})")
    if not kept:
        return failed(f"No clock changes within a year, not even in {EXAMPLE}.", advice="Update the package tzdata.")
    return passed(
        f"Weekly series over the next clock change: {'; '.join(dict.fromkeys(kept))}.", "Pages name the zone."
    )


def find_move(known_zone: ZoneInfo, now: datetime) -> tuple[datetime, datetime] | None:
    """The last local start of a weekly series before the zone's next clock change, and the first one after it."""
    change = next(iter(transitions(known_zone, now + timedelta(days=8), now + YEAR)), None)
    if change is None:
        return None
    # Noon is far from the hours at which clocks are changed.
    wall = (change.at - timedelta(days=3)).astimezone(known_zone).replace(hour=12, minute=0, second=0, microsecond=0)
    start = wall.astimezone(UTC)
    found = expand(
        start=start,
        end=start + HOUR,
        zone=known_zone,
        rrule="FREQ=WEEKLY",
        window_start=start,
        window_end=start + timedelta(days=8),
    )
    first, second = (occurrence.start.astimezone(known_zone) for occurrence in found)
    return first, second


# --- Upserts ----------------------------------------------------------------------------------------------------------


@proves(
    "meeting_upserts",
    Section.INTEGRATION,
    "The same booking twice is one meeting",
    why="Upserts by external id are what makes every repeat, replay and reconciliation harmless.",
    holds=DAY,
)
def probe_meeting_upserts(now: datetime) -> Evidence:
    if missing := find_missing(UNIQUE):
        return failed(f"The database lacks the unique indexes {', '.join(missing)}.", advice=MIGRATE)
    connection = Connection.objects.filter(provider=CALENDAR).exclude(status=Connection.Status.DISABLED).first()
    if connection is None:
        return failed("No calendar.live is connected.", advice="Connect it.", address=list_of(Connection))
    booking = make_booking(now)
    origin = Origin(connection.pk, connection.slug, None, "")
    with rolled_back():
        for _ in range(2):
            upsert_meeting(booking, origin)
        meetings = list(Meeting.objects.filter(connection=connection, external_id=booking.id))
        people = {row.contact_id for meeting in meetings for row in meeting.attendances.all()}
    if len(meetings) != 1 or len(people) != 1:
        told = f"A made-up booking was taken in twice: {len(meetings)} meetings, {len(people)} contacts."
        return failed(told, advice="Run the tests of bookings against this version.")
    return passed(
        f"A made-up booking at {connection} was taken in twice: one meeting with one contact.",
        f"The database keeps external ids unique: {', '.join(UNIQUE)}.",
    )


def make_booking(now: datetime) -> Booking:
    """By somebody who does not exist, on a calendar of its own, so that nothing is in its way."""
    tag, start = token_hex(8), now + YEAR
    attendee = BookedAttendee(f"att_{tag}", f"probe-{tag}@example.com", f"Probe {tag}", "", "", "", "", "accepted")
    return Booking(
        id=f"probe_{tag}", uid=f"probe-{tag}", version=1, status="confirmed", title="Probe", description="",
        calendar=CalendarRef(f"probe_{tag}", "Probe", "UTC", ""), start=start, end=start + HOUR, timezone="UTC",
        rrule="", exdates=(), series_id="", original_start=None, event_type=None, attendees=(attendee,), answers=(),
        join_url="", payment=None, source="probe", client_reference="", created_at=now, updated_at=now,
    )  # fmt: skip


# --- Reconciliation ---------------------------------------------------------------------------------------------------


@proves(
    "reconciliation",
    Section.INTEGRATION,
    "Reconciliation runs each day",
    why="It brings what no webhook has told, and is the only one to notice that webhooks are missing.",
    holds=HOUR,
)
def probe_reconciliation(now: datetime) -> Evidence:
    active = Connection.objects.filter(provider=CALENDAR, status=Connection.Status.ACTIVE).defer("credentials")
    lines = []
    for connection in active.order_by("slug"):
        full = ReconciliationRun.objects.filter(connection=connection, meeting=None, since=None).order_by("-id")
        last = full.first()
        done = full.filter(status=ReconciliationRun.Status.DONE).first()
        if last is None or done is None or done.finished_at is None or done.finished_at < now - RECONCILED_WITHIN:
            return tell_unreconciled(connection, last)
        if last != done and last.created_at < now - RECONCILED_WITHIN:
            return tell_unreconciled(connection, last)
        lines.append(
            f"{connection}: {done.checked:,} checked until {done.finished_at:%Y-%m-%d %H:%M} UTC, "
            f"{done.repaired:,} repaired, {done.escalated:,} left to a person."
        )
    return passed(*lines) if lines else not_applicable("No calendar.live connection is active.")


def tell_unreconciled(connection: Connection, last: ReconciliationRun | None) -> Evidence:
    advice = "See why, then start one: Reconciliation → Reconcile, or manage.py reconcile."
    if last is None:
        return failed(f"{connection} has never been reconciled.", advice=advice, address=list_of(ReconciliationRun))
    told = (
        f"{connection}: none has come to its end within 26 hours. The last one is {last.get_status_display().lower()}."
    )
    return failed(told, advice=advice, address=page_of(last))


# --- Staging ----------------------------------------------------------------------------------------------------------


@proves(
    "staging_cases",
    Section.LAUNCH,
    "The staging cases have passed",
    why="New booking, update, cancellation, failed payment and replay, from the customer's page to each CRM.",
    holds=DAY,
)
def probe_staging(now: datetime) -> Evidence:
    last, version = find_last_full(), read_version()
    how = (
        "Run manage.py rehearse against the sandbox. Where this installation has real connections, run it at staging "
        "with --json, and bring the result here with rehearse --take."
    )
    if last is None:
        return failed("Nobody has rehearsed yet.", advice=how)
    played = f"The rehearsal of {last.finished_at:%Y-%m-%d %H:%M} UTC"
    if lost := list_failed(last):
        return failed(f"{played} has failed in {', '.join(lost)}.", advice=how)
    if last.version != version:
        return failed(f"{played} was of version {last.version}; {version} runs here.", advice=how)
    if last.finished_at < now - REHEARSED_WITHIN:
        return failed(f"{played} is older than {REHEARSED_WITHIN.days} days.", advice=how)
    where = "here" if last.is_own else "at another installation"
    return passed(f"{played}, played {where} with version {version}: all cases have passed.")
