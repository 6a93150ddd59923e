"""Encryption at rest: model fields whose column holds AES-256-GCM with the id of the key that made it.

A stored value is `version (1 byte) · length of the key id (1 byte) · key id · nonce (12 bytes) · ciphertext and tag`.
The key id is authenticated with it. Keys come from `settings.FIELD_ENCRYPTION_KEYS`; the first one encrypts.
"""

import json
import os
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django import forms
from django.conf import settings
from django.db import models

VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16


class UnreadableValueError(Exception):
    """A stored value cannot be decrypted: its key is missing from FIELD_ENCRYPTION_KEYS, or it was damaged."""


@cache
def cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def encrypt(plain: bytes) -> bytes:
    key_id, key = next(iter(settings.FIELD_ENCRYPTION_KEYS.items()))
    header = bytes([VERSION, len(key_id)]) + key_id.encode()
    nonce = os.urandom(NONCE_BYTES)
    return header + nonce + cipher(key).encrypt(nonce, plain, header)


def decrypt(stored: bytes) -> bytes:
    """The plain bytes. Raises UnreadableValueError, naming the key id that is missing."""
    header, nonce, sealed = split_stored(stored)
    key_id = header[2:].decode("ascii", "replace")
    key = settings.FIELD_ENCRYPTION_KEYS.get(key_id)
    if key is None:
        raise UnreadableValueError(f"key {key_id} is not in FIELD_ENCRYPTION_KEYS; add it again to read this value.")
    try:
        return cipher(key).decrypt(nonce, sealed, header)
    except InvalidTag as error:
        raise UnreadableValueError(f"the value does not belong to key {key_id}, or was damaged.") from error


def split_stored(stored: bytes) -> tuple[bytes, bytes, bytes]:
    """Header, nonce, and ciphertext with tag."""
    nonce_start = 2 + stored[1] if len(stored) > 1 else 0
    nonce_end = nonce_start + NONCE_BYTES
    if len(stored) < nonce_end + TAG_BYTES or stored[0] != VERSION:
        raise UnreadableValueError("this is no value that Keepsync has encrypted, or it was damaged.")
    return stored[:nonce_start], stored[nonce_start:nonce_end], stored[nonce_end:]


class EncryptedField[T](models.Field):
    """Base of the encrypted fields: override `to_bytes` and `from_bytes`. It cannot be filtered by; None stays NULL."""

    def get_internal_type(self) -> str:
        return "BinaryField"

    def to_bytes(self, value: T) -> bytes:
        raise NotImplementedError

    def from_bytes(self, plain: bytes) -> T:
        raise NotImplementedError

    def from_db_value(self, value: bytes | None, expression: Any, connection: Any) -> T | None:
        return None if value is None else self.from_bytes(decrypt(bytes(value)))

    def get_db_prep_value(self, value: T | None, connection: Any, prepared: bool = False) -> Any:
        return None if value is None else connection.Database.Binary(encrypt(self.to_bytes(value)))

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None


class EncryptedTextField(EncryptedField[str]):
    def to_bytes(self, value: str) -> bytes:
        return value.encode()

    def from_bytes(self, plain: bytes) -> str:
        return plain.decode()

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(widget=forms.Textarea, **kwargs)


class EncryptedBinaryField(EncryptedField[bytes]):
    def to_bytes(self, value: bytes) -> bytes:
        return value

    def from_bytes(self, plain: bytes) -> bytes:
        return plain


class EncryptedJSONField(EncryptedField[Any]):
    def to_bytes(self, value: Any) -> bytes:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    def from_bytes(self, plain: bytes) -> Any:
        return json.loads(plain)
