"""Errors of bookings. The messages are safe to show; they name nobody.

KeepsyncError
├── TakenError          the time is taken, by these intervals
├── RefusedError        calendar.live, or the state of the meeting, does not allow it
└── KeyReusedError      an idempotency key came again with another body
"""

from collections.abc import Sequence

from integrations.exceptions import KeepsyncError
from integrations.providers.calendar_live.client import Interval


class TakenError(KeepsyncError):
    def __init__(self, conflicts: Sequence[Interval]) -> None:
        super().__init__("That time is taken.")
        self.conflicts = conflicts


class RefusedError(KeepsyncError):
    """`status` is the API's, `code` the short name of the reason, `field` what it is about."""

    def __init__(self, message: str, *, status: int, code: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field


class KeyReusedError(KeepsyncError):
    pass
