"""Key rotation in the shell."""

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from integrations.exceptions import StateError
from integrations.management.base import KeepsyncCommand, UsageError
from integrations.privacy.key_rotation import DAMAGED, Outcome, list_tables, look, rotate

BATCH = 100
BAR_WIDTH = 30


class Command(KeepsyncCommand):
    help = (
        "Encrypt everything in the database with the first key of FIELD_ENCRYPTION_KEYS, while the system runs. "
        "1. Put the new key (manage.py generate_key) before the old one. 2. Restart all processes: those that still "
        "have the old list go on writing with the old key. 3. Run this; stopped or killed, it is simply run again. "
        "4. Take out the keys that it names. 5. Restart all processes. "
        "BLIND_INDEX_KEY is another matter: this command does not change it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--batch", type=int, default=BATCH, metavar="N", help=f"rows at a time (default: {BATCH})")
        parser.add_argument("--dry-run", action="store_true", help="count only")

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if not self.outcome.is_complete and not options["dry_run"]:
            raise CommandError("Not everything is encrypted with the first key.")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["batch"] < 1:
            raise UsageError("--batch is 1 or more.")
        if options["dry_run"]:
            self.outcome = look(list_tables())
        else:
            try:
                self.outcome = rotate(batch=options["batch"], report=self.show_progress)
            except StateError as error:
                raise CommandError(str(error)) from error
        self.tell(self.outcome)
        return {
            "rows": self.outcome.rows,
            "reencrypted": self.outcome.reencrypted,
            "unreadable": self.outcome.unreadable.total(),
            "left": self.outcome.left,
            "old_keys": self.outcome.old_keys,
            "can_remove": self.outcome.can_remove,
        }

    def show_progress(self, done: int, total: int) -> None:
        """Rows that were added meanwhile are seen as well."""
        filled = BAR_WIDTH * min(done, total) // max(total, 1)
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        end = "\n" if done >= total else ""
        self.stderr.write(f"\r[{bar}] {done:,} of {max(done, total):,} rows", ending=end)

    def tell(self, outcome: Outcome) -> None:
        first = next(iter(settings.FIELD_ENCRYPTION_KEYS))
        if outcome.is_complete and not outcome.reencrypted:
            self.say(f"There is nothing to do: all {outcome.rows:,} rows are encrypted with {first}.")
        else:
            self.say(f"{outcome.reencrypted:,} of {outcome.rows:,} rows are now encrypted with {first}.")
        for key_id, rows in outcome.old_keys.items():
            if rows:
                self.say(f"{describe_key(key_id)}: {rows:,} rows.")
        for table, rows in outcome.unreadable.items():
            self.say(f"{rows:,} rows of {table} cannot be read: add the missing key again, or restore them.")
        if outcome.left:
            self.say(f"{outcome.left:,} rows are left: run this again.")
        for key_id in outcome.can_remove:
            self.say(f"{key_id} encrypts nothing any more: remove it from FIELD_ENCRYPTION_KEYS and restart.")


def describe_key(key_id: str) -> str:
    if key_id == DAMAGED:
        return "No key can be told"
    if key_id in settings.FIELD_ENCRYPTION_KEYS:
        return f"{key_id} is still needed"
    return f"{key_id} is missing from FIELD_ENCRYPTION_KEYS"
