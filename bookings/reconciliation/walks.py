"""One process's way through a run: the next page of the step that it is at, and then the next step."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bookings.models import ReconciliationRun
from bookings.reconciliation.ledger import DryLedger, Ledger
from integrations import http
from integrations.calls import use_account
from integrations.models import Connection
from integrations.providers import get_provider
from integrations.providers.base import Account

Step = ReconciliationRun.Step
# How much of a provider's rate budget a run takes: the rest is for what is to go out.
SHARE = 0.5
# How long the calls for one page may take.
PAGE_S = 12.0


@dataclass(slots=True)
class Walk:
    """`checked` and `changes` are what the page has looked at so far: records, and changes that a webhook could have
    told. `rest_s` is how long a provider asks not to be called."""

    run: ReconciliationRun
    ledger: Ledger
    checked: int = 0
    changes: int = 0
    rest_s: float = 0.0
    called_at: dict[int, float] = field(default_factory=dict)

    def call[T](self, connection: Connection, ask: Callable[[Account], T]) -> T:
        """What the provider answers; never inside a transaction. Calls keep a distance from each other."""
        distance_s = 1 / (get_provider(connection.provider).rate.per_s * SHARE)
        wait_s = self.called_at.get(connection.pk, 0.0) + distance_s - time.monotonic()
        if 0 < wait_s <= distance_s:
            time.sleep(wait_s)
        self.called_at[connection.pk] = time.monotonic()
        with http.limit_time(PAGE_S) as scope:
            try:
                return use_account(connection, ask)
            finally:
                self.rest_s = max(self.rest_s, scope.rest_s)

    def note(self, text: str) -> None:
        """For people, on the run's page."""
        if text not in self.run.notes:
            self.run.notes = [*self.run.notes, text]

    def go_to(self, step: Step) -> None:
        self.run.step, self.run.cursor, self.run.crm = step, "", None

    def finish_page(self) -> None:
        self.ledger.finish_page(checked=self.checked, changes=self.changes)
        self.checked = self.changes = 0

    @property
    def is_whole(self) -> bool:
        """Whether the run is confined to nothing."""
        return self.run.meeting_id is None and self.run.since is None

    @property
    def is_full(self) -> bool:
        """Whether all events are listed, so that what is not among them is not there."""
        return self.run.updated_since is None and self.is_whole

    @property
    def is_dry(self) -> bool:
        return isinstance(self.ledger, DryLedger)
