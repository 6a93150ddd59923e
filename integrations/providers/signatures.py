"""Signature arithmetic that several providers share."""

import hashlib
import hmac
from collections.abc import Sequence


def matches_hmac_sha256_hex(signature: str, body: bytes, secrets: Sequence[str]) -> bool:
    """Whether `signature` is the lower-case hex HMAC-SHA256 of the body under one of the secrets.

    Every secret is tried, and each comparison takes the same time wherever the texts differ.
    """
    given = signature.encode("utf-8", "surrogateescape")
    matches = [
        hmac.compare_digest(given, hmac.digest(secret.encode(), body, hashlib.sha256).hex().encode())
        for secret in secrets
    ]
    return any(matches)
