"""All contacts of a CRM, or of a file, brought in from the shell."""

import time
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import Q

from contacts.imports import engine, runs
from contacts.imports.outcomes import COUNTS, describe
from contacts.models import ImportRun
from integrations.exceptions import KeepsyncError
from integrations.jobs import wake_planned
from integrations.management.base import KeepsyncCommand, UsageError
from integrations.models import Connection

Status = ImportRun.Status
BAR_WIDTH = 30
# How often it is looked what another process, or a source that rests, comes to.
LOOK_S = 1.0


class Command(KeepsyncCommand):
    help = (
        "Bring all contacts of a CRM connection, or of a CSV file, to the contacts here, through the same matcher as "
        "webhooks. Ctrl-C stops it, and --resume goes on where it was, as after a failure. Killed, it goes on in the "
        "background; run again, it follows that import."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("slug", nargs="?", metavar="SLUG", help="the CRM connection")
        parser.add_argument("--csv", type=Path, metavar="FILE", help="a CSV file instead, of at most 20 MiB")
        parser.add_argument("--default-region", default="", metavar="FR", help="where national numbers are dialled")
        parser.add_argument("--dry-run", action="store_true", help="count what would be done, and change nothing")
        parser.add_argument("--resume", action="store_true", help="go on with the latest import of this source")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if self.outcome.status != Status.DONE:
            raise CommandError(self.outcome.problem or "Somebody has stopped the import.")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        check_usage(options)
        try:
            run = self.find_or_start(options)
            self.outcome = self.follow_or_stop(run)
        except KeepsyncError as error:
            raise CommandError(str(error)) from error
        self.tell(self.outcome)
        counts = {name: getattr(self.outcome, name) for name in COUNTS}
        return {
            "id": str(run.pk),
            "status": self.outcome.status,
            "dry_run": self.outcome.is_dry_run,
            "total": self.outcome.total,
            **counts,
            "problem": self.outcome.problem,
        }

    def find_or_start(self, options: dict[str, Any]) -> ImportRun:
        """An open run of the source is followed, one that was stopped resumed where that is asked for."""
        connection = find_connection(options["slug"]) if options["slug"] else None
        name = options["csv"].name if options["csv"] else ""
        run = runs.find_unfinished(Q(connection=connection, file_name=name))
        if run and run.is_dry_run == options["dry_run"] and (options["resume"] or (connection and is_open(run))):
            if not is_open(run):
                runs.resume(run)
            self.say(f"It goes on where it was, after {run.read:,} rows.")
            return run
        if options["resume"]:
            raise CommandError("There is no import of this kind to go on with.")
        if connection:
            return runs.start_crm(connection, is_dry_run=options["dry_run"])
        return runs.start_csv(
            read_file(options["csv"]),
            file_name=name,
            default_region=options["default_region"],
            is_dry_run=options["dry_run"],
        )

    def follow_or_stop(self, run: ImportRun) -> ImportRun:
        try:
            return self.follow(run)
        except KeyboardInterrupt:
            runs.stop(run)
            raise CommandError("It is stopped: --resume goes on where it was.") from None

    def follow(self, run: ImportRun) -> ImportRun:
        """Work on it until it is over. What waits for a person is left to the background."""
        told = ""
        while True:
            delay_s = engine.work(run.pk, report=self.show_progress)
            wake_planned()
            run = runs.list_runs().select_related("connection").get(pk=run.pk)
            if not is_open(run) or waits_for_person(run):
                self.show_progress(run)
                self.stderr.write("")
                return run
            if run.problem != told:
                told = run.problem
                self.stderr.write(f"\n{told}")
            self.show_progress(run)
            time.sleep(LOOK_S if delay_s is None else min(delay_s, LOOK_S))

    def show_progress(self, run: ImportRun) -> None:
        total = run.total or 0
        filled = BAR_WIDTH * min(run.read, total) // max(total, 1)
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        of = f" of {max(total, run.read):,}" if total else ""
        self.stderr.write(f"\r[{bar}] {run.read:,}{of} rows", ending="")

    def tell(self, run: ImportRun) -> None:
        would = "would be " if run.is_dry_run else ""
        for note in run.notes:
            self.say(note)
        self.say(
            f"{run.read:,} rows: {run.created:,} {would}created, {run.matched:,} {would}matched, "
            f"{run.refused:,} refused, {run.erased:,} of people who were erased; {run.for_review:,} for review."
        )
        for row in run.rows.filter(outcome="refused")[:10]:
            self.say(f"  {describe(row)}")
        if run.refused > 10:
            self.say("  … The import's page in the admin has all of them, also as a file.")


def check_usage(options: dict[str, Any]) -> None:
    if bool(options["slug"]) == bool(options["csv"]):
        raise UsageError("name a CRM connection, or a file with --csv.")
    region = options["default_region"]
    if region and not (len(region) == 2 and region.isascii() and region.isalpha()):
        raise UsageError("--default-region is two letters, such as FR.")
    if region and not options["csv"]:
        raise UsageError("--default-region is for files: a connection has its own.")


def find_connection(slug: str) -> Connection:
    connection = Connection.objects.filter(slug=slug).first()
    if connection is None:
        raise UsageError(f"there is no connection {slug}: see connection list.")
    return connection


def read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def is_open(run: ImportRun) -> bool:
    return run.status in engine.OPEN


def waits_for_person(run: ImportRun) -> bool:
    return run.connection is not None and run.connection.status != Connection.Status.ACTIVE
