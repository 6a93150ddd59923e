"""Waiting for a condition, with a deadline: never for a time."""

import time
from collections.abc import Callable

PAUSE_S = 0.02
# Long enough for what failed twice on a loaded machine, and waits for its third try; and for django-q's pusher, which
# sleeps for ten seconds after it has lost the database, and may meet it away twice.
DEADLINE_S = 150


def wait_for[T](
    condition: Callable[[], T], *, what: str, deadline_s: float = DEADLINE_S, find_lacking: Callable[[], object] = str
) -> T:
    """The condition's first true value.

    Raises AssertionError where there is none in time, naming `what`, and what `find_lacking` finds then.
    """
    deadline = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {deadline_s:.0f} s: {what} {find_lacking()}"
        time.sleep(PAUSE_S)
    return value
