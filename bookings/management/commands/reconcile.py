"""Reconciliation in the shell, in the foreground."""

import time
from collections import Counter
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from bookings.models import ReconciliationRun
from bookings.reconciliation import runs
from integrations.exceptions import KeepsyncError, StateError
from integrations.jobs import wake_planned
from integrations.management.base import KeepsyncCommand, UsageError, quiet_requests
from integrations.models import Connection
from integrations.pairs import CALENDAR

Status = ReconciliationRun.Status
BAR = 30
# How often a provider's outage or rate limit is waited out before the worker is left to go on by itself.
WAITS = 5
LONGEST_WAIT_S = 60.0
SLICE_S = 2.0
FIGURES = ("checked", "discrepancies", "repaired", "escalated")


class Command(KeepsyncCommand):
    help = (
        "Compare calendar.live with what is known here and at the CRMs: repair what is simple, and let the rest wait "
        "for a person. A run that was stopped is gone on with by the worker."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--connection", metavar="S", help="this calendar.live connection only")
        parser.add_argument(
            "--since", metavar="T", help="what has changed since then (2026-11-24 or 2026-11-24T09:00Z); default: ever"
        )
        parser.add_argument("--dry-run", action="store_true", help="change nothing, only count")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        since = read_since(options["since"])
        connections = list_connections(options["connection"])
        reconcile = self.rehearse if options["dry_run"] else self.reconcile
        results: list[dict[str, Any]] = []
        failures: list[str] = []
        with quiet_requests():
            for connection in connections:
                try:
                    results.append(reconcile(connection, since))
                except CommandError as error:
                    failures.append(str(error))
        if failures:
            raise CommandError("\n".join(failures))
        result = add_up(results)
        self.tell(result, is_dry=options["dry_run"])
        return result

    # --- One connection

    def reconcile(self, connection: Connection, since: datetime | None) -> dict[str, Any]:
        run_id, waits = self.begin(connection, since), 0
        while True:
            delay_s = runs.work(run_id, seconds=SLICE_S, report=self.show_progress)
            wake_planned()
            run = ReconciliationRun.objects.get(pk=run_id)
            if run.status in (Status.DONE, Status.FAILED):
                break
            waits = waits + 1 if run.status == Status.WAITING else 0
            if delay_s is None or waits > WAITS or delay_s > LONGEST_WAIT_S:
                self.end_progress()
                raise CommandError(f"{connection}: {run.error or 'it rests.'} The worker goes on as soon as it can.")
            time.sleep(delay_s)
        self.end_progress()
        if run.status == Status.FAILED:
            raise CommandError(f"{connection}: {run.error}")
        self.say_notes(run)
        figures = {name: getattr(run, name) for name in FIGURES}
        return {**figures, "by_kind": run.by_kind, "redelivered": run.redelivered}

    def begin(self, connection: Connection, since: datetime | None) -> UUID:
        try:
            return runs.start(connection, since=since).pk
        except StateError as error:
            raise CommandError(str(error)) from error

    def rehearse(self, connection: Connection, since: datetime | None) -> dict[str, Any]:
        try:
            run = runs.make_run(connection, since=since)
            ledger = runs.rehearse(run, self.show_progress)
        except KeepsyncError as error:
            raise CommandError(f"{connection}: {error}") from error
        self.end_progress()
        self.say_notes(run)
        return {
            "checked": run.checked,
            "discrepancies": run.discrepancies,
            "repaired": 0,
            "escalated": 0,
            "by_kind": run.by_kind,
            "would_repair": ledger.would_repair,
            "would_escalate": ledger.would_escalate,
            "would_redeliver": run.redelivered,
        }

    # --- What people see

    def show_progress(self, run: ReconciliationRun) -> None:
        if self.is_json:
            return
        run.refresh_from_db(fields=["checked"]) if not run._state.adding else None
        share = min(1.0, run.checked / run.expected) if run.expected else 0.0
        bar = "#" * round(BAR * share)
        step = ReconciliationRun.Step(run.step).label
        self.stderr.write(f"\r\033[K[{bar:.<{BAR}}] {run.checked:,} checked; {step}", ending="")

    def end_progress(self) -> None:
        if not self.is_json:
            self.stderr.write("\r\033[K", ending="")

    def say_notes(self, run: ReconciliationRun) -> None:
        for note in run.notes:
            self.stderr.write(f"{run.connection}: {note}")

    def tell(self, result: dict[str, Any], *, is_dry: bool) -> None:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(result["by_kind"].items()))
        found = f"{result['checked']} checked, {result['discrepancies']} discrepancies" + (
            f" ({kinds})" if kinds else ""
        )
        if is_dry:
            self.say(
                f"{found}: {result['would_repair']} would be repaired, {result['would_escalate']} wait for a person."
            )
        else:
            self.say(f"{found}: {result['repaired']} repaired, {result['escalated']} wait for a person.")


def read_since(text: str | None) -> datetime | None:
    """A day or a moment, in UTC where it says nothing else. Raises UsageError."""
    if text is None:
        return None
    try:
        moment = parse_datetime(text)
        day = None if moment else parse_date(text)
    except ValueError:
        moment = day = None
    if moment is None and day is not None:
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    if moment is None:
        raise UsageError(f"--since {text} is no time: write 2026-11-24 or 2026-11-24T09:00Z.")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment > timezone.now():
        raise UsageError(f"--since {text} lies ahead.")
    return moment


def list_connections(slug: str | None) -> list[Connection]:
    """The named one, or all that are active. Raises UsageError for one that is not there, or no calendar.live."""
    if slug is None:
        active = Connection.objects.filter(provider=CALENDAR, status=Connection.Status.ACTIVE)
        return list(active.order_by("id"))
    found = Connection.objects.filter(slug=slug).first()
    if found is None or found.provider != CALENDAR:
        raise UsageError(f"{slug} is no calendar.live connection here.")
    return [found]


def add_up(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of all connections."""
    total: dict[str, Any] = dict.fromkeys(FIGURES, 0)
    kinds: Counter[str] = Counter()
    for result in results:
        kinds.update(result["by_kind"])
        for name, count in result.items():
            if name != "by_kind":
                total[name] = total.get(name, 0) + count
    return {**total, "by_kind": dict(kinds)}
