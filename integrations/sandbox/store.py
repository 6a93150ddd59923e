"""A provider's records: read() shows them at one instant; change() replaces them as a whole, and saves them.

store = Store(State, "zoom", get_state_file())      # State: a dataclass whose fields all have defaults

with store.change() as state:
    state.meetings[meeting.id] = meeting            # records are frozen; an exception leaves all as it was
"""

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from integrations.sandbox.persistence import StateFile, decode, encode


class Store[S]:
    """`kind()` is the state to start with."""

    def __init__(self, kind: Callable[[], S], section: str, file: StateFile) -> None:
        saved = file.load(section)
        self._kind = kind
        self._section = section
        self._file = file
        self._lock = threading.Lock()
        self._state: S = kind() if saved is None else decode(kind, saved)

    def read(self) -> S:
        """The state as it is now; it never changes any more, so no lock is needed to look at it."""
        return self._state

    @contextmanager
    def change(self) -> Iterator[S]:
        """One change at a time, on a draft that counts once it is saved; an exception leaves the state as it was."""
        with self._lock:
            draft = copy.copy(self._state)
            vars(draft).update({name: copy.copy(value) for name, value in vars(draft).items()})
            yield draft
            if self._file.is_kept:
                self._file.save(self._section, encode(draft))
            self._state = draft

    def reset(self) -> None:
        with self.change() as draft:
            vars(draft).update(vars(self._kind()))


def show_state(state: Any) -> dict[str, Any]:
    """All records as JSON values: records by id become lists, oldest first."""
    shown = {}
    for name, value in vars(state).items():
        encoded = encode(value)
        shown[name] = list(encoded.values()) if isinstance(encoded, dict) else encoded
    return shown
