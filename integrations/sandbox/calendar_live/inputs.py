"""What a caller of the API sent, as typed values. Raises InvalidInputError with the field's name."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from integrations.sandbox.calendar_live.catalog import CALENDARS
from integrations.sandbox.calendar_live.exceptions import InvalidInputError
from integrations.sandbox.calendar_live.records import Recurrence

MAX_REFERENCE_LENGTH = 128
# A series that repeats within the day would take ages to lay out, and no meeting does.
TOO_FINE = ("FREQ=SECONDLY", "FREQ=MINUTELY", "FREQ=HOURLY")


def parse_instant(value: object) -> datetime:
    """ISO 8601 with an offset or Z, as aware UTC in whole seconds; ValueError for anything else."""
    if not isinstance(value, str):
        raise ValueError("must be an ISO 8601 date and time")
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is None:
        raise ValueError("must carry an offset, or Z")
    return instant.astimezone(UTC).replace(microsecond=0)


def parse_calendar_id(value: object) -> str:
    if not isinstance(value, str) or value not in CALENDARS:
        raise ValueError("is no calendar of this account")
    return value


def parse_event_input(body: object) -> dict[str, Any]:
    """The fields of an EventInput that were sent, parsed; unknown fields are ignored."""
    return _parse_fields(body, EVENT_FIELDS)


def parse_hold_input(body: object) -> dict[str, Any]:
    """calendar_id, start, end and ttl_seconds (300 by default)."""
    values = {"ttl_seconds": 300} | _parse_fields(body, HOLD_FIELDS)
    require_fields(values, "calendar_id", "start", "end")
    require_order(values["start"], values["end"])
    return values


def require_fields(values: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if name not in values:
            raise InvalidInputError(f"{name} is required.", field=name)


def require_order(start: datetime, end: datetime) -> None:
    if end <= start:
        raise InvalidInputError("end must come after start.", field="end")


def _parse_fields(body: object, fields: Mapping[str, Callable[[object], Any]]) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise InvalidInputError("The body must be a JSON object.")
    values = {}
    for name, parse in fields.items():
        if name in body:
            try:
                values[name] = parse(body[name])
            except ValueError as error:
                raise InvalidInputError(f"{name}: {error}.", field=name) from error
    return values


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    return value


def _optional_text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError("must be a text or null")
    return value


def _zone(value: object) -> str:
    name = _text(value)
    try:
        ZoneInfo(name)
    except (OSError, LookupError, ValueError) as error:
        raise ValueError("must be the IANA name of a time zone") from error
    return name


def _status(value: object) -> str:
    if value not in ("tentative", "confirmed"):
        raise ValueError("must be tentative or confirmed")
    return str(value)


def _reference(value: object) -> str | None:
    text = _optional_text(value)
    if text is not None and len(text) > MAX_REFERENCE_LENGTH:
        raise ValueError(f"must have at most {MAX_REFERENCE_LENGTH} characters")
    return text


def _recurrence(value: object) -> Recurrence | None:
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("exdates", []), list):
        raise ValueError("must be an object with rrule, and exdates as a list")
    rule = _text(value.get("rrule"))
    if any(fine in rule.upper() for fine in TOO_FINE):
        raise ValueError("must repeat daily or less often")
    rrulestr(rule, dtstart=datetime.now(tz=UTC))
    return Recurrence(rule, tuple(parse_instant(exdate) for exdate in value.get("exdates", [])))


def _attendees(value: object) -> list[dict[str, str | None]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ValueError("must be a list of objects")
    return [_attendee(item) for item in value]


def _attendee(item: Mapping[str, object]) -> dict[str, str | None]:
    fields: dict[str, str | None] = {"email": _email(item.get("email"))}
    for name in ("full_name", "phone", "company"):
        if name in item:
            fields[name] = _optional_text(item[name])
    return fields


def _email(value: object) -> str:
    address = _text(value).strip()
    if "@" not in address[1:-1]:
        raise ValueError("every attendee needs an e-mail address")
    return address


def _ttl_seconds(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 30 <= value <= 1800:
        raise ValueError("must be a whole number from 30 to 1800")
    return value


EVENT_FIELDS: dict[str, Callable[[object], Any]] = {
    "calendar_id": parse_calendar_id,
    "hold_id": _optional_text,
    "title": _text,
    "description": _optional_text,
    "start": parse_instant,
    "end": parse_instant,
    "timezone": _zone,
    "recurrence": _recurrence,
    "attendees": _attendees,
    "join_url": _optional_text,
    "status": _status,
    "client_reference": _reference,
}
HOLD_FIELDS: dict[str, Callable[[object], Any]] = {
    "calendar_id": parse_calendar_id,
    "start": parse_instant,
    "end": parse_instant,
    "ttl_seconds": _ttl_seconds,
}
