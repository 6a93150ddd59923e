"""The requests that a played provider received: the last 500, kept in memory only.

`get_log("stripe")` is the one log of that provider; `frame.Frame.api()` writes it, pages and `_sandbox/state` read it:
`entries()` newest first, `clear()` for a reset.
"""

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

KEPT = 500
BODY_SHOWN = 2000


@dataclass(frozen=True)
class Entry:
    """One request. `path` has its query; `status` 0 says that no answer was given; `fault` names what a knob did."""

    at: datetime
    method: str
    path: str
    status: int
    body: str
    duration_ms: int
    fault: str = ""


class RequestLog:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Entry] = deque(maxlen=KEPT)
        self._count = 0

    @property
    def count(self) -> int:
        """How many came since the start or the last reset, kept or not."""
        return self._count

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)
            self._count += 1

    def entries(self) -> Sequence[Entry]:
        """Newest first."""
        with self._lock:
            return list(reversed(self._entries))

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._count = 0


@cache
def get_log(provider: str) -> RequestLog:
    return RequestLog()


def summarise(body: bytes) -> str:
    """The beginning of a body as text."""
    text = body[: BODY_SHOWN + 1].decode(errors="replace")
    return text if len(text) <= BODY_SHOWN else f"{text[:BODY_SHOWN]}…"
