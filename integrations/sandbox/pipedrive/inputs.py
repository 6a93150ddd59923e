"""Which bodies Pipedrive's API v2 accepts. It is strict: unknown fields and other types are refused."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from integrations.sandbox.pipedrive.answers import invalid
from integrations.sandbox.pipedrive.records import CustomField, State

CLOCK = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?")
LENGTH = re.compile(r"\d{1,3}:[0-5]\d(?::[0-5]\d)?")
TYPES = ("call", "meeting", "task", "deadline", "email", "lunch")
MARKETING = ("no_consent", "unsubscribed", "subscribed", "archived")
VARCHAR_LENGTH = 255

type Parse = Callable[[State, Any], Any]


def read_body(state: State, body: Mapping[str, Any], parsers: Mapping[str, Parse]) -> dict[str, Any]:
    """The fields that were sent, as kept. Raises PipedriveError (400) naming the first bad one."""
    read = {}
    for name, value in body.items():
        if name not in parsers:
            raise invalid(f"{name}: unknown field")
        try:
            read[name] = parsers[name](state, value)
        except ValueError as error:
            raise invalid(f"{name}: {error}") from error
    return read


def _is(kind: type, what: str) -> Parse:
    def parse(_: State, value: Any) -> Any:
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"must be {what}")
        return value

    return parse


_text, _number, _flag = _is(str, "a text"), _is(int, "a whole number"), _is(bool, "true or false")


def _or_null(parse: Parse) -> Parse:
    return lambda state, value: None if value is None else parse(state, value)


def _name(_: State, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    return value.strip()


def _matching(pattern: re.Pattern[str], what: str) -> Parse:
    def parse(_: State, value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(f"must be {what}")
        return value

    return parse


def _one_of(*choices: str) -> Parse:
    def parse(_: State, value: Any) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return str(value)

    return parse


def _day(_: State, value: Any) -> str:
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError) as error:
        raise ValueError("must be a date, as 2026-11-24") from error


def _ways(_: State, value: Any) -> list[dict[str, Any]]:
    """E-mail addresses or numbers: `{value, primary, label}`, one of them primary."""
    if not isinstance(value, list) or not all(isinstance(way, dict) for way in value):
        raise ValueError("must be a list of objects")
    ways = []
    for way in value:
        if not set(way) <= {"value", "primary", "label"} or not isinstance(way.get("value"), str):
            raise ValueError("must have value, primary and label")
        ways.append({"value": way["value"], "primary": way.get("primary") is True, "label": way.get("label") or "work"})
    if ways and not any(way["primary"] for way in ways):
        ways[0]["primary"] = True
    return ways


def _address(_: State, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not isinstance(value.get("value"), str):
        raise ValueError("must be an object with a value")
    return value


def _numbers(_: State, value: Any) -> list[int]:
    if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
        raise ValueError("must be a list of whole numbers")
    return value


def _participants(state: State, value: Any) -> list[dict[str, Any]]:
    """`{person_id, primary}` of persons that are there."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("must be a list of objects")
    live = {record.id for record in state.live("person")}
    for item in value:
        if not set(item) <= {"person_id", "primary"} or item.get("person_id") not in live:
            raise ValueError("must name persons that are there")
    participants = [{"person_id": item["person_id"], "primary": item.get("primary") is True} for item in value]
    if participants and not any(item["primary"] for item in participants):
        participants[0]["primary"] = True
    return participants


def _custom_fields(state: State, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    for code, item in value.items():
        field = state.person_fields.get(code)
        if field is None:
            raise ValueError(f"there is no field {code}")
        if item is not None:
            check_custom(field, item)
    return value


def check_custom(field: CustomField, value: Any) -> None:
    """Raises ValueError where the field's type cannot hold the value."""
    fits = {
        "varchar": isinstance(value, str) and len(value) <= VARCHAR_LENGTH,
        "text": isinstance(value, str),
        "double": isinstance(value, int | float) and not isinstance(value, bool),
        "enum": str(value) in field.options,
        "set": isinstance(value, list) and all(str(item) in field.options for item in value),
    }
    if not fits.get(field.type, isinstance(value, str)):
        raise ValueError(f"the field {field.code} takes another value ({field.type})")


PERSON: dict[str, Parse] = {
    "name": _name,
    "owner_id": _number,
    "org_id": _or_null(_number),
    "add_time": _text,
    "emails": _ways,
    "phones": _ways,
    "visible_to": _number,
    "label_ids": _numbers,
    "postal_address": _or_null(_address),
    "notes": _text,
    "im": _ways,
    "birthday": _or_null(_day),
    "job_title": _or_null(_text),
    "marketing_status": _one_of(*MARKETING),
    "custom_fields": _custom_fields,
}
ACTIVITY: dict[str, Parse] = {
    "subject": _name,
    "type": _one_of(*TYPES),
    "owner_id": _number,
    "deal_id": _or_null(_number),
    "lead_id": _or_null(_text),
    "org_id": _or_null(_number),
    "project_id": _or_null(_number),
    "due_date": _day,
    "due_time": _or_null(_matching(CLOCK, "a time, as 09:30")),
    "duration": _or_null(_matching(LENGTH, "a length, as 00:30")),
    "busy": _flag,
    "done": _flag,
    "location": _or_null(_address),
    "participants": _participants,
    "attendees": _is(list, "a list"),
    "public_description": _or_null(_text),
    "priority": _or_null(_number),
    "note": _or_null(_text),
}
