"""Encryption at rest: model fields whose column holds AES-256-GCM with the id of the key that made it.

A stored value is `version (1 byte) · length of the key id (1 byte) · key id · nonce (12 bytes) · ciphertext and tag`.
The key id is authenticated with it. Keys come from `settings.FIELD_ENCRYPTION_KEYS`; the first one encrypts.

A row whose key was lost is loaded like any other. Reading such a field of it raises UnreadableValueError, so that
nothing is decided or sent by it; saving the row leaves the stored bytes as they are; pages and lists, which read inside
`show_unreadable`, have the reason in the value's place.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django import forms
from django.conf import settings
from django.db import models
from django.db.models.query_utils import DeferredAttribute

from integrations.exceptions import SetupError
from integrations.privacy.keys import KEY_ID

VERSION = 1
NONCE_BYTES = 12
TAG_BYTES = 16
FOREIGN = "it is nothing that Keepsync has encrypted, or was damaged"
RESTORE = "restore it from a backup."


class UnreadableValueError(SetupError):
    """A stored value cannot be decrypted: its key is missing from FIELD_ENCRYPTION_KEYS, or it was damaged."""

    def __init__(self, reason: str, advice: str) -> None:
        """`reason` is short, for the place of a value; the message goes on with the advice."""
        super().__init__(f"{reason}: {advice}")
        self.reason, self.advice = reason, advice


# --- Values -----------------------------------------------------------------------------------------------------------


@cache
def cipher(key: bytes) -> AESGCM:
    return AESGCM(key)


def encrypt(plain: bytes) -> bytes:
    key_id, key = next(iter(settings.FIELD_ENCRYPTION_KEYS.items()))
    header = make_header(key_id)
    nonce = os.urandom(NONCE_BYTES)
    return header + nonce + cipher(key).encrypt(nonce, plain, header)


def make_header(key_id: str) -> bytes:
    """What every value that this key has encrypted begins with."""
    return bytes([VERSION, len(key_id)]) + key_id.encode()


def decrypt(stored: bytes) -> bytes:
    """The plain bytes. Raises UnreadableValueError, naming the key id that is missing."""
    header, nonce, sealed = split_stored(stored)
    key_id = read_key_id(header[2:])
    if key_id is None:
        raise UnreadableValueError(FOREIGN, RESTORE)
    key = settings.FIELD_ENCRYPTION_KEYS.get(key_id)
    if key is None:
        raise UnreadableValueError(
            f"key {key_id} is missing from FIELD_ENCRYPTION_KEYS", "add it again and restart to read what it encrypted."
        )
    try:
        return cipher(key).decrypt(nonce, sealed, header)
    except InvalidTag as error:
        raise UnreadableValueError(f"it does not belong to key {key_id}, or was damaged", RESTORE) from error


def split_stored(stored: bytes) -> tuple[bytes, bytes, bytes]:
    """Header, nonce, and ciphertext with tag. Raises UnreadableValueError where it is too short to have them."""
    nonce_start = 2 + stored[1] if len(stored) > 1 else 0
    nonce_end = nonce_start + NONCE_BYTES
    if len(stored) < nonce_end + TAG_BYTES or stored[0] != VERSION:
        raise UnreadableValueError(FOREIGN, RESTORE)
    return stored[:nonce_start], stored[nonce_start:nonce_end], stored[nonce_end:]


def read_key_id(name: bytes) -> str | None:
    """The key id that stands in a header; None for bytes that are none, and are not shown."""
    key_id = name.decode("ascii", "replace")
    return key_id if KEY_ID.fullmatch(key_id) else None


# --- What cannot be read ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What a field holds, and `values_list` returns, in the place of a value that cannot be decrypted."""

    stored: bytes
    error: UnreadableValueError

    def __str__(self) -> str:
        return f"unreadable: {self.error.reason}"


class Reading(Enum):
    """What is had of a field that holds an Unreadable."""

    ERROR = "the error"
    TEXT = "its text, of a text field"
    OBJECT = "itself, to be written as it is"


_reading: ContextVar[Reading] = ContextVar("reading", default=Reading.ERROR)


@contextmanager
def read_as(reading: Reading) -> Iterator[None]:
    token = _reading.set(reading)
    try:
        yield
    finally:
        _reading.reset(token)


@contextmanager
def show_unreadable() -> Iterator[None]:
    """For what is shown to people only: an unreadable text reads as the reason. Write nothing to the database inside.

    JSON and binary values still raise UnreadableValueError. Decorates functions as well.
    """
    with read_as(Reading.TEXT):
        yield


@contextmanager
def keep_unreadable() -> Iterator[None]:
    """For what copies whole rows: an unreadable value is handed on as it is stored."""
    with read_as(Reading.OBJECT):
        yield


def list_unreadable(row: models.Model) -> list[str]:
    """The names of the row's loaded fields that cannot be read."""
    return [name for name, value in row.__dict__.items() if isinstance(value, Unreadable)]


class EncryptedAttribute(DeferredAttribute):
    """The field's attribute of a row: what makes reading fail where loading did not."""

    field: Any

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        if instance is None:
            return self
        if self.field.attname not in instance.__dict__:
            with keep_unreadable():
                super().__get__(instance, cls)
        value = instance.__dict__[self.field.attname]
        return self.field.read_unreadable(value) if isinstance(value, Unreadable) else value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


# --- Fields -----------------------------------------------------------------------------------------------------------


class EncryptedField[T](models.Field):
    """Base of the encrypted fields: override `to_bytes` and `from_bytes`. It cannot be filtered by; None stays NULL."""

    descriptor_class = EncryptedAttribute

    def get_internal_type(self) -> str:
        return "BinaryField"

    def to_bytes(self, value: T) -> bytes:
        raise NotImplementedError

    def from_bytes(self, plain: bytes) -> T:
        raise NotImplementedError

    def from_db_value(self, value: bytes | None, expression: Any, connection: Any) -> T | Unreadable | None:
        if value is None:
            return None
        stored = bytes(value)
        try:
            return self.from_bytes(decrypt(stored))
        except UnreadableValueError as error:
            return Unreadable(stored, error.with_traceback(None))

    def get_db_prep_value(self, value: T | Unreadable | None, connection: Any, prepared: bool = False) -> Any:
        if value is None:
            return None
        stored = value.stored if isinstance(value, Unreadable) else encrypt(self.to_bytes(value))
        return connection.Database.Binary(stored)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        with keep_unreadable():
            return super().pre_save(model_instance, add)

    def value_from_object(self, obj: models.Model) -> Any:
        """For forms and for differences between rows of the history, which are shown."""
        with keep_unreadable():
            value = super().value_from_object(obj)
        return str(value) if isinstance(value, Unreadable) else value

    def read_unreadable(self, value: Unreadable) -> Any:
        """What the attribute is, as `_reading` says. Raises UnreadableValueError where nothing else is asked for."""
        if _reading.get() is Reading.OBJECT:
            return value
        raise UnreadableValueError(value.error.reason, value.error.advice)

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name == "isnull" else None


class EncryptedTextField(EncryptedField[str]):
    def to_bytes(self, value: str) -> bytes:
        return value.encode()

    def from_bytes(self, plain: bytes) -> str:
        return plain.decode()

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(widget=forms.Textarea, **kwargs)

    def read_unreadable(self, value: Unreadable) -> Any:
        return str(value) if _reading.get() is Reading.TEXT else super().read_unreadable(value)


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
