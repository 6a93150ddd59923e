"""Waiting for a condition, with a deadline: never for a time."""

import time
from collections.abc import Callable

PAUSE_S = 0.02


def wait_for[T](condition: Callable[[], T], *, what: str, deadline_s: float = 60) -> T:
    """The condition's first true value. Raises AssertionError, naming `what`, where there is none in time."""
    deadline = time.monotonic() + deadline_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {deadline_s:.0f} s: {what}"
        time.sleep(PAUSE_S)
    return value
