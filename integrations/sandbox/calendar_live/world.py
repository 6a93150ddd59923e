"""The world: read() shows the state at one instant; change() replaces it as a whole, saves it and announces it."""

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from integrations.sandbox.calendar_live.records import State
from integrations.sandbox.clock import utc_now
from integrations.sandbox.persistence import StateFile, decode, encode
from integrations.sandbox.webhooks import Mishap

SECTION = "calendar_live"


@dataclass(frozen=True)
class Moment:
    """The state at `now`; only the one that change() hands out may be written to."""

    state: State
    now: datetime
    has_endpoint: bool
    draw_mishap: Callable[[], Mishap] = Mishap

    @property
    def second(self) -> datetime:
        """`now` as calendar.live stamps events: in whole seconds."""
        return self.now.replace(microsecond=0)


class World:
    """The account's state.

    `has_endpoint` says whether a webhook endpoint is configured at all; `draw_mishap` is asked for every webhook.
    """

    def __init__(
        self,
        file: StateFile,
        *,
        has_endpoint: bool = False,
        clock: Callable[[], datetime] = utc_now,
        draw_mishap: Callable[[], Mishap] = Mishap,
    ) -> None:
        saved = file.load(SECTION)
        self.clock = clock
        self._file = file
        self._has_endpoint = has_endpoint
        self._draw_mishap = draw_mishap
        self._state: State = State() if saved is None else decode(State, saved)
        self._condition = threading.Condition()

    def read(self) -> Moment:
        """The state as it is now; it never changes any more, so no lock is needed to look at it."""
        return self._at(self._state)

    @contextmanager
    def change(self) -> Iterator[Moment]:
        """One change at a time, on a draft: it counts once it is saved; an exception leaves the state as it was."""
        with self._condition:
            draft = State(**{name: copy.copy(value) for name, value in vars(self._state).items()})
            yield self._at(draft)
            if self._file.is_kept:
                self._file.save(SECTION, encode(draft))
            self._state = draft
            self._condition.notify_all()

    def reset(self) -> None:
        with self.change() as moment:
            vars(moment.state).update(vars(State()))

    def wait(self, timeout_s: Callable[[Moment], float]) -> None:
        """Return after the next change, or after the time-out, which is worked out under the same lock.

        Otherwise a change between working it out and waiting would wake nobody.
        """
        with self._condition:
            self._condition.wait(timeout_s(self.read()))

    def _at(self, state: State) -> Moment:
        return Moment(state, self.clock(), self._has_endpoint, self._draw_mishap)
