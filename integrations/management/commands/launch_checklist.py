"""The launch checklist in the shell."""

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from integrations.management.base import KeepsyncCommand, UsageError
from integrations.operations.checklist import Item, State, check, find_due, list_items, look


class Command(KeepsyncCommand):
    help = (
        "Say how each item of the launch checklist stands, with its evidence. What has expired is checked first. Exit "
        "status 0: all pass; 1: some are open; 2: wrong usage."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--item", metavar="NAME", action="append", default=[], help="only this one; may be repeated"
        )
        parser.add_argument("--recheck", action="store_true", help="check all of them, also what has not expired")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit status 1 where items are open, after all are printed."""
        self.still_open: list[str] = []
        super().handle(*args, **options)
        if self.still_open:
            raise CommandError(f"{len(self.still_open)} open: {', '.join(self.still_open)}.")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        chosen = read_items(options["item"])
        due = {item.name for item in find_due(timezone.now())}
        for item in chosen:
            if options["recheck"] or item.name in due:
                check(item)
        states = look(timezone.now(), chosen)
        for state in states:
            self.tell(state)
        self.still_open = [state.item.name for state in states if state.is_open]
        return {"passed": not self.still_open, "open": self.still_open, "items": [show(state) for state in states]}

    def tell(self, state: State) -> None:
        self.say(f"{'OPEN' if state.is_open else 'ok':4}  {state.item.name}: {state.standing}")
        for line in [*(state.result.lines if state.result else ()), state.advice]:
            if line:
                self.say(f"      {line}")


def read_items(names: list[str]) -> list[Item]:
    """Those named; all where none is. Raises UsageError for one that there is not."""
    items = list_items()
    known = [item.name for item in items]
    if unknown := sorted(set(names) - set(known)):
        raise UsageError(f"there is no item {', '.join(unknown)}; there are {', '.join(known)}.")
    return [item for item in items if not names or item.name in names]


def show(state: State) -> dict[str, Any]:
    result, signature = state.result, state.signature
    return {
        "name": state.item.name,
        "section": state.item.section.value,
        "title": state.item.title,
        "standing": state.standing.name.lower(),
        "is_open": state.is_open,
        "evidence": result.lines if result else [],
        "advice": state.advice,
        "checked_at": result.checked_at.isoformat() if result else None,
        "expires_at": state.expires_at.isoformat() if state.expires_at else None,
        "signed_at": signature.signed_at.isoformat() if signature else None,
    }
