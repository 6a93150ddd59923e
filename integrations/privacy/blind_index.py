"""Look-up of encrypted values: a keyed hash stands beside the value and is searched in its place.

Each hash is bound to a purpose ("email", "name"), so that equal texts of two purposes can't be joined in the database.
"""

import hashlib
import hmac

from django.conf import settings

DIGEST_BYTES = 16
PREFIX_LENGTHS = range(2, 13)


def digest(purpose: str, value: str) -> bytes:
    """16 bytes of HMAC-SHA256 for an exact look-up. `value` is normalised by the caller."""
    mac = hmac.digest(settings.BLIND_INDEX_KEY, f"{purpose}\0{value}".encode(), hashlib.sha256)
    return mac[:DIGEST_BYTES]


def number(purpose: str, value: str) -> int:
    """The same as a signed 64-bit number, for arrays and advisory locks."""
    return int.from_bytes(digest(purpose, value)[:8], signed=True)


def index_words(purpose: str, words: list[str]) -> list[int]:
    """Numbers of each word's prefixes, sorted: 2 to 12 characters, and the whole word at any length."""
    prefixes = {word[:length] for word in words for length in PREFIX_LENGTHS if length < len(word)} | set(words)
    return sorted(number(purpose, prefix) for prefix in prefixes)


def search_words(purpose: str, words: list[str]) -> list[int]:
    """Numbers that an indexed row must all hold, so that each word is the beginning of one of its words."""
    longest = PREFIX_LENGTHS.stop - 1
    return [number(purpose, word[:longest] if len(word) > longest else word) for word in words]
