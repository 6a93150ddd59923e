"""Exporting all that is held about a person in the shell: the same as behind the contact's button."""

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from contacts.management.people import find_person
from contacts.personal_data import export_person
from integrations.management.base import KeepsyncCommand, UsageError


class Command(KeepsyncCommand):
    help = "Write all that is held about a person as one JSON object, in clear: to standard output, or to a file."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("person", metavar="ID|EMAIL", help="a contact's id, or its e-mail address")
        parser.add_argument("--output", metavar="FILE", help="a new file, which only its owner may read")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        if self.is_json and not options["output"]:
            raise UsageError("--json goes with --output: without it, the data itself is what is printed.")
        contact = find_person(options["person"])
        exported = export_person(contact)
        text = json.dumps(exported, ensure_ascii=False, indent=2)
        if not options["output"]:
            self.stdout.write(text)
            return {}
        write_file(Path(options["output"]), text)
        self.say(f"Written to {options['output']}.")
        counts = {name: len(value) for name, value in exported.items() if isinstance(value, list)}
        return {"contact": contact.pk, "output": options["output"], "counts": counts}


def write_file(path: Path, text: str) -> None:
    """Raises CommandError where it cannot be made, or is there already."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
