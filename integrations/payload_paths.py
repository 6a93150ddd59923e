"""Which fields a JSON payload has: their paths, never their values. Pure.

`data.event.attendees[].email` is a field of the objects of a list. A key that is no field's name, because it is
somebody's own, reads `*`: so there are only as many paths as the sender's program knows.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from integrations.privacy.redaction import FIELD_NAME

# Marks that an object stood at a path, beside the paths of what it holds.
OBJECT = "{}"
ANY = "*"
DEPTH = 10
# An object of more keys is a table by ids, not one that a program knows.
KEYS = 60
# What stands below these belongs to the sender's customers.
FREE = frozenset(
    (
        *("metadata", "meta_data", "custom", "custom_fields", "customfields", "extra", "extras", "labels", "tags"),
        *("properties", "attributes", "fields", "changed_fields", "previous_attributes"),
    )
)
# No word of a program: an id, a hash, a number.
IDENTIFIER = re.compile(r"\d{3,}|^[0-9a-fA-F-]{12,}$|(?=.*\d)[0-9a-zA-Z]{16,}")


def find_paths(payload: Any) -> frozenset[str]:
    return frozenset(walk(payload, "", 0))


def walk(value: Any, path: str, depth: int) -> Iterator[str]:
    match value:
        case dict():
            yield path + OBJECT
            yield from walk_object(value, path, depth)
        case list():
            for item in value:
                if isinstance(item, dict | list):
                    yield from walk(item, f"{path}[]", depth + 1)


def walk_object(value: Mapping[str, Any], path: str, depth: int) -> Iterator[str]:
    """What is too deep, or below a key of the sender's customers, is left out."""
    if depth >= DEPTH or path.rpartition(".")[2].removesuffix("[]") in FREE:
        return
    is_table = len(value) > KEYS
    for key, item in value.items():
        name = key if not is_table and is_name(key) else ANY
        below = f"{path}.{name}" if path else name
        yield below
        yield from walk(item, below, depth + 1)


def is_name(key: str) -> bool:
    return bool(FIELD_NAME.fullmatch(key)) and not IDENTIFIER.search(key)


def is_object(path: str) -> bool:
    return path.endswith(OBJECT)


def object_of(path: str) -> str:
    """The mark of the object that holds the field."""
    return path.rpartition(".")[0] + OBJECT
