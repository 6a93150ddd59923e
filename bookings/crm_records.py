"""A meeting's record at a CRM in our words. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from bookings.inputs import read_instant
from bookings.timezones import format_instant, zone
from integrations import mappings
from integrations.providers.crm import MeetingRecord

TITLE_LENGTH, DESCRIPTION_LENGTH = 500, 10_000
CANCELLED = "cancelled"


def read_record(mapping: list[tuple[str, str]], record: MeetingRecord) -> dict[str, str]:
    """What is mapped of title, description, start, end and timezone, and the status, which is `cancelled` or empty.

    A start or an end that nobody could keep is left out.
    """
    values = mappings.read_values(mapping, record.values)
    found = {"status": CANCELLED if record.is_cancelled else ""}
    if "title" in values:
        found["title"] = read_text(values["title"])[:TITLE_LENGTH]
    if "description" in values:
        found["description"] = read_text(values["description"])[:DESCRIPTION_LENGTH]
    if is_zone(values.get("timezone")):
        found["timezone"] = values["timezone"] or ""
    return found | read_times(values)


def read_text(text: str | None) -> str:
    return (text or "").replace("\r\n", "\n").strip()


def is_zone(name: str | None) -> bool:
    try:
        return bool(name and zone(name))
    except ValueError:
        return False


def read_times(values: Mapping[str, Any]) -> dict[str, str]:
    """Start and end as they are named, or made of day, time and length."""
    start = read_instant(values.get("start")) or read_day(values.get("start_date"), values.get("start_time"))
    end = read_instant(values.get("end"))
    length = read_length(values)
    if start and end is None and length:
        end = start + length
    times = {"start": start, "end": end}
    return {name: format_instant(instant) for name, instant in times.items() if instant}


def read_day(day: str | None, hour: str | None) -> datetime | None:
    """In UTC. A day without a time is no start."""
    try:
        return datetime.fromisoformat(f"{day}T{hour}").replace(tzinfo=UTC, second=0) if day and hour else None
    except ValueError:
        return None


def read_length(values: Mapping[str, Any]) -> timedelta | None:
    """None where there is none, or no time at all."""
    text = values.get("duration") or ""
    try:
        if minutes := values.get("duration_minutes"):
            return timedelta(minutes=float(minutes)) or None
        hours, _, rest = text.partition(":")
        return (timedelta(hours=int(hours), minutes=int(rest.partition(":")[0])) or None) if rest else None
    except (ValueError, OverflowError):
        return None
