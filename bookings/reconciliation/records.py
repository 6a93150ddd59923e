"""Meetings here against their records at the paired CRMs.

1. A page of meetings is loaded with its links, and what each is to be at the CRM is made, as for a push.
2. The linked records are read, outside any transaction. What is on its way there is left out, before and after.
3. What the CRM lacks, and what was never brought there, is planned as an ordinary effect. What somebody changed over
   there is written over where calendar.live alone leads; otherwise it waits for a person.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from bookings.models import Discrepancy, Meeting, MeetingLink, ReconciliationRun
from bookings.reconciliation.ledger import Finding
from bookings.reconciliation.walks import Walk
from bookings.sync import UPSERT, Batch, hash_record, plan_meeting
from contacts.models import Contact
from contacts.sync import plan_contacts
from integrations import mappings
from integrations.effects import OPEN
from integrations.exceptions import PermanentError
from integrations.models import Connection, Effect, Pair
from integrations.pairs import list_crms
from integrations.providers.crm import CrmMeeting, FoundMeeting

Kind = Discrepancy.Kind
PAGE = 100
CONTACTS = "contacts"
CLOSED = (Effect.Status.DISCARDED, Effect.Status.SUPPRESSED)
DEAD_LETTER = "Its last effect is a dead letter: mend the cause and replay it."
ANOTHERS = "The record says that it is another meeting's."
CHANGED_THERE = "Somebody changed it over there, and both sides may write."
CAME_BACK = "It was brought there before, and the CRM holds something else again: see what changes it."
PLANNED = "An effect brings it there."


# --- The step ---------------------------------------------------------------------------------------------------------


def take_records(walk: Walk) -> bool:
    """Compare a page of meetings with their records at one CRM. Whether all CRMs are through."""
    run = walk.run
    run.crm = find_crm(walk)
    if run.crm is None:
        return True
    ids = list_ids(run)
    if not ids or not compare_page(walk, run.crm, ids):
        run.crm, run.cursor = find_crm(walk, after=run.crm.pk), ""
        return run.crm is None
    run.cursor = str(ids[-1])
    return False


def find_crm(walk: Walk, *, after: int = 0) -> Connection | None:
    """The CRM that is compared now, or the next one. Those that are not active are noted and left out."""
    crms = list_crms(walk.run.connection_id)
    current = walk.run.crm_id or 0
    for crm in crms:
        if crm.pk <= after or crm.pk < current:
            continue
        if crm.status == Connection.Status.ACTIVE:
            return crm
        walk.note(f"{crm} was not compared: it is {crm.get_status_display().lower()}.")
    return None


def list_ids(run: ReconciliationRun) -> list[UUID]:
    """The ids of the page's meetings."""
    found = scope(run)
    if run.cursor:
        found = found.filter(pk__gt=UUID(run.cursor))
    return list(found.order_by("pk").values_list("pk", flat=True)[:PAGE])


def scope(run: ReconciliationRun) -> QuerySet[Meeting]:
    """The meetings that are compared: one, all, or those that have changed or take place since a moment."""
    if run.meeting_id:
        return Meeting.objects.filter(pk=run.meeting_id)
    found = Meeting.objects.filter(connection=run.connection_id)
    if run.since is None:
        return found
    return found.filter(Q(updated_at__gte=run.since) | Q(end__gte=run.since) | ~Q(rrule=""))


# --- A page -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Line:
    """One meeting: what it is to be at the CRM, and what is there. `paired_at` is since when it is to be there."""

    meeting: Meeting
    record: CrmMeeting
    link: MeetingLink | None
    found: FoundMeeting | None = None
    is_dead: bool = False
    is_closed: bool = False
    paired_at: datetime | None = field(default=None, kw_only=True)

    @property
    def subject(self) -> str:
        return f"meeting:{self.meeting.pk}"

    @property
    def is_unsent(self) -> bool:
        return self.link is not None and self.link.pushed_hash != hash_record(self.record)


def compare_page(walk: Walk, crm: Connection, ids: Sequence[UUID]) -> bool:
    """False where the CRM cannot be read, which is noted."""
    pair = Pair.objects.get(calendar=walk.run.connection_id, crm=crm)
    lines = read_lines(crm, ids, paired_at=pair.created_at)
    linked = [line for line in lines if line.link]
    try:
        records = [line.record for line in linked]
        adapter = mappings.get_crm(crm)
        found = walk.call(crm, lambda account: adapter.read_meetings(account, records)) if records else []
    except PermanentError as error:
        walk.note(f"{crm} was not compared any further: {error}")
        return False
    there = {line.subject: each for line, each in zip(linked, found, strict=True)}
    lines = [replace(line, found=there.get(line.subject)) for line in lines]
    findings = [(line, finding) for line in lines if (finding := find_discrepancy(crm, line))]
    different = {line.subject for line, _ in findings}
    still = find_unmoved(crm, findings)
    settle(walk, crm, [(line, finding) for line, finding in findings if line.subject in still], pair)
    walk.ledger.settle([line.subject for line in lines if line.subject not in different], crm.pk)
    walk.checked += len(lines)
    return True


def read_lines(crm: Connection, ids: Sequence[UUID], *, paired_at: datetime) -> list[Line]:
    """Without those for which something is on its way."""
    batch = Batch(crm, mappings.Owners(crm, None), [str(key) for key in ids])
    on_their_way = find_open(crm, ids)
    last = find_last(crm, [key for key in ids if key not in on_their_way])
    return [
        Line(
            meeting,
            batch.describe(meeting),
            batch.links.get(meeting.pk),
            is_dead=last.get(meeting.pk) == Effect.Status.DEAD,
            is_closed=last.get(meeting.pk) in CLOSED,
            paired_at=paired_at,
        )
        for meeting in batch.meetings.values()
        if meeting.pk not in on_their_way
    ]


