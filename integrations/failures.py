"""What a failed try is put down to, for deliveries and effects alike."""

import hashlib
import re
from dataclasses import dataclass

from django.db import OperationalError

from integrations.exceptions import KeepsyncError, PermanentError, TransientError
from integrations.privacy.logs import describe_exception
from integrations.retries import Cause


@dataclass(frozen=True, slots=True)
class Failure:
    cause: Cause
    message: str
    trace: dict[str, object] | None = None
    retry_after_s: float | None = None


def explain(error: Exception) -> Failure:
    """The typed cause, and a message that holds no values of the payload."""
    match error:
        case TransientError():
            return Failure(error.cause, str(error), retry_after_s=error.retry_after_s)
        case PermanentError():
            return Failure(error.cause, str(error))
        case KeepsyncError():
            return Failure(Cause.PERMANENT, str(error))
        case OperationalError():
            return Failure(Cause.TRANSIENT, "The database was busy or away.", describe_exception(error))
    return Failure(Cause.BUG, f"Unexpected {type(error).__name__}: see the attempt.", describe_exception(error))


def fingerprint(provider: str, cause: str, message: str) -> str:
    """The same for failures of one kind: numbers, ids and quoted words in the message don't count."""
    normalised = re.sub(r"'[^']*'|\"[^\"]*\"|\b[0-9a-f]{8,}\b|\d+", "#", message.lower())
    return hashlib.sha256(f"{provider}\0{cause}\0{normalised}".encode()).hexdigest()[:16]
