"""What Zoom accepts for a meeting and a registrant; unknown fields are ignored, as Zoom does."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from integrations.sandbox.zoom.answers import VALIDATION, ZoomError

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
TYPES = (1, 2, 3, 8, 10)
REGISTRANT_TEXTS = ("last_name", "address", "city", "country", "zip", "state", "phone", "industry", "org", "job_title")
# Within Zoom's default account settings.
DEFAULT_SETTINGS = {
    "approval_type": 2,
    "registration_type": 1,
    "join_before_host": False,
    "waiting_room": True,
    "mute_upon_entry": False,
    "registrants_email_notification": True,
    "registrants_confirmation_email": True,
}

type Parse = Callable[[Any], Any]


def read_meeting(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a meeting that were sent, as kept. Raises ZoomError (300) naming every bad one."""
    fields = _read(body, MEETING_FIELDS)
    if "start_time" in fields and "timezone" in fields:
        fields["start_time"] = _read_start(body["start_time"], fields["timezone"])
    if fields.get("type") == 8 and not fields.get("recurrence"):
        raise _refused([("recurrence", "is required for a recurring meeting with fixed times.")])
    return fields


def read_registrant(body: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """E-mail, first name and the rest. Raises ZoomError (300)."""
    missing = [(name, "is required.") for name in ("email", "first_name") if not body.get(name)]
    if missing:
        raise _refused(missing)
    fields = _read(body, REGISTRANT_FIELDS)
    return fields.pop("email"), fields.pop("first_name"), fields


def _read(body: Mapping[str, Any], parsers: Mapping[str, Parse]) -> dict[str, Any]:
    read, problems = {}, []
    for name, parse in parsers.items():
        if name in body:
            try:
                read[name] = parse(body[name])
            except ValueError as error:
                problems.append((name, str(error)))
    if problems:
        raise _refused(problems)
    return read


def _refused(problems: list[tuple[str, str]]) -> ZoomError:
    return ZoomError(400, VALIDATION, "Validation Failed.", problems)


def _text(longest: int) -> Parse:
    def parse(value: Any) -> str:
        if not isinstance(value, str) or len(value) > longest:
            raise ValueError(f"must be a text of {longest} characters at most.")
        return value

    return parse


def _number(least: int, most: int) -> Parse:
    def parse(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}.")
        return value

    return parse


def _type(value: Any) -> int:
    if value not in TYPES or isinstance(value, bool):
        raise ValueError(f"must be one of {TYPES}.")
    return int(value)


def _zone(value: Any) -> str:
    try:
        ZoneInfo(_text(100)(value))
    except (OSError, LookupError, ValueError) as error:
        raise ValueError("must be the name of a time zone.") from error
    return str(value)


def _start(value: Any) -> datetime:
    return _read_start(value, "UTC")


def _read_start(value: Any, zone: str) -> datetime:
    """`yyyy-MM-ddTHH:mm:ssZ`, or without the Z in the meeting's zone; as UTC."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise ValueError("must be like 2026-11-24T10:00:00Z.") from error
    return (at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be an object.")
    return value


def _settings(value: Any) -> dict[str, Any]:
    settings = _object(value)
    for name, most in (("approval_type", 2), ("registration_type", 3)):
        if name in settings:
            _number(0, most)(settings[name])
    return settings


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError("must be a list.")
    return value


def _email(value: Any) -> str:
    if not EMAIL.fullmatch(_text(128)(value)):
        raise ValueError("must be an e-mail address.")
    return str(value)


MEETING_FIELDS: dict[str, Parse] = {
    "topic": _text(200),
    "type": _type,
    "start_time": _start,
    "duration": _number(1, 1440),
    "timezone": _zone,
    "agenda": _text(2000),
    "password": _text(10),
    "settings": _settings,
    "recurrence": _object,
    "tracking_fields": _list,
}
REGISTRANT_FIELDS: dict[str, Parse] = {
    "email": _email,
    "first_name": _text(64),
    **{name: _text(128) for name in REGISTRANT_TEXTS},
    "comments": _text(1000),
    "custom_questions": _list,
}