def find_open(crm: Connection, ids: Iterable[UUID]) -> set[UUID]:
    subjects = {f"meeting:{key}": key for key in ids}
    found = Effect.objects.filter(connection=crm, kind=UPSERT, subject__in=subjects, status__in=OPEN)
    return {subjects[subject] for subject in found.values_list("subject", flat=True)}


def find_last(crm: Connection, ids: Iterable[UUID]) -> dict[UUID, str]:
    """What became of the last effect of each meeting."""
    subjects = {f"meeting:{key}": key for key in ids}
    found = Effect.objects.filter(connection=crm, kind=UPSERT, subject__in=subjects).order_by("subject", "-id")
    rows = found.distinct("subject").values_list("subject", "status")
    return {subjects[subject]: status for subject, status in rows}


def find_unmoved(crm: Connection, findings: Sequence[tuple[Line, Finding]]) -> set[str]:
    """The subjects for which nothing has happened here since they were read: else the next run sees."""
    if not findings:
        return set()
    ids = [line.meeting.pk for line, _ in findings]
    links = {link.meeting_id: link for link in MeetingLink.objects.filter(connection=crm, meeting__in=ids)}
    versions = dict(Meeting.objects.filter(pk__in=ids).values_list("pk", "updated_at"))
    moved = find_open(crm, ids)
    return {
        line.subject
        for line, _ in findings
        if line.meeting.pk not in moved
        and versions.get(line.meeting.pk) == line.meeting.updated_at
        and same_link(line.link, links.get(line.meeting.pk))
    }


def same_link(before: MeetingLink | None, now: MeetingLink | None) -> bool:
    if before is None or now is None:
        return before is now
    return (before.external_id, before.pushed_hash, before.pushed_at) == (
        now.external_id,
        now.pushed_hash,
        now.pushed_at,
    )


# --- What is found ----------------------------------------------------------------------------------------------------


def find_discrepancy(crm: Connection, line: Line) -> Finding | None:
    is_cancelled = line.record.is_cancelled
    if line.link is None:
        return None if is_cancelled or line.is_closed or not is_expected(line) else describe(crm, line)
    if line.found is None:
        return None if is_cancelled else describe(crm, line)
    if line.found.key and line.found.key != line.record.key:
        return describe(crm, line, Kind.DUPLICATE_LINK, state=line.found.key, text=ANOTHERS)
    if not line.found.differing and not line.is_unsent:
        return None
    is_ghost = is_cancelled and bool(line.found.differing) and not line.found.is_cancelled
    fields = line.found.differing or (CONTACTS,)
    state = f"{hash_record(line.record)} {line.found.digest}"
    return describe(crm, line, Kind.GHOST if is_ghost else Kind.FIELD_DIFFERS, fields=fields, state=state)


def is_expected(line: Line) -> bool:
    """What has not changed since the pair was made was never meant to go there."""
    return line.paired_at is None or line.meeting.updated_at >= line.paired_at


def describe(crm: Connection, line: Line, kind: Kind = Kind.MISSING_THERE, **values: Any) -> Finding:
    return Finding(
        kind=kind,
        connection_id=crm.pk,
        subject=line.subject,
        external_id=line.link.external_id if line.link else "",
        meeting_id=line.meeting.pk,
        version_here=line.meeting.version,
        **values,
    )


# --- What is done about it --------------------------------------------------------------------------------------------


def settle(walk: Walk, crm: Connection, findings: Collection[tuple[Line, Finding]], pair: Pair) -> None:
    """Repair what is simple, and let the rest wait for a person."""
    returned = walk.ledger.find_repaired([finding for _, finding in findings])
    waiting: list[Finding] = []
    for line, finding in findings:
        if why := say_why_not(line, finding, pair, returned):
            waiting.append(replace(finding, text=why))
        else:
            walk.ledger.repair(replace(finding, text=PLANNED), partial(bring_again, crm, line.meeting.pk, line.link))
    walk.ledger.escalate(waiting)


def say_why_not(line: Line, finding: Finding, pair: Pair, returned: Collection[str]) -> str:
    """Why no effect is planned by itself; empty where one is."""
    if finding.kind == Kind.DUPLICATE_LINK:
        return finding.text
    if line.is_dead:
        return DEAD_LETTER
    if finding.kind == Kind.MISSING_THERE or line.is_unsent:
        return ""
    if pair.pattern != Pair.Pattern.IN:
        return CHANGED_THERE
    return CAME_BACK if finding.fingerprint in returned else ""


def bring_again(crm: Connection, meeting_id: UUID, link: MeetingLink | None) -> UUID | None:
    """Plan the meeting's way there, in the open transaction. None where something is on its way by now."""
    if find_open(crm, [meeting_id]):
        return None
    if link:
        # What was sent last does not count any more: the same again is sent.
        mine = MeetingLink.objects.filter(pk=link.pk, pushed_hash=link.pushed_hash, pushed_at=link.pushed_at)
        if not mine.update(pushed_hash=""):
            return None
    plan_contacts(Contact.objects.filter(attendances__meeting=meeting_id).distinct(), [crm])
    plan_meeting(meeting_id, crm.pk)
    return meeting_id


def count_records(run: ReconciliationRun) -> Mapping[str, int]:
    """About how many will be compared at each CRM."""
    crms = [crm for crm in list_crms(run.connection_id) if crm.status == Connection.Status.ACTIVE]
    count = scope(run).count() if crms else 0
    return {crm.slug: count for crm in crms}
