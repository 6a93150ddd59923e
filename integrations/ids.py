"""Ids that tell their time: the rows that webhooks and effects leave are found by when they were made, by their key."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# RFC 9562, 5.7: 48 bits of milliseconds since 1970, the version, 12 bits, the variant, 62 bits.
TIME_SHIFT = 80
VERSION = 7 << 76
VARIANT = 0b10 << 62


def made_at(key: UUID) -> datetime:
    """The millisecond in which a UUIDv7 was made."""
    return EPOCH + timedelta(milliseconds=key.int >> TIME_SHIFT)


def first_id_at(instant: datetime) -> UUID:
    """The smallest UUIDv7 of the instant's millisecond: what was made then or later has an id from it on.

    Raises OverflowError for an instant before 1970, of which there are none.
    """
    milliseconds = (instant - EPOCH) // timedelta(milliseconds=1)
    if milliseconds < 0:
        raise OverflowError(f"there is no UUIDv7 of {instant:%Y}.")
    return UUID(int=milliseconds << TIME_SHIFT | VERSION | VARIANT)
