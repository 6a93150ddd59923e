"""Joining a calendar.live connection with a CRM in the shell."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.exceptions import SetupError
from integrations.management.base import KeepsyncCommand
from integrations.management.commands.connection import find_connection
from integrations.models import Pair
from integrations.pairs import make_pair


class Command(KeepsyncCommand):
    help = "Keep a calendar.live connection and a CRM in step. Several CRMs may be paired; the built-in one always is."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("calendar", help="slug of the calendar.live connection")
        parser.add_argument("crm", help="slug of the CRM's connection")
        parser.add_argument(
            "--pattern",
            required=True,
            choices=Pair.Pattern.values,
            help="which side leads: in (calendar.live), out (the CRM), two_way (both)",
        )

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        try:
            pair = make_pair(find_connection(options["calendar"]), find_connection(options["crm"]), options["pattern"])
        except SetupError as error:
            raise CommandError(str(error)) from error
        self.say(f"{pair} are paired ({pair.get_pattern_display()}). Bookings from now on go to {pair.crm}.")
        return {"calendar": pair.calendar.slug, "crm": pair.crm.slug, "pattern": pair.pattern}
