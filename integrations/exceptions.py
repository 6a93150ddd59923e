"""Errors of the plumbing. The class says whether trying again can help; the message is safe to store and to show.

KeepsyncError
├── RejectedError               a request that is answered with an error and kept, not accepted
│   ├── SignatureError          401
│   ├── MalformedError          400
│   └── ReusedIdError           409, the delivery id is known with another body
├── UnstoredError               a request that is answered with an error and not kept (404, 413, 415, 503)
├── TransientError              the same try may succeed later
│   ├── RateLimitedError        … after the time that the other side names
│   ├── ReauthoriseError        … after a person has authorised the connection again
│   │   └── GrantError          … because the authorisation server has refused what it had granted
│   └── OutageError             the other side cannot be reached, or answers 5xx: nothing was done
│       ├── LostAnswerError     … or it was done, and the answer is lost
│       └── TokenOutageError    … because no token could be had from its authorisation server
├── PermanentError              the same try can only fail again
│   ├── PayloadError            the message cannot be read
│   ├── ErasedError             the message was erased, with the data of a person
│   ├── EmptiedError            … or because its time was over
│   ├── SetupError              a person has to set something first
│   ├── MissingError            the record is not there (404, 410)
│   ├── InputError              the other side does not accept a value (422)
│   ├── ConflictError           the other side holds something that contradicts it (409, 412)
│   │   ├── SlotTakenError      … at that time
│   │   └── StaleVersionError   … because it was changed since
│   └── LeaseLostError          another process works on the row
├── AuthorisationError          a walk to a provider's consent page cannot be finished: it is begun again
├── SignInClosedError           too many wrong passwords or codes; it opens again by itself
├── WrongCodeError              a code of the second factor is wrong, or was used
└── StateError                  an operator's action does not fit the row's state
"""

import math
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from integrations.events import Booking
from integrations.retries import Cause


class KeepsyncError(Exception):
    """Base of all errors that Keepsync raises on purpose."""


class RejectedError(KeepsyncError):
    status_code = 400
    code = "malformed"

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class SignatureError(RejectedError):
    status_code = 401
    code = "invalid_signature"


class MalformedError(RejectedError):
    pass


class ReusedIdError(RejectedError):
    status_code = 409
    code = "delivery_id_reused"


class UnstoredError(KeepsyncError):
    def __init__(self, status_code: int, code: str, message: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code
        self.retry_after_s = retry_after_s


class TransientError(KeepsyncError):
    cause = Cause.TRANSIENT
    retry_after_s: float | None = None


class RateLimitedError(TransientError):
    cause = Cause.RATE_LIMITED

    def __init__(self, message: str, *, retry_after_s: float | None = None, holds_connection: bool = True) -> None:
        """`holds_connection` is False for a limit of one record or user that the connection's others don't share."""
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.holds_connection = holds_connection


class ReauthoriseError(TransientError):
    """The other side refuses the credentials (401)."""

    cause = Cause.REAUTHORISE


class GrantError(ReauthoriseError):
    """`code` is the authorisation server's (RFC 6749 5.2), or "setup" where it could not be asked at all."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class OutageError(TransientError):
    pass


class LostAnswerError(OutageError):
    """The request may have been taken: a time-out after it was sent, a connection that broke, a cut-off answer."""


class TokenOutageError(OutageError):
    """The token has run out, and no new one is there yet: the provider itself was not called."""

    retry_after_s: float

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PermanentError(KeepsyncError):
    cause = Cause.PERMANENT


class PayloadError(PermanentError):
    """`field` is the dotted path of what cannot be read, such as `data.event.start`."""

    cause = Cause.PAYLOAD

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field = field


class ErasedError(PermanentError):
    pass


class EmptiedError(PermanentError):
    pass


class SetupError(PermanentError):
    cause = Cause.CONFIGURATION


class MissingError(PermanentError):
    pass


class InputError(PermanentError):
    """`field` is the other side's name of what it does not accept; empty where it names none."""

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class ConflictError(PermanentError):
    cause = Cause.CONFLICT


class SlotTakenError(ConflictError):
    """`conflicts` are the times in the way, in UTC."""

    def __init__(self, message: str, conflicts: Sequence[tuple[datetime, datetime]]) -> None:
        super().__init__(message)
        self.conflicts = conflicts


class StaleVersionError(ConflictError):
    """`current` is the event as it is there by now."""

    def __init__(self, message: str, current: Booking) -> None:
        super().__init__(message)
        self.current = current


class LeaseLostError(PermanentError):
    pass


class AuthorisationError(KeepsyncError):
    """The message says why nothing was authorised, and how to begin again."""


class SignInClosedError(KeepsyncError):
    """`is_for_account`: for one account, wherever the tries came from."""

    def __init__(self, opens_at: datetime, *, is_for_account: bool) -> None:
        minutes = max(1, math.ceil((opens_at - timezone.now()).total_seconds() / 60))
        soon = "in a minute" if minutes == 1 else f"in {minutes} minutes"
        text = f"Too many tries. Signing in is open again {soon}, at {opens_at:%H:%M} UTC."
        hint = " In a browser in which you have signed in before, it is open now." if is_for_account else ""
        super().__init__(text + hint)


class WrongCodeError(KeepsyncError):
    """The message says which code is wanted."""


class StateError(KeepsyncError):
    """The message says which state the row is in and what can be done instead."""
