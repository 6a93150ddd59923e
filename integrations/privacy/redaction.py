"""What may be seen of a payload: by allow-list, so that a field that nobody has thought of is masked. Pure."""

import re
from collections.abc import Collection, Mapping
from typing import Any

MASK = "•••"
# No addresses, no signatures, no credentials.
VISIBLE_HEADERS = frozenset({"content-type", "user-agent", "x-cl-delivery-id"})
# A key that is no field name may itself be somebody's data.
FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")


def redact(value: Any, visible_keys: Collection[str]) -> Any:
    """The same structure, with every value masked that does not stand under a visible key.

    Objects are walked whatever their key; the items of a list stand under the list's key.
    """
    return mask(value, visible_keys, is_visible=False)


def mask(value: Any, visible_keys: Collection[str], *, is_visible: bool) -> Any:
    match value:
        case dict():
            return {
                mask_key(key, place): mask(item, visible_keys, is_visible=key in visible_keys)
                for place, (key, item) in enumerate(value.items(), start=1)
            }
        case list():
            return [mask(item, visible_keys, is_visible=is_visible) for item in value]
    return value if is_visible else MASK


def mask_key(key: str, place: int) -> str:
    return key if FIELD_NAME.fullmatch(key) else f"{MASK} {place}"


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Every header's name, sorted, with the values of those that hold nothing private."""
    return {name: headers[name] if name.lower() in VISIBLE_HEADERS else MASK for name in sorted(headers)}
