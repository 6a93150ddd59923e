"""Connections in the shell: the same functions as behind the admin's buttons."""

from argparse import SUPPRESS
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.calls import check_connection
from integrations.connections import add_connection
from integrations.exceptions import KeepsyncError, SetupError
from integrations.jobs import change_status
from integrations.management.base import KeepsyncCommand, UsageError
from integrations.models import Connection
from integrations.providers import PROVIDERS

STATUSES = {
    "pause": Connection.Status.PAUSED,
    "resume": Connection.Status.ACTIVE,
    "disable": Connection.Status.DISABLED,
}


class Command(KeepsyncCommand):
    help = "Add, list, test, pause, resume or disable connections."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = parser.add_subparsers(dest="action", required=True)
        add = actions.add_parser("add", help="make a connection; prints its webhook address and secret, once")
        add.add_argument("provider", choices=sorted(PROVIDERS))
        add.add_argument("--slug", required=True, help="its name in addresses and commands")
        add.add_argument("--base-url", default="", help="one origin that stands for all of the provider's hosts")
        add.add_argument("--webhook-secret", help="what the provider signs with; made where it is not given")
        add.add_argument("--option", action="append", default=[], metavar="K=V", help="may be repeated")
        lists = actions.add_parser("list", help="all connections")
        test = actions.add_parser("test", help="call the provider once and say what was found")
        rest = [actions.add_parser(name, help=f"{name} a connection") for name in STATUSES]
        for named in (test, *rest):
            named.add_argument("slug")
        for sub in (add, lists, test, *rest):
            sub.add_argument("--json", action="store_true", default=SUPPRESS, help="print one JSON object")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        match options["action"]:
            case "add":
                return self.add(options)
            case "list":
                return self.list()
            case "test":
                return self.test(options["slug"])
        return self.change(options["slug"], options["action"])

    def add(self, options: dict[str, Any]) -> dict[str, Any]:
        pairs = [text.partition("=") for text in options["option"]]
        for number, (name, equals, _) in enumerate(pairs, start=1):
            if not (name and equals):
                # Not quoted: it may be a key whose name was left out.
                raise UsageError(f"--option number {number} is not K=V.")
        try:
            connection, secret = add_connection(
                provider=options["provider"],
                slug=options["slug"],
                base_url=options["base_url"],
                webhook_secret=options["webhook_secret"],
                options={name: value for name, _, value in pairs},
            )
        except SetupError as error:
            raise CommandError(str(error)) from error
        self.say(f"Connection {connection.slug} is there. Its webhooks go to /webhooks/{connection.slug}/")
        if options["webhook_secret"] is None:
            self.say(f"They are signed with this secret, which is not shown again: {secret}")
        shown = {} if options["webhook_secret"] else {"webhook_secret": secret}
        return {"slug": connection.slug, "webhook_path": f"/webhooks/{connection.slug}/", **shown}

    def list(self) -> dict[str, Any]:
        rows = list(Connection.objects.values("slug", "provider", "status", "base_url"))
        for row in rows:
            self.say(f"{row['slug']:24} {row['provider']:16} {row['status']:10} {row['base_url']}")
        if not rows:
            self.say("There is no connection yet: manage.py connection add calendar_live --slug calendar-live")
        return {"connections": rows}

    def test(self, slug: str) -> dict[str, Any]:
        try:
            found = check_connection(find_connection(slug))
        except KeepsyncError as error:
            raise CommandError(f"{slug}: {error}") from error
        self.say(found)
        return {"slug": slug, "ok": True, "message": found}

    def change(self, slug: str, action: str) -> dict[str, Any]:
        connection = find_connection(slug)
        change_status(connection, STATUSES[action])
        self.say(f"{slug} is {connection.get_status_display().lower()}.")
        return {"slug": slug, "status": connection.status}


def find_connection(slug: str) -> Connection:
    try:
        return Connection.objects.get(slug=slug)
    except Connection.DoesNotExist:
        known = ", ".join(Connection.objects.values_list("slug", flat=True)) or "none"
        raise CommandError(f"there is no connection {slug!r}; known are: {known}.") from None
