"""The purge in the shell: what the schedule does once a day."""

import time
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from integrations.management.base import KeepsyncCommand
from integrations.models import PurgeRun
from integrations.retention import running
from integrations.retention.kinds import COUNTED_TO, count_due, list_kinds, read_days

BAR_WIDTH = 30


class Command(KeepsyncCommand):
    help = (
        "Remove what is kept for a time and is over, in small batches, while the system runs. Stopped or killed, it "
        "goes on where it was when it is run again, or by itself. What is still open is never removed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--dry-run", action="store_true", help="count only")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        due = count_due(timezone.now())
        if options["dry_run"]:
            self.tell(due, "over")
            return {"due": due}
        run = self.purge(running.start(), sum(due.values()))
        self.tell(run.counts, "removed")
        return {"run": str(run.pk), "purged": run.counts}

    def purge(self, run_id: Any, expected: int) -> PurgeRun:
        self.done = 0
        while running.take_slice(run_id, report=lambda count: self.show_progress(count, expected)):
            time.sleep(0.2)
        if not self.is_json:
            self.stderr.write("\r\033[K", ending="")
        return PurgeRun.objects.get(pk=run_id)

    def show_progress(self, count: int, expected: int) -> None:
        """What has become due meanwhile, or was not counted to its end, is purged as well."""
        self.done += count
        if not self.is_json:
            filled = BAR_WIDTH * min(self.done, expected) // max(expected, 1)
            bar = "#" * filled + "." * (BAR_WIDTH - filled)
            self.stderr.write(f"\r[{bar}] {self.done:,} of {max(self.done, expected):,} rows", ending="")

    def tell(self, counts: dict[str, int], verb: str) -> None:
        days = read_days()
        for kind in list_kinds():
            count, kept = counts.get(kind.name, 0), days[kind.name]
            more = " or more" if verb == "over" and count >= COUNTED_TO else ""
            time_kept = "kept for ever" if kept is None else f"kept for {kept:,} days"
            self.say(f"{kind.name:18} {count:>10,}{more} {verb} ({time_kept})")
