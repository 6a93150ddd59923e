"""What Keepsync's commands share: exit status 0 done, 1 failed, 2 wrong usage; `--json` for one object on stdout."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations import correlation, http


class KeepsyncCommand(BaseCommand):
    """Base of the commands. Override `run`, which returns what `--json` prints."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")

    def handle(self, *args: Any, **options: Any) -> None:
        self.is_json: bool = options["json"]
        correlation.begin()
        result = self.run(options)
        if self.is_json:
            self.stdout.write(json.dumps(result, default=str))

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def say(self, text: str) -> None:
        """A line for people: left out where standard output is for a program."""
        if not self.is_json:
            self.stdout.write(text)


class UsageError(CommandError):
    """The command was called with the wrong words."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=2)


@contextmanager
def quiet_requests() -> Iterator[None]:
    """No line in the log for each call outside: they would hide a progress bar or the results."""
    requests_logger = logging.getLogger(http.__name__)
    before = requests_logger.level
    requests_logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        requests_logger.setLevel(before)
