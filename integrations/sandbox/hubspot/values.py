"""Which property values HubSpot accepts, and in which form it keeps them."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.sandbox.hubspot.answers import HubSpotError, format_instant
from integrations.sandbox.hubspot.catalog import Property
from integrations.sandbox.hubspot.records import State

EMAIL = re.compile(r"[^@\s,;<>()]+@[^@\s,;<>()]+\.[^@\s,;<>().]+")


def read_properties(state: State, kind: str, sent: object) -> dict[str, str]:
    """The values to keep; an empty text clears a property. Raises HubSpotError (400) naming every bad one."""
    if not isinstance(sent, Mapping):
        raise HubSpotError(400, "Invalid input JSON: properties must be an object")
    known, kept, problems = state.properties_of(kind), {}, []
    for name, value in sent.items():
        item = known.get(name)
        if item is None:
            problems.append(_problem(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist'))
        elif not isinstance(value, str):
            raise HubSpotError(400, f"Invalid input JSON: cannot deserialize the value of {name} as a string")
        else:
            try:
                kept[name] = read_value(item, value)
            except ValueError as error:
                problems.append(_problem(name, *error.args))
    if problems:
        listed = json.dumps(problems, ensure_ascii=False)
        raise HubSpotError(400, f"Property values were not valid: {listed}")
    return kept


def read_value(item: Property, value: str) -> str:
    """The value as it is kept. Raises ValueError with HubSpot's code and message."""
    if item.is_read_only:
        raise ValueError("READ_ONLY_VALUE", f'"{item.name}" is a read only property; its value cannot be set.')
    if value == "":
        return value
    if item.name == "email":
        if not EMAIL.fullmatch(value):
            raise ValueError("INVALID_EMAIL", "Email address is invalid")
        return value.lower()
    if item.type == "enumeration" and value not in {option[0] for option in item.options}:
        raise ValueError("INVALID_OPTION", f"{value} was not one of the allowed options")
    if item.type == "datetime":
        return format_instant(read_instant(value))
    if item.type == "number":
        _read_number(value)
    if item.type == "bool" and value not in ("true", "false"):
        raise ValueError("INVALID_BOOLEAN", f"{value} was not a valid boolean.")
    return value


def read_instant(value: str) -> datetime:
    """ISO 8601 with a zone, or milliseconds since 1970."""
    try:
        if value.isdigit():
            return datetime.fromtimestamp(int(value) / 1000, tz=UTC)
        at = datetime.fromisoformat(value)
    except (ValueError, OverflowError) as error:
        raise ValueError("INVALID_DATE", f"{value} was not a valid date.") from error
    if at.tzinfo is None:
        raise ValueError("INVALID_DATE", f"{value} has no time zone.")
    return at


def _read_number(value: str) -> None:
    try:
        float(value)
    except ValueError as error:
        raise ValueError("INVALID_NUMBER", f"{value} was not a valid number.") from error


def _problem(name: str, code: str, message: str) -> dict[str, Any]:
    return {"isValid": False, "message": message, "error": code, "name": name, "localizedErrorMessage": message}
