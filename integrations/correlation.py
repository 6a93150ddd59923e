"""Correlation ids: all that a request, an action or a job leads to has the same one, by which the logs are searched.

The edge sets it: the caller's own where it has sent a well-formed one, else a new one. It is stored with deliveries,
effects and jobs, and taken up again by whatever process works on them.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from uuid_utils import uuid7

HEADER = "X-Request-ID"
LENGTH = 36
# What proxies make: 32 hexadecimal digits, with a UUID's dashes or without. Nobody's data has this form.
WELL_FORMED = re.compile("[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

# What is done in this context belongs to these: one, or those of the effects that go out in one batch.
_current: ContextVar[tuple[str, ...]] = ContextVar("correlation", default=())


def accept(given: str) -> str:
    """The given id, where it is well-formed; else a new one."""
    return given if WELL_FORMED.fullmatch(given) else str(uuid7())


def current_ids() -> tuple[str, ...]:
    return _current.get()


def current_id() -> str:
    """What is made in this context inherits it: of a batch's ids the first. Empty where there is none."""
    return next(iter(_current.get()), "")


def begin(given: str = "") -> str:
    """From here on, in this context, a new piece of work goes on: the given one, or one of its own. Returns its id."""
    accepted = accept(given)
    _current.set((accepted,))
    return accepted


@contextmanager
def carrying(*ids: str) -> Iterator[None]:
    """What is done inside belongs to these. Where none is known it belongs to what goes on around it."""
    known = tuple(dict.fromkeys(filter(None, ids)))
    token = _current.set(known or _current.get())
    try:
        yield
    finally:
        _current.reset(token)
