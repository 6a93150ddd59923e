"""Key material in the environment: `id:base64 of 32 bytes`."""

import base64
import re
import secrets

KEY_BYTES = 32
KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")


def generate_key() -> str:
    """A new random key under a new id."""
    return f"k{secrets.token_hex(3)}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}"


def parse_key(text: str) -> bytes:
    """The 32 bytes of the one key in `text`. Raises ValueError, which never quotes the key."""
    keys = parse_keys(text)
    if len(keys) != 1:
        raise ValueError("give exactly one key.")
    return next(iter(keys.values()))


def parse_keys(text: str) -> dict[str, bytes]:
    """Key id → 32 bytes, in the order given. Raises ValueError, which never quotes a key."""
    keys: dict[str, bytes] = {}
    for number, item in enumerate(text.split(","), start=1):
        key_id, _, encoded = item.strip().partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except ValueError:
            key = b""
        if not KEY_ID.fullmatch(key_id) or len(key) != KEY_BYTES:
            raise ValueError(f"key {number} is not `id:base64 of {KEY_BYTES} bytes`.")
        if key_id in keys:
            raise ValueError(f"the id of key {number} stands twice.")
        keys[key_id] = key
    return keys
