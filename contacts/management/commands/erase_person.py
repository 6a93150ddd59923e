"""Erasing a person in the shell: the same as behind the contact's button."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from contacts.erasure import ErasurePreview, erase, preview_erasure
from contacts.management.people import find_person
from integrations.management.base import KeepsyncCommand, UsageError

WORD = "ERASE"


class Command(KeepsyncCommand):
    help = (
        "Forget a person for good: fields, identifiers, history, payloads, candidate pairs. An empty row stays, so "
        "that an older message brings nobody back. Says what stays in other systems, to be deleted there."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("person", metavar="ID|EMAIL", help="a contact's id, or its e-mail address")
        parser.add_argument("--dry-run", action="store_true", help="only say what would be forgotten")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        if self.is_json and not (options["yes"] or options["dry_run"]):
            raise UsageError("--json goes with --yes or --dry-run: nobody can be asked.")
        contact = find_person(options["person"])
        found = preview_erasure(contact)
        self.show(found)
        if options["dry_run"]:
            return {"contact": contact.pk, "erased": False, **asdict(found)}
        if not options["yes"]:
            self.ask()
        receipt = erase(contact)
        self.say("The person is erased.")
        return {
            "contact": contact.pk,
            "erased": True,
            "receipt": receipt.pk,
            "counts": receipt.counts,
            "elsewhere": receipt.elsewhere,
        }

    def show(self, found: ErasurePreview) -> None:
        for kind, count in found.counts.items():
            if count:
                self.say(f"{count:8,}  {kind}")
        if found.waiting:
            self.say(f"{found.waiting} of the payloads wait to be worked on, and are emptied after that.")
        if found.stuck:
            self.say(f"{found.stuck} were refused or have failed for good, and are closed.")
        if found.elsewhere:
            self.say("These records stay where they are. Delete each of them there:")
        for each in found.elsewhere:
            self.say(f"  {each.connection}: {each.what} {each.external_id}")

    def ask(self) -> None:
        """Raises CommandError unless the word is typed."""
        if input(f"There is no way back. Type {WORD} to erase: ") != WORD:
            raise CommandError("nothing was erased.")
