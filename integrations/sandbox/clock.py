"""What time it is."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    return datetime.now(tz=UTC)
