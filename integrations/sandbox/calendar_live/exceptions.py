"""What calendar.live refuses.

CalendarLiveError
├── NotFoundError         no such record
├── InvalidInputError     a value can't be used; names the field
├── SlotTakenError        the time is occupied; carries the intervals in the way
├── VersionMismatchError  another change came first; carries the current event
├── KeyReusedError        an Idempotency-Key came again with another body
└── WindowExpiredError    changes that far back are no longer listed
"""

from collections.abc import Sequence

from integrations.sandbox.calendar_live.records import Event
from integrations.sandbox.calendar_live.schedule import Interval


class CalendarLiveError(Exception):
    """Base of all refusals; the text is meant for the caller."""


class NotFoundError(CalendarLiveError):
    pass


class InvalidInputError(CalendarLiveError):
    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class SlotTakenError(CalendarLiveError):
    def __init__(self, conflicts: Sequence[Interval], message: str = "That time is already taken.") -> None:
        super().__init__(message)
        self.conflicts = conflicts


class VersionMismatchError(CalendarLiveError):
    def __init__(self, event: Event) -> None:
        super().__init__(f"The event is at version {event.version} by now.")
        self.event = event


class KeyReusedError(CalendarLiveError):
    pass


class WindowExpiredError(CalendarLiveError):
    pass
