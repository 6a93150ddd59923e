"""Events at calendar.live against the meetings here.

1. A page of events is read, outside any transaction; versions and fields are compared with the meetings of their ids.
2. An event that is not known here, or whose state here is older, is applied as its webhook would have been: dispatched
   under the lock of its uid. Versions decide, and are looked at again under that lock.
3. The same version with other fields has no simple reason, and waits for a person.
4. After a full listing, each meeting that it did not show is asked for by its id.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db.models import Max, Q

from bookings.models import Discrepancy, Meeting, ReconciliationRun
from bookings.reconciliation.differences import find_differences
from bookings.reconciliation.ledger import Finding
from bookings.reconciliation.walks import Walk
from integrations.deliveries import lock_subject
from integrations.events import Booking, BookingChanged, Origin, dispatch
from integrations.exceptions import MissingError, PayloadError
from integrations.models import Connection, Delivery
from integrations.providers.calendar_live.reading import UnreadEvent, get_event, list_events

Kind = Discrepancy.Kind
# Meetings that a listing did not show are asked for one by one.
UNSEEN_PAGE = 20
# An event's time has whole seconds, and the webhook may be quicker than the clock.
TOLD_WITHIN = timedelta(seconds=2)
EVENT_TYPE = "event.reconciled"


# --- The steps --------------------------------------------------------------------------------------------------------


def take_events(walk: Walk) -> bool:
    """Compare a page of events. Whether it was the last."""
    run = walk.run
    if run.meeting is not None:
        if run.meeting.version > 0:
            compare_one(walk, run.meeting)
        return True
    try:
        page = walk.call(
            run.connection,
            lambda account: list_events(account, updated_since=run.updated_since, cursor=run.cursor),
        )
    except MissingError:
        # 410: changes since then are not kept any more.
        if run.updated_since is None:
            raise
        walk.note("calendar.live does not keep changes for that long: all of its events were listed.")
        run.updated_since, run.cursor = None, ""
        return False
    compare(walk, page.bookings, page.unread)
    if walk.is_full:
        walk.ledger.see([*(each.id for each in page.bookings), *(each.id for each in page.unread if each.id)])
    run.changed_until = find_until(run, page.bookings)
    run.cursor = page.cursor
    return not page.cursor


def find_until(run: ReconciliationRun, bookings: Sequence[Booking]) -> datetime | None:
    """The last change that was seen. A clock that is ahead over there never keeps the next run from anything."""
    stamps = [min(each.updated_at, run.created_at) for each in bookings]
    return max([*stamps, *([run.changed_until] if run.changed_until else [])], default=None)


def take_unseen(walk: Walk) -> bool:
    """Ask for some of the meetings that a full listing did not show. Whether there are no more."""
    if not walk.is_full:
        return True
    after = UUID(walk.run.cursor) if walk.run.cursor else None
    unseen = walk.ledger.list_unseen(after, UNSEEN_PAGE)
    for meeting in Meeting.objects.filter(pk__in=[key for key, _ in unseen]).order_by("pk"):
        compare_one(walk, meeting)
        walk.run.cursor = str(meeting.pk)
    return len(unseen) < UNSEEN_PAGE


def compare_one(walk: Walk, meeting: Meeting) -> None:
    try:
        booking = walk.call(walk.run.connection, lambda account: get_event(account, meeting.external_id))
    except PayloadError as error:
        compare(walk, [], [UnreadEvent(meeting.external_id, str(error))])
        return
    if booking is not None:
        compare(walk, [booking], [])
    elif meeting.status in (Meeting.Status.TENTATIVE, Meeting.Status.CONFIRMED):
        walk.checked += 1
        walk.ledger.escalate([describe_missing(meeting)])


# --- Comparing --------------------------------------------------------------------------------------------------------


def compare(walk: Walk, bookings: Sequence[Booking], unread: Sequence[UnreadEvent]) -> None:
    """Compare events with what is known here; of one that stands twice, its last state."""
    latest = {booking.id: booking for booking in bookings}
    known = load_meetings(walk.run.connection_id, [*latest, *(each.id for each in unread)])
    told = find_told(walk.run.connection, list(latest.values()), known)
    in_order: list[str] = []
    waiting = [describe_unread(walk.run, each, known.get(each.id)) for each in unread]
    for booking in latest.values():
        meeting = known.get(booking.id)
        if meeting is None or meeting.version < booking.version:
            bring(walk, booking, meeting, is_told=booking.uid in told)
        elif finding := find_difference(meeting, booking):
            waiting.append(finding)
        else:
            in_order.append(name_event(booking.id))
    walk.ledger.escalate(waiting)
    walk.ledger.settle(in_order, walk.run.connection_id)
    walk.checked += len(latest) + len(unread)
    walk.changes += sum(could_be_told(walk.run.connection, booking) for booking in latest.values())


def load_meetings(connection_id: int, external_ids: Sequence[str]) -> dict[str, Meeting]:
    rows = Meeting.objects.filter(connection=connection_id, external_id__in=external_ids)
    return {each.external_id: each for each in rows.select_related("calendar").prefetch_related("attendances")}


def find_told(connection: Connection, bookings: Sequence[Booking], known: dict[str, Meeting]) -> set[str]:
    """The uids of events whose last change has come by webhook, whatever became of that.

    Of a meeting that is here in an older state, what was worked on had not brought the last one.
    """
    news = {each.uid: each for each in bookings if each.id not in known or known[each.id].version < each.version}
    if not news:
        return set()
    came = Delivery.objects.filter(connection=connection, subject__in=news, is_accepted=True)
    is_unworked = ~Q(status__in=(Delivery.Status.PROCESSED, Delivery.Status.STALE))
    last = (
        came.order_by()
        .values_list("subject")
        .annotate(any=Max("received_at"), other=Max("received_at", filter=is_unworked))
    )
    return {uid for uid, *times in last if is_told(news[uid], times[news[uid].id in known])}


def is_told(booking: Booking, received_at: datetime | None) -> bool:
    return received_at is not None and received_at >= booking.updated_at - TOLD_WITHIN


def could_be_told(connection: Connection, booking: Booking) -> bool:
    """What changed before the connection was made came without any webhook."""
    return booking.updated_at >= connection.created_at - TOLD_WITHIN


def find_difference(meeting: Meeting, booking: Booking) -> Finding | None:
    """Of one version. A state that is newer here than what was listed is in order."""
    if meeting.version > booking.version or not (fields := find_differences(meeting, booking)):
        return None
    is_ghost = meeting.status == Meeting.Status.CANCELLED and "status" in fields
    return Finding(
        kind=Kind.GHOST if is_ghost else Kind.FIELD_DIFFERS,
        connection_id=meeting.connection_id,
        subject=name_event(booking.id),
        external_id=booking.id,
        meeting_id=meeting.pk,
        fields=tuple(fields),
        version_here=meeting.version,
        version_there=booking.version,
        text="The same version holds something else here: nobody but a person can say which is right.",
    )


def describe_missing(meeting: Meeting) -> Finding:
    return Finding(
        kind=Kind.MISSING_THERE,
        connection_id=meeting.connection_id,
        subject=name_event(meeting.external_id),
        external_id=meeting.external_id,
        meeting_id=meeting.pk,
        version_here=meeting.version,
        text="calendar.live has no such event.",
    )


def describe_unread(run: ReconciliationRun, event: UnreadEvent, meeting: Meeting | None) -> Finding:
    return Finding(
        kind=Kind.FIELD_DIFFERS if meeting else Kind.MISSING_HERE,
        connection_id=run.connection_id,
        subject=name_event(event.id),
        external_id=event.id,
        meeting_id=meeting.pk if meeting else None,
        version_here=meeting.version if meeting else None,
        text=f"The event cannot be read: {event.problem}",
    )


def name_event(event_id: str) -> str:
    return f"event:{event_id}"


# --- Repairing --------------------------------------------------------------------------------------------------------


def bring(walk: Walk, booking: Booking, meeting: Meeting | None, *, is_told: bool) -> None:
    """Apply a state that is not known here. One that cannot be kept waits for a person."""
    finding = Finding(
        kind=Kind.FIELD_DIFFERS if meeting else Kind.MISSING_HERE,
        connection_id=walk.run.connection_id,
        subject=name_event(booking.id),
        external_id=booking.id,
        meeting_id=meeting.pk if meeting else None,
        fields=tuple(find_differences(meeting, booking)) if meeting else (),
        version_here=meeting.version if meeting else None,
        version_there=booking.version,
        is_missed=not is_told and could_be_told(walk.run.connection, booking),
        text="The event's state was applied.",
    )
    try:
        walk.ledger.repair(finding, partial(apply, booking, make_origin(walk.run)))
    except PayloadError as error:
        walk.ledger.escalate([describe_unread(walk.run, UnreadEvent(booking.id, str(error)), meeting)])


def apply(booking: Booking, origin: Origin) -> UUID | None:
    """Apply it in the open transaction, as a webhook's. None where it is known here by now, or something newer."""
    lock_subject(origin.connection_id, booking.uid)
    known = Meeting.objects.filter(connection=origin.connection_id, external_id=booking.id)
    if known.filter(version__gte=booking.version).exists():
        return None
    dispatch([BookingChanged(EVENT_TYPE, booking)], origin)
    return known.values_list("pk", flat=True).get()


def make_origin(run: ReconciliationRun) -> Origin:
    connection = run.connection
    return Origin(connection.pk, connection.slug, None, connection.default_region, reconciliation_id=run.pk)
