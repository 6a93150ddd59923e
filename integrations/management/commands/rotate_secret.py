"""Rotating webhook secrets in the shell: the same functions as behind the admin's guided page."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError, CommandParser

from integrations.exceptions import StateError
from integrations.management.base import KeepsyncCommand, UsageError
from integrations.models import Connection
from integrations.providers import PROVIDERS
from integrations.webhook_secrets import (
    MADE_BY_SENDER,
    State,
    add_secret,
    describe_reminder,
    list_states,
    retire_older,
)


class Command(KeepsyncCommand):
    help = (
        "Rotate a connection's webhook secret without a gap: add a new one (both are accepted), switch the sender, "
        "look at --status until the old one is quiet, then --retire-old."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("slug", help="the connection's name")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--secret", metavar="X", help="the new secret, where the sender made it; else one is made")
        what.add_argument("--status", action="store_true", help="only say how old each secret is and how much in use")
        what.add_argument("--retire-old", action="store_true", help="retire all but the newest, unless one is in use")
        parser.add_argument("--force", action="store_true", help="with --retire-old: also those that are in use")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        if options["force"] and not options["retire_old"]:
            raise UsageError("--force goes with --retire-old.")
        connection = find_connection(options["slug"])
        try:
            if options["status"]:
                return self.show_status(connection)
            if options["retire_old"]:
                return self.retire_old(connection, force=options["force"])
            return self.add(connection, options["secret"])
        except StateError as error:
            raise CommandError(str(error)) from error

    def add(self, connection: Connection, given: str | None) -> dict[str, Any]:
        if given is not None and not given.strip():
            raise UsageError("--secret is empty: leave it out, and one is made.")
        if given is None and connection.provider in MADE_BY_SENDER:
            raise UsageError(f"{PROVIDERS[connection.provider].name} makes its secret itself: give it with --secret.")
        secret = add_secret(connection, given)
        newest, *older = list_states(connection)
        command = f"manage.py rotate_secret {connection}"
        self.say(f"Secret {newest.id} of {connection} is active, beside {len(older)} older.")
        if given is None:
            self.say(f"It is not shown again: {secret}")
        self.say(f"Switch the sender to it, look at {command} --status, and then run {command} --retire-old.")
        shown = {} if given else {"webhook_secret": secret}
        return {"slug": connection.slug, "added": newest.id, **shown, "secrets": describe(newest, *older)}

    def show_status(self, connection: Connection) -> dict[str, Any]:
        states = list_states(connection)
        self.say(f"{'secret':>8}  {'made':20}  {'age':>9}  {'last hour':>9}  {'last day':>9}  last delivery")
        for state in states:
            last = show(state.use.last_at) if state.use.last_at else "none in the last day"
            self.say(
                f"{state.id:8}  {show(state.made_at):20}  {state.age_days:4} days  {state.use.recent:9,}  "
                f"{state.use.last_day:9,}  {last}"
            )
        if states and (reminder := describe_reminder(states[0].made_at, states[0].seen_at)):
            self.say(f"The newest was {reminder}.")
        return {"slug": connection.slug, "secrets": describe(*states)}

    def retire_old(self, connection: Connection, *, force: bool) -> dict[str, Any]:
        retired = retire_older(connection, force=force)
        if retired:
            self.say(f"Retired: {', '.join(map(str, retired))}. What is signed with them is refused from now on.")
        else:
            self.say(f"{connection} has no older secret.")
        return {"slug": connection.slug, "retired": retired, "secrets": describe(*list_states(connection))}


def describe(*states: State) -> list[dict[str, Any]]:
    return [
        {
            "id": state.id,
            "made_at": show(state.made_at),
            "age_days": state.age_days,
            "last_hour": state.use.recent,
            "last_day": state.use.last_day,
            "last_used_at": show(state.use.last_at) if state.use.last_at else None,
            "in_use": bool(state.in_use),
        }
        for state in states
    ]


def show(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def find_connection(slug: str) -> Connection:
    """Raises CommandError where there is none, or it has no secrets because its provider sends no webhooks."""
    connection = Connection.objects.defer("credentials").filter(slug=slug).first()
    if connection is None:
        known = ", ".join(Connection.objects.values_list("slug", flat=True)) or "none"
        raise CommandError(f"there is no connection {slug!r}; known are: {known}.")
    provider = PROVIDERS.get(connection.provider)
    if provider is not None and not provider.signature_header:
        raise CommandError(f"{provider.name} sends no webhooks: {slug} needs no secret.")
    return connection
