"""Which contacts are one person, among all that there are: for a first time, and whenever a person wants it anew."""

import os
from dataclasses import asdict
from time import perf_counter
from typing import Any

from django.core.management.base import CommandError, CommandParser

from contacts.detection import full
from contacts.detection.policy import merge_certain
from contacts.models import DuplicateRun
from integrations.exceptions import StateError
from integrations.jobs import wake_planned
from integrations.management.base import KeepsyncCommand, UsageError

WORKERS = 2
BAR_WIDTH = 30
# The web processes come first.
NICENESS = 10


class Command(KeepsyncCommand):
    help = (
        "Compare all contacts, and open a pair for a person to review where two are probably one. The system goes on "
        "meanwhile. Stopped or killed, it is simply run again, and goes on. Contacts that change are compared by "
        "themselves within a minute; all are compared anew once a day."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--workers", type=int, default=WORKERS, metavar="N", help=f"processes that read (default: {WORKERS})"
        )
        parser.add_argument(
            "--batch", type=int, default=full.BATCH, metavar="N", help=f"pairs at a time (default: {full.BATCH})"
        )
        parser.add_argument("--dry-run", action="store_true", help="count only")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["workers"] < 0:
            raise UsageError("--workers is 0 or more.")
        if options["batch"] < 1:
            raise UsageError("--batch is 1 or more.")
        os.nice(NICENESS)
        self.begun_at: dict[str, float] = {"start": perf_counter()}
        if options["dry_run"]:
            found = full.look(workers=options["workers"], report=self.show_progress)
            self.tell(found)
            return asdict(found) | {"seconds": self.list_seconds()}
        try:
            run, found = full.run(workers=options["workers"], batch=options["batch"], report=self.show_progress)
        except StateError as error:
            raise CommandError(str(error)) from error
        merged = self.merge()
        self.tell(found)
        self.say(describe(run))
        if merged:
            self.say(f"{merged:,} certain pairs were merged.")
        return asdict(found) | count(run) | {"merged": merged, "seconds": self.list_seconds()}

    def merge(self) -> int:
        """As the policy says."""
        merged = 0
        while now := merge_certain():
            merged += now
            wake_planned()
        return merged

    def show_progress(self, step: str, done: int, total: int) -> None:
        """Contacts that were added meanwhile are read as well."""
        self.begun_at.setdefault(step, perf_counter())
        filled = BAR_WIDTH * min(done, total) // max(total, 1)
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        counted = f" {done:,} of {max(done, total):,}" if total else ""
        self.stderr.write(f"\r\033[K[{bar}] {step}{counted}", ending="")

    def list_seconds(self) -> dict[str, float]:
        """How long each step took; a step begins when it is first told of."""
        moments = [*self.begun_at.values(), perf_counter()]
        return {
            step: round(end - begin, 1) for step, begin, end in zip(self.begun_at, moments, moments[1:], strict=False)
        }

    def tell(self, found: full.Found) -> None:
        self.stderr.write("")
        self.say(
            f"{found.contacts:,} contacts, {found.compared:,} pairs compared: {found.certain:,} are certainly one "
            f"person, {found.review:,} probably."
        )
        if found.unreadable:
            self.say(f"{found.unreadable:,} contacts cannot be read: add the missing key again.")


def count(run: DuplicateRun) -> dict[str, int]:
    names = ("opened", "rescored", "reopened", "closed", "keys_written")
    return {name: int(getattr(run, name)) for name in names}


def describe(run: DuplicateRun) -> str:
    return (
        f"{run.opened:,} pairs were opened, {run.reopened:,} opened again, {run.closed:,} closed, "
        f"{run.rescored:,} have another score."
    )
