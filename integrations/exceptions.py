"""Errors of the plumbing. The class says whether trying again can help; the message is safe to store and to show.

KeepsyncError
├── RejectedError               a request that is answered with an error and kept, not accepted
│   ├── SignatureError          401
│   ├── MalformedError          400
│   └── ReusedIdError           409, the delivery id is known with another body
├── UnstoredError               a request that is answered with an error and not kept (404, 413, 415, 503)
├── TransientError              the same try may succeed later
│   └── RateLimitedError        … after the time that the other side names
├── PermanentError              the same try can only fail again
│   ├── PayloadError            the message cannot be read
│   ├── SetupError              a person has to set something first
│   └── LeaseLostError          another process works on the row
└── StateError                  an operator's action does not fit the row's state
"""

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

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
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


class SetupError(PermanentError):
    cause = Cause.CONFIGURATION


class LeaseLostError(PermanentError):
    pass


class StateError(KeepsyncError):
    """The message says which state the row is in and what can be done instead."""
