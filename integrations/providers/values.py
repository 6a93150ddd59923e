"""The form that values have between Keepsync and the CRMs, read from what a CRM has: see `CrmRecord.values`."""

import html
import re
from datetime import UTC, datetime
from typing import Any

from integrations.exceptions import PayloadError
from integrations.payloads import parse_instant

# What ends a line in rich text, and what a text has to have to be taken for one.
LINE_END = re.compile(r"<br\s*/?>|</(?:p|div|li|h[1-6]|blockquote)>", re.IGNORECASE)
RICH = re.compile(r"</?(?:p|div|br|span|a|b|i|u|s|em|strong|ul|ol|li|h[1-6]|blockquote|font)\b[^<>]*>", re.IGNORECASE)
TAG = re.compile("<[^<>]*>")


def write_instant(at: datetime) -> str:
    """ISO 8601 UTC with Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_instant(value: Any) -> Any:
    """The same from any ISO 8601 time with an offset. What is no time stays as it is."""
    try:
        return write_instant(parse_instant(value, ""))
    except PayloadError:
        return value


def read_html(text: str) -> str:
    """HTML as the plain text that a person reads."""
    return html.unescape(TAG.sub("", LINE_END.sub("\n", text))).strip()


def read_rich_text(text: str) -> str:
    """The same for a field that may hold either; plain text stays as it is."""
    return read_html(text) if RICH.search(text) else text
