"""The stage: the connections that a rehearsal plays on, and the people it books for."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex

from bookings.rehearsal.sandbox import Customer, Guest, NotASandboxError, Played, Record
from integrations.exceptions import KeepsyncError, PermanentError, SetupError
from integrations.models import Connection
from integrations.pairs import CALENDAR, list_crms

PAUSE_S = 0.3
TRIES_TO_BOOK = 10
# What a booking from the sandbox can lead to, beside the CRMs that are paired.
OTHERS = ("zoom", "stripe", "slack")


class CaseFailedError(KeepsyncError):
    """What is not as it must be, in words for people."""


@dataclass
class Stage:
    """`connections` are those that take part, by slug; `timeout_s` is for each thing that is waited for."""

    calendar: Connection
    crms: list[Connection]
    connections: Mapping[str, Connection]
    timeout_s: float
    booked: list[str] = field(default_factory=list)

    @property
    def customer(self) -> Customer:
        return Customer(self.calendar.base_url)

    @property
    def mail(self) -> Played:
        return Played(f"{self.calendar.base_url}/mail")

    @property
    def others(self) -> list[Connection]:
        """All but calendar.live's."""
        return [each for each in self.connections.values() if each != self.calendar]

    def played(self, connection: Connection) -> Played:
        return self.customer.calendar if connection == self.calendar else Played(connection.base_url)

    def find(self, provider: str) -> Connection | None:
        """The connection that Keepsync itself would take."""
        return next((each for each in self.connections.values() if each.provider == provider), None)

    # --- Acting

    def book(self, slug: str, answers: Mapping[str, str] | None = None) -> tuple[Record, Guest]:
        """A booking by somebody new, at the last time on offer that is free."""
        guest = make_guest(answers or {})
        slots = self.customer.list_slots(slug)
        for slot in slots[::-1][:TRIES_TO_BOOK]:
            try:
                self.customer.book(slug, slot, guest)
            except PermanentError:
                # Somebody was quicker.
                continue
            event = self.customer.find_event(guest)
            self.booked.append(event["id"])
            return event, guest
        raise CaseFailedError(f"calendar.live has no free time for {slug}: cancel bookings in the sandbox.")

    def cancel_all(self) -> list[str]:
        """Leave no booking behind; their ids."""
        cancelled, self.booked = self.booked, []
        for event_id in cancelled:
            self.customer.cancel(event_id)
        return cancelled

    # --- Waiting

    def wait(self, find_problems: Callable[[], list[str]]) -> None:
        """Until there are none. Raises CaseFailedError with those that are left when the time is over."""
        deadline = time.monotonic() + self.timeout_s
        while problems := find_problems():
            if time.monotonic() > deadline:
                raise CaseFailedError(f"after {self.timeout_s:.0f} s: {'; '.join(problems)}.")
            time.sleep(PAUSE_S)


def make_guest(answers: Mapping[str, str]) -> Guest:
    """Somebody who was never seen before, at an address that nobody has (RFC 2606)."""
    tag = token_hex(5)
    return Guest(f"Robin Rehearsal {tag}", f"rehearsal-{tag}@example.com", f"Rehearsal {tag}", answers)


def set_stage(slug: str, timeout_s: float) -> Stage:
    """Raises SetupError where the connection is no calendar.live, or a connection leads out of the sandbox."""
    calendar = Connection.objects.filter(slug=slug).first()
    if calendar is None or calendar.provider != CALENDAR:
        known = ", ".join(Connection.objects.filter(provider=CALENDAR).values_list("slug", flat=True)) or "none"
        raise SetupError(f"{slug} is no calendar.live connection; there are: {known}.")
    crms = list_crms(calendar.pk)
    taken = Connection.objects.filter(provider__in=OTHERS).exclude(status=Connection.Status.DISABLED).order_by("id")
    connections = {each.slug: each for each in (calendar, *crms, *taken)}
    stage = Stage(calendar, crms, connections, timeout_s)
    outside = [each for each in connections.values() if not is_played(stage, each)]
    if outside:
        named = ", ".join(f"{each.slug} ({each.base_url or 'the provider itself'})" for each in outside)
        verb = "does" if len(outside) == 1 else "do"
        raise SetupError(
            f"rehearse needs connections that point to the sandbox: {named} {verb} not answer as one. Point the "
            "connection to the sandbox, or disable it meanwhile."
        )
    return stage


def is_played(stage: Stage, connection: Connection) -> bool:
    """Whether the sandbox answers there. Nothing is asked of a provider's own address."""
    if not connection.base_url:
        return False
    try:
        stage.played(connection).read()
    except (NotASandboxError, KeepsyncError):
        return False
    return True
