"""The memory across restarts: one JSON file with one section for each provider, and a codec for dataclasses."""

import dataclasses
import json
import os
import tempfile
import threading
import types
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints


class StateFileError(Exception):
    """The state file exists but can't be read as the sandbox's state."""


class StateFile:
    """Sections of JSON text in one file, replaced atomically; without a path they live in memory only."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._sections = self._read()

    @property
    def is_kept(self) -> bool:
        """Whether save() has a file to write to; without one there is no need to encode anything."""
        return self._path is not None

    def load(self, section: str) -> Any | None:
        """The section's JSON value as saved last, or None where there is none."""
        with self._lock:
            text = self._sections.get(section)
        return None if text is None else json.loads(text)

    def save(self, section: str, value: Any) -> None:
        """Replace one section. A crash at any moment leaves either the old or the new file."""
        if self._path is None:
            return
        text = json.dumps(value, ensure_ascii=False)
        with self._lock:
            self._sections[section] = text
            self._write(self._path)

    def _read(self) -> dict[str, str]:
        if self._path is None or not self._path.exists():
            return {}
        try:
            sections = json.loads(self._path.read_text(encoding="utf-8"))
            return {name: json.dumps(value, ensure_ascii=False) for name, value in sections.items()}
        except (ValueError, AttributeError) as error:
            raise StateFileError(f"{self._path} is not the sandbox's state; move it away to start afresh.") from error

    def _write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Sections are kept as text, so that a change of one provider doesn't encode the others again.
        body = ",\n".join(f"{json.dumps(name)}: {text}" for name, text in self._sections.items())
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"{{{body}}}\n")
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def encode(value: Any) -> Any:
    """A dataclass, with everything in it, as JSON values; instants become ISO 8601."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(kind: Any, value: Any) -> Any:
    """The inverse of encode() for the annotated type `kind`. Raises TypeError where the value doesn't fit."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        inner = [argument for argument in arguments if argument is not type(None)]
        return None if value is None else decode(inner[0], value)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return _decode_dataclass(kind, value)
    if kind is datetime:
        return datetime.fromisoformat(value)
    if origin is tuple:
        return tuple(decode(arguments[0], item) for item in value)
    if origin is list:
        return [decode(arguments[0], item) for item in value]
    if origin is dict:
        return {key: decode(arguments[1], item) for key, item in value.items()}
    if kind is Any or origin is Literal or isinstance(value, kind):
        return value
    raise TypeError(f"{value!r} is no {kind}")


def _decode_dataclass(kind: type, value: Mapping[str, Any]) -> Any:
    # Fields that are missing keep their default, so that an older state file still loads.
    hints = get_type_hints(kind)
    return kind(**{name: decode(hints[name], item) for name, item in value.items() if name in hints})
