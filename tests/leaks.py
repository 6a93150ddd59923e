"""Looking for texts that must not be there: in the database, in what it holds encoded, and in the log."""

import io
import json
import logging
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import connection
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from integrations.privacy.logs import RedactedJsonFormatter

SURE_LENGTH = 6


def list_spellings(needle: str) -> set[bytes]:
    """The ways in which a text may stand somewhere, in lower case."""
    escaped = json.dumps(needle)[1:-1]
    return {spelling.lower().encode() for spelling in (needle, escaped, quote(needle), quote(needle, safe="@"))}


def find_in(haystack: bytes, needles: Collection[str]) -> set[str]:
    haystack = haystack.lower()
    return {needle for needle in needles if any(stands_in(haystack, each) for each in list_spellings(needle))}


def stands_in(haystack: bytes, spelling: bytes) -> bool:
    """A short one has to be a word: three given letters stand somewhere in every few pages of base64."""
    if len(spelling) >= SURE_LENGTH:
        return spelling in haystack
    return re.search(rb"(?<![a-z0-9])" + re.escape(spelling) + rb"(?![a-z0-9])", haystack) is not None


def fold(data: bytes) -> bytes:
    """Bytes with their letters in lower case, as far as they are text."""
    return data.decode("utf-8", "surrogateescape").lower().encode("utf-8", "surrogateescape")


def read_database() -> dict[str, bytes]:
    """Table → everything in it as bytes: the rows as text, and each binary column as it is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        found = {}
        for table in tables:
            cursor.execute(f'SELECT "{table}"::text, "{table}".* FROM "{table}"')
            values = [value for row in cursor.fetchall() for value in row]
            found[table] = b"\n".join(
                bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode() for value in values
            )
    return found


def read_decrypted() -> dict[str, str]:
    """Table → every value of its rows as text, what is encrypted in clear."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        fields = [field.attname for field in model._meta.concrete_fields]
        rows = model._base_manager.all()
        found[model._meta.db_table] = "\n".join(show(getattr(row, field)) for row in rows for field in fields)
    return found


def show(value: Any) -> str:
    return bytes(value).decode("utf-8", "replace") if isinstance(value, bytes | memoryview) else str(value)


def read_packed() -> bytes:
    """What stands encoded in the queue and in the sessions."""
    jobs = [repr(SignedPackage.loads(row.payload)) for row in OrmQ.objects.all()]
    sessions = [repr(row.get_decoded()) for row in Session.objects.all()]
    assert jobs
    assert sessions
    return "\n".join(jobs + sessions).encode()


@contextmanager
def reading_log() -> Iterator[io.StringIO]:
    """What the configured handler writes meanwhile, through its own formatter."""
    (handler,) = [each for each in logging.getLogger().handlers if isinstance(each.formatter, RedactedJsonFormatter)]
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    before = handler.setStream(stream)
    try:
        yield stream
    finally:
        handler.setStream(before)
