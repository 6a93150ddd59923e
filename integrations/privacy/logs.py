"""Logs as JSON lines that hold no personal data: only the extras on an allow-list, and no exception messages."""

import json
import logging
import re
import traceback
from datetime import UTC, datetime
from typing import Any

from integrations.correlation import current_ids

# What code may pass as `extra=`; everything else is left out.
ALLOWED_EXTRAS = (
    "delivery_id", "effect_id", "kind", "connection", "provider", "event_type", "status", "cause", "attempt",
    "attempts", "count", "duration_ms", "retry_in_s", "method", "status_code", "path", "user_id", "command",
    "fingerprint", "exception", "job", "run", "request_id", "meeting_id", "item",
)  # fmt: skip
ENCODER = json.JSONEncoder(default=str)
# What stands behind an address's question mark is what somebody was looking for.
QUERY = re.compile(r"\?[^\s\"']+")
EMAIL = re.compile(r"[^\s@\"'<>(),;:]+@[^\s@\"'<>(),;:]+")
# The ids of our own rows stay, which are what a line is looked up by.
LONG_NUMBER = re.compile(r"(\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)|\+?\d[\d ().-]{6,}\d")
# What most lines are made of, and needs no closer look: an id of a row of ours; a few words without figures.
OWN_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PLAIN = re.compile(r"(?!.*xox)[a-z .-]{0,64}")
SECRET = re.compile(r"\b(?:whsec_|sk_|rk_|xox[a-z]-|Bearer |Token )\S+")


def scrub(text: str) -> str:
    """For text that other code wrote: e-mail addresses, long numbers and things that look like secrets go."""
    if OWN_ID.fullmatch(text) or PLAIN.fullmatch(text):
        return text
    for pattern in (QUERY, SECRET, EMAIL):
        text = pattern.sub("[redacted]", text)
    return LONG_NUMBER.sub(lambda match: match[1] or "[redacted]", text)


def scrub_extra(value: Any) -> Any:
    """Numbers and booleans as they are, everything else as text."""
    return value if value is None or isinstance(value, bool | int | float) else scrub(str(value))


def describe_exception(error: BaseException) -> dict[str, Any]:
    """Type and frames of an exception and its causes. The message is left out: it may quote a value."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    cause = error.__cause__ or error.__context__
    described: dict[str, Any] = {"type": type(error).__qualname__, "frames": frames[-12:]}
    return described if cause is None else {**described, "cause": describe_exception(cause)}


class RedactedJsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, the allowed extras, and the exception's place.

    With the correlation id of what goes on, or those of a batch.
    """

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": scrub(record.getMessage()),
        }
        line.update({name: scrub_extra(record.__dict__[name]) for name in ALLOWED_EXTRAS if name in record.__dict__})
        if ids := record.__dict__.get("correlation_ids", current_ids()):
            line["correlation_id"] = ids[0] if len(ids) == 1 else ids
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = describe_exception(record.exc_info[1])
        elif "failure" in record.__dict__:
            line["exception"] = record.__dict__["failure"]
        return ENCODER.encode(line)


class ResultFilter(logging.Filter):
    """Of django-q2's lines: one quotes what a failed job raised. Our own "job failed" tells of it without that."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.module == "monitor" and record.levelno == logging.ERROR and not record.exc_info)
