"""Writing down what a run finds. A repair is one transaction with its row: a run that dies loses no count."""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, F, OuterRef
from django.utils import timezone

from bookings.models import Discrepancy, Meeting, ReconciliationRun, SeenEvent
from integrations.exceptions import LeaseLostError
from integrations.models import ChangeCount
from integrations.models.deliveries import ERROR_LENGTH
from integrations.races import run_race

Status = Discrepancy.Status
FOUND_IN_ORDER = "A later comparison found it in order."
FIELD_LENGTH = 128

# Repairs in the open transaction. The id of the meeting that it was about; None where there was nothing to do any more.
type Work = Callable[[], UUID | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """One discrepancy. `state` tells it from another one of the same fields; no values stand in it."""

    kind: Discrepancy.Kind
    connection_id: int
    subject: str
    external_id: str = ""
    meeting_id: UUID | None = None
    fields: tuple[str, ...] = ()
    version_here: int | None = None
    version_there: int | None = None
    state: str = ""
    is_missed: bool = False
    text: str = ""

    @property
    def fingerprint(self) -> str:
        parts = (self.kind, self.connection_id, self.subject, self.fields, self.version_here, self.version_there)
        return hashlib.sha256(repr((*parts, self.state)).encode()).hexdigest()

    def list_values(self) -> dict[str, Any]:
        """The columns of its row."""
        return {
            "connection_id": self.connection_id,
            "meeting_id": self.meeting_id,
            "subject": self.subject,
            "external_id": self.external_id,
            "kind": self.kind,
            "fields": [name[:FIELD_LENGTH] for name in self.fields],
            "version_here": self.version_here,
            "version_there": self.version_there,
            "text": self.text[:ERROR_LENGTH],
            "is_missed": self.is_missed,
            "fingerprint": self.fingerprint,
        }


class Ledger:
    """Of a run that is stored."""

    def __init__(self, run: ReconciliationRun) -> None:
        self.run = run

    # --- What a full listing showed

    def see(self, external_ids: Iterable[str]) -> None:
        rows = [SeenEvent(run=self.run, external_id=each) for each in sorted(set(external_ids))]
        SeenEvent.objects.bulk_create(rows, ignore_conflicts=True)

    def list_unseen(self, after: UUID | None, limit: int) -> list[tuple[UUID, str]]:
        seen = SeenEvent.objects.filter(run=self.run, external_id=OuterRef("external_id"))
        found = find_listed(self.run, after).filter(~Exists(seen))
        return list(found.values_list("pk", "external_id")[:limit])

    # --- What was found

    def repair(self, finding: Finding, work: Work) -> None:
        """Do it and write it down."""
        run_race(partial(self.repair_once, finding, work))

    def repair_once(self, finding: Finding, work: Work) -> None:
        if not (meeting_id := work()):
            return
        self.close_open([finding.subject], finding.connection_id, "It was repaired by a later comparison.")
        values = {**finding.list_values(), "meeting_id": meeting_id}
        Discrepancy.objects.create(run=self.run, status=Status.REPAIRED, closed_at=timezone.now(), **values)
        if finding.is_missed:
            count_changes(self.run.connection_id, missed=1)

    def escalate(self, findings: Sequence[Finding]) -> None:
        """Let them wait for a person: one row for each subject. What a person has dismissed stays so."""
        if findings:
            run_race(partial(self.escalate_once, findings))

    def escalate_once(self, findings: Sequence[Finding]) -> None:
        subjects = {each.subject for each in findings}
        known = Discrepancy.objects.filter(subject__in=subjects)
        dismissed = set(known.filter(status=Status.DISMISSED).values_list("fingerprint", flat=True))
        waiting = {(row.connection_id, row.subject): row for row in known.filter(status=Status.OPEN)}
        new: list[Discrepancy] = []
        for finding in findings:
            if finding.fingerprint in dismissed:
                continue
            row = waiting.get((finding.connection_id, finding.subject))
            if row is None:
                new.append(Discrepancy(run=self.run, status=Status.OPEN, **finding.list_values()))
                continue
            values = {**finding.list_values(), "run": self.run, "times_seen": F("times_seen") + 1}
            Discrepancy.objects.filter(pk=row.pk, status=Status.OPEN).update(**values)
        Discrepancy.objects.bulk_create(new)

    def find_repaired(self, findings: Sequence[Finding]) -> set[str]:
        """The fingerprints of those that were repaired before, and are there again just the same."""
        if not findings:
            return set()
        rows = Discrepancy.objects.filter(subject__in={each.subject for each in findings}, status=Status.REPAIRED)
        known = rows.filter(fingerprint__in={each.fingerprint for each in findings}).exclude(run=self.run)
        return set(known.values_list("fingerprint", flat=True))

    def settle(self, subjects: Collection[str], connection_id: int) -> None:
        """What waited for a person and is in order now waits no more."""
        self.close_open(subjects, connection_id, FOUND_IN_ORDER)

    def close_open(self, subjects: Collection[str], connection_id: int, text: str) -> None:
        waiting = Discrepancy.objects.filter(connection=connection_id, subject__in=subjects, status=Status.OPEN)
        waiting.update(status=Status.OVER, text=text, closed_at=timezone.now())

    # --- How far it is

    def finish_page(self, *, checked: int, changes: int) -> None:
        """Keep the run's place, in one transaction with its counts. Raises LeaseLostError where it is not ours now."""
        run_race(partial(self.save_place, checked, changes))

    def save_place(self, checked: int, changes: int) -> None:
        counts = count_found(self.run)
        run = self.run
        place = {
            "step": run.step,
            "cursor": run.cursor,
            "crm": run.crm,
            "updated_since": run.updated_since,
            "changed_until": run.changed_until,
            "expected": run.expected,
            "notes": run.notes,
            "redelivered": run.redelivered,
            "failures": 0,
            "lease_expires_at": run.lease_expires_at,
        }
        held = ReconciliationRun.objects.filter(pk=run.pk, lease_token=run.lease_token)
        if not held.update(checked=F("checked") + checked, **counts, **place):
            raise LeaseLostError("another process goes on with this reconciliation.")
        if changes:
            count_changes(run.connection_id, checked=changes)


class DryLedger(Ledger):
    """Of a run that changes nothing: what it would do is counted here, and nothing is stored."""

    def __init__(self, run: ReconciliationRun) -> None:
        super().__init__(run)
        self.seen: set[str] = set()
        self.kinds: Counter[str] = Counter()
        self.would_repair = self.would_escalate = 0

    def see(self, external_ids: Iterable[str]) -> None:
        self.seen.update(external_ids)

    def list_unseen(self, after: UUID | None, limit: int) -> list[tuple[UUID, str]]:
        found = find_listed(self.run, after).values_list("pk", "external_id").iterator()
        unseen = ((key, external_id) for key, external_id in found if external_id not in self.seen)
        return [each for each, _ in zip(unseen, range(limit), strict=False)]

    def repair(self, finding: Finding, work: Work) -> None:
        self.kinds[finding.kind] += 1
        self.would_repair += 1

    def escalate(self, findings: Sequence[Finding]) -> None:
        known = Discrepancy.objects.filter(fingerprint__in=[each.fingerprint for each in findings])
        dismissed = set(known.filter(status=Status.DISMISSED).values_list("fingerprint", flat=True))
        found = [each for each in findings if each.fingerprint not in dismissed]
        self.kinds.update(each.kind for each in found)
        self.would_escalate += len(found)

    def settle(self, subjects: Collection[str], connection_id: int) -> None:
        return

    def finish_page(self, *, checked: int, changes: int) -> None:
        self.run.checked += checked
        self.run.discrepancies = self.kinds.total()
        self.run.by_kind = dict(self.kinds)


def find_listed(run: ReconciliationRun, after: UUID | None) -> Any:
    """The connection's meetings that calendar.live must list: those that it had before the run, and that are on."""
    on = (Meeting.Status.TENTATIVE, Meeting.Status.CONFIRMED)
    found = Meeting.objects.filter(
        connection=run.connection_id, status__in=on, created_at__lt=run.created_at, version__gt=0
    )
    return (found.filter(pk__gt=after) if after else found).order_by("pk")


def count_found(run: ReconciliationRun) -> dict[str, Any]:
    """The run's figures, from its rows."""
    rows = run.found.exclude(status=Status.OVER).order_by().values_list("kind", "status").annotate(count=Count("pk"))
    kinds: Counter[str] = Counter()
    repaired = 0
    for kind, status, count in rows:
        kinds[kind] += count
        repaired += count if status == Status.REPAIRED else 0
    total = kinds.total()
    return {"by_kind": dict(kinds), "discrepancies": total, "repaired": repaired, "escalated": total - repaired}


def count_changes(connection_id: int, *, checked: int = 0, missed: int = 0, now: datetime | None = None) -> None:
    """Add to the day's counts, in the open transaction."""
    day = (now or timezone.now()).date()
    ChangeCount.objects.bulk_create([ChangeCount(connection_id=connection_id, day=day)], ignore_conflicts=True)
    todays = ChangeCount.objects.filter(connection=connection_id, day=day)
    todays.update(checked=F("checked") + checked, missed=F("missed") + missed)
