"""Reading a JSON payload that may hold anything: typed values out, or a PayloadError that names the field.

Texts are cleaned, not refused: characters that the database cannot hold are taken out and over-long texts cut, each
with a note. A cut text ends with an ellipsis, so that it is no other, complete value; identifiers are never cut.
"""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.exceptions import PayloadError

TEXT_LENGTH = 10_000
IDENTIFIER_LENGTH = 255
LARGEST_INTEGER = 2**63 - 1
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Without NUL characters, and with lone surrogates replaced by U+FFFD: what PostgreSQL and UTF-8 can hold."""
    return UNSTORABLE.sub(lambda match: "" if match[0] == "\0" else "\ufffd", text)


def cut(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def clean_value(value: Any) -> Any:
    """A JSON value with all of its texts cleaned and its infinite numbers made null."""
    match value:
        case str():
            return cut(clean_text(value), TEXT_LENGTH)
        case float() if not math.isfinite(value):
            return None
        case list():
            return [clean_value(item) for item in value]
        case dict():
            return {clean_text(key): clean_value(item) for key, item in value.items()}
    return value


class PayloadReader:
    """One JSON object of a payload. `path` is where it stands; readers of nested objects share their `notes`."""

    def __init__(self, value: Any, path: str, notes: list[str] | None = None) -> None:
        if not isinstance(value, dict):
            raise PayloadError(path, "is not an object.")
        self.value: Mapping[str, Any] = value
        self.path = path
        self.notes: list[str] = [] if notes is None else notes

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def required(self, name: str) -> Any:
        value = self.value.get(name)
        if value is None:
            raise PayloadError(self.at(name), "is missing." if name not in self.value else "is null.")
        return value

    def text(self, name: str, *, max_length: int = TEXT_LENGTH) -> str:
        value = self.required(name)
        if not isinstance(value, str):
            raise PayloadError(self.at(name), "is not a text.")
        cleaned = clean_text(value)
        if cleaned != value:
            self.notes.append(f"{self.at(name)}: characters that cannot be stored were taken out.")
        if len(cleaned) > max_length:
            self.notes.append(f"{self.at(name)}: cut from {len(cleaned)} to {max_length} characters.")
        return cut(cleaned, max_length)

    def optional_text(self, name: str, *, max_length: int = TEXT_LENGTH) -> str:
        return "" if self.value.get(name) is None else self.text(name, max_length=max_length)

    def identifier(self, name: str) -> str:
        value = self.text(name).strip()
        if not value or len(value) > IDENTIFIER_LENGTH:
            raise PayloadError(self.at(name), f"is not an identifier of 1 to {IDENTIFIER_LENGTH} characters.")
        return value

    def optional_identifier(self, name: str) -> str:
        return "" if self.value.get(name) in (None, "") else self.identifier(name)

    def integer(self, name: str, *, minimum: int = -LARGEST_INTEGER) -> int:
        """A JSON integer; 2.0 is one as well (JSON Schema)."""
        value = self.required(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value <= LARGEST_INTEGER:
            raise PayloadError(self.at(name), f"is not a whole number from {minimum} to {LARGEST_INTEGER}.")
        return value

    def choice(self, name: str, choices: frozenset[str]) -> str:
        value = self.text(name)
        if value not in choices:
            raise PayloadError(self.at(name), f"is none of {', '.join(sorted(choices))}.")
        return value

    def instant(self, name: str) -> datetime:
        return parse_instant(self.text(name), self.at(name))

    def optional_instant(self, name: str) -> datetime | None:
        return None if self.value.get(name) is None else self.instant(name)

    def object(self, name: str) -> "PayloadReader":
        return PayloadReader(self.required(name), self.at(name), self.notes)

    def optional_object(self, name: str) -> "PayloadReader | None":
        return None if self.value.get(name) is None else self.object(name)

    def items(self, name: str, *, is_required: bool = True) -> Iterator[tuple[str, Any]]:
        """The path and value of each item of a list; an optional one that is null or missing has none."""
        value = self.value.get(name)
        if value is None and not is_required:
            return iter(())
        value = self.required(name)
        if not isinstance(value, list):
            raise PayloadError(self.at(name), "is not a list.")
        return ((f"{self.at(name)}[{index}]", item) for index, item in enumerate(value))


def parse_instant(value: Any, path: str) -> datetime:
    """An RFC 3339 date-time as an aware datetime in UTC."""
    try:
        instant = datetime.fromisoformat(value.upper())
        if instant.tzinfo is None:
            raise PayloadError(path, "has no offset from UTC.")
        return instant.astimezone(UTC)
    except (AttributeError, ValueError, OverflowError):
        raise PayloadError(path, "is not an ISO 8601 date-time.") from None
