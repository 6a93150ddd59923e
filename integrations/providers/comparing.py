"""What the CRMs' adapters share to compare what a record holds with what it should hold."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from integrations.exceptions import PayloadError
from integrations.payloads import parse_instant


def is_same(ours: Any, theirs: Any) -> bool:
    """Texts without the space around them and with one kind of line break; instants as moments."""
    if not isinstance(ours, str) or not isinstance(theirs, str):
        return bool(ours == theirs)
    return fold(ours) == fold(theirs) or is_same_instant(ours, theirs)


def fold(text: str) -> str:
    return text.replace("\r\n", "\n").strip()


def is_same_instant(ours: str, theirs: str) -> bool:
    try:
        return parse_instant(ours, "") == parse_instant(theirs, "")
    except PayloadError:
        return False


def find_differing(fields: Iterable[tuple[str, Any, Any]]) -> tuple[tuple[str, ...], str]:
    """The names of the fields whose value of ours is known, and is not theirs; and a digest of theirs."""
    found = [(name, theirs) for name, ours, theirs in fields if ours not in (None, "") and not is_same(ours, theirs)]
    digest = hashlib.sha256(json.dumps(found, default=str).encode()).hexdigest() if found else ""
    return tuple(name for name, _ in found), digest
