"""What a sales rep fills in on a CRM's page to make a meeting, or to move one: the same fields at each of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.http import HttpRequest

from integrations.sandbox.clock import utc_now
from integrations.sandbox.panel import Action, Input
from integrations.sandbox.staff import COLLEAGUES, Actor

# As a browser's field for a date and a time writes it; in UTC here.
FORM = "%Y-%m-%dT%H:%M"
LONGEST_TITLE = 255
MOST_CONTACTS = 100
NOBODY = ("", "nobody")


class FormError(Exception):
    """What was filled in cannot be used; the text says why."""


@dataclass(frozen=True)
class NewMeeting:
    """`actor` is its owner, who makes it; `contact_id` is empty where nobody attends."""

    title: str
    start: datetime
    end: datetime
    actor: Actor
    contact_id: str


def make_new(path: str, contacts: Sequence[tuple[str, str]]) -> Action:
    """`contacts` are ids and names, the newest first."""
    start = (utc_now() + timedelta(days=1)).replace(hour=10, minute=0)
    owners = tuple((str(colleague.number), colleague.name) for colleague in COLLEAGUES)
    inputs = (
        Input("title", "Title", "Sales call"),
        *make_times(start, start + timedelta(minutes=30)),
        Input("owner", "Owner", choices=owners),
        Input("contact", "Contact", choices=(NOBODY, *contacts[:MOST_CONTACTS])),
    )
    return Action("New meeting", path, inputs)


def make_move(path: str, start: datetime | None, end: datetime | None) -> Action:
    return Action("Move", path, make_times(start, end))


def make_times(start: datetime | None, end: datetime | None) -> tuple[Input, ...]:
    return tuple(
        Input(name, label, at.astimezone(UTC).strftime(FORM) if at else "", kind="datetime-local")
        for name, label, at in (("start", "Start", start), ("end", "End", end))
    )


def read_new(request: HttpRequest) -> NewMeeting:
    """Raises FormError."""
    title, owner = request.POST.get("title", "").strip(), request.POST.get("owner", "")
    if not 0 < len(title) <= LONGEST_TITLE:
        raise FormError(f"A meeting needs a title of up to {LONGEST_TITLE} characters.")
    numbers = {str(colleague.number): colleague.number for colleague in COLLEAGUES}
    if owner not in numbers:
        raise FormError("A meeting needs an owner who works here.")
    start, end = read_times(request)
    return NewMeeting(title, start, end, Actor(numbers[owner], is_person=True), request.POST.get("contact", "").strip())


def read_times(request: HttpRequest) -> tuple[datetime, datetime]:
    """Start and end. Raises FormError."""
    start, end = (read_moment(request.POST.get(name, ""), name) for name in ("start", "end"))
    if not start < end:
        raise FormError("A meeting ends after it has begun.")
    return start, end


def read_moment(text: str, name: str) -> datetime:
    """A time without an offset is UTC. Raises FormError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise FormError(f"{name} must be a date and a time, as 2026-11-24T10:00.") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
