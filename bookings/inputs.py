"""What callers of the API ask for: checked, and in the words of BookingRequest."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework import exceptions, serializers

from bookings.timezones import FIRST_YEAR, LAST_YEAR, format_instant, zone
from contacts.normalisation import normalise_email
from integrations.payloads import clean_text

LONGEST = timedelta(days=31)
MOST_ATTENDEES = 500
KEY_LENGTH = 255


class Text(serializers.CharField):
    """Refuses what the database cannot hold."""

    def to_internal_value(self, data: Any) -> str:
        text: str = super().to_internal_value(data)
        if clean_text(text) != text:
            raise serializers.ValidationError("The text holds characters that cannot be stored.")
        return text


class Instant(serializers.DateTimeField):
    """ISO 8601 with an offset, in whole seconds."""

    def to_internal_value(self, value: Any) -> datetime:
        found = read_instant(value)
        if found is None:
            raise serializers.ValidationError("Give ISO 8601 with an offset, such as 2026-11-24T13:00:00Z.")
        if not FIRST_YEAR < found.year < LAST_YEAR:
            raise serializers.ValidationError(f"Give a year between {FIRST_YEAR} and {LAST_YEAR}.")
        return found


def read_instant(value: Any) -> datetime | None:
    """In UTC; None for what is no ISO 8601 with an offset."""
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) and "T" in value.upper() else None
        return instant.astimezone(UTC).replace(microsecond=0) if instant and instant.tzinfo else None
    except (ValueError, OverflowError):
        return None


class AttendeeInput(serializers.Serializer[Any]):
    email = Text(max_length=320)
    full_name = Text(required=False, allow_blank=True, allow_null=True, max_length=300)
    phone = Text(required=False, allow_blank=True, allow_null=True, max_length=100)
    company = Text(required=False, allow_blank=True, allow_null=True, max_length=300)

    def validate_email(self, value: str) -> str:
        if (email := normalise_email(value)) is None:
            raise serializers.ValidationError("This is no e-mail address.")
        return email


class Attendees(serializers.ListField):
    """Each address once; a mistake anywhere is told of the whole field, with its place."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=AttendeeInput(), min_length=1, max_length=MOST_ATTENDEES, **kwargs)

    def to_internal_value(self, data: Any) -> list[dict[str, str]]:
        try:
            given = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError(describe_places(error.detail)) from error
        found = [{name: each.get(name) or "" for name in ("email", "full_name", "phone", "company")} for each in given]
        return list({each["email"]: each for each in found}.values())


def describe_places(detail: Any) -> list[str]:
    """`{0: {"email": ["…"]}}` in one line."""
    if not isinstance(detail, dict):
        return [str(message) for message in detail]
    number, errors = next(iter(detail.items()))
    name, messages = next(iter(errors.items())) if isinstance(errors, dict) else ("", errors)
    return [f"{number}{'.' if name else ''}{name}: {messages[0]}"]


class MeetingInput(serializers.Serializer[Any]):
    """The body of POST, and with every field optional, of PATCH."""

    calendar = Text(max_length=255, help_text="calendar.live's id of the calendar.")
    title = Text(max_length=500)
    start = Instant()
    end = Instant()
    timezone = Text(max_length=64, help_text="IANA name.")
    attendees = Attendees()
    description = Text(required=False, allow_blank=True, allow_null=True, max_length=10_000)
    external_id = Text(
        required=False, allow_blank=True, allow_null=True, max_length=255, help_text="Your own id of the meeting."
    )
    connection = Text(
        required=False, max_length=63, help_text="Its slug; needed only where two connections have the calendar."
    )

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if isinstance(data, dict) and data.get("recurrence") is not None:
            raise serializers.ValidationError({"recurrence": "Series are made at calendar.live."})
        found: dict[str, Any] = super().to_internal_value(data)
        return found

    def validate_timezone(self, value: str) -> str:
        try:
            zone(value)
        except ValueError as error:
            raise serializers.ValidationError("This is no IANA time zone.") from error
        return value

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """In the words of a request: instants as texts, and no nulls."""
        for name in ("description", "external_id"):
            if name in attrs:
                attrs[name] = attrs[name] or ""
        for name in ("start", "end"):
            if name in attrs:
                attrs[name] = format_instant(attrs[name])
        return attrs


def check_order(start: datetime, end: datetime) -> None:
    """Raises ValidationError, naming the field."""
    if end <= start:
        raise exceptions.ValidationError({"end": "The end must come after the start."})
    if end - start > LONGEST:
        raise exceptions.ValidationError({"end": f"A meeting lasts {LONGEST.days} days at most."})


def read_key(headers: Any) -> str:
    """The Idempotency-Key. Raises ValidationError, naming it."""
    key = str(headers.get("Idempotency-Key", "")).strip()
    if not key:
        raise exceptions.ValidationError({"Idempotency-Key": "Give the header Idempotency-Key, another one each time."})
    if len(key) > KEY_LENGTH or "\0" in key:
        raise exceptions.ValidationError({"Idempotency-Key": f"It has at most {KEY_LENGTH} characters."})
    return key
