"""Pages of events and deliveries, with opaque tokens for the next one."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from integrations.sandbox.calendar_live.exceptions import InvalidInputError, WindowExpiredError
from integrations.sandbox.calendar_live.records import Delivery, Event
from integrations.sandbox.calendar_live.world import Moment

CHANGES_KEPT_FOR = timedelta(days=90)
MAX_PAGE_SIZE = 250
DELIVERIES_PER_PAGE = 100


def list_events(
    moment: Moment,
    *,
    updated_since: datetime | None = None,
    starts_before: datetime | None = None,
    calendar_id: str | None = None,
    page_token: str | None = None,
    page_size: int = 100,
) -> tuple[Sequence[Event], str | None]:
    """A page of events, oldest change first, and the next page's token. Raises WindowExpiredError, InvalidInputError.

    An event that changes while somebody pages moves to the end: it may be seen twice, but is never missed.
    """
    if updated_since is not None and updated_since < moment.now - CHANGES_KEPT_FOR:
        raise WindowExpiredError("Changes are listed for 90 days only. Do a full listing instead.")
    chosen = [
        event
        for event in moment.state.events.values()
        if (updated_since is None or event.updated_at >= updated_since)
        and (starts_before is None or event.start < starts_before)
        and (calendar_id is None or event.calendar_id == calendar_id)
    ]
    return _cut_page(sorted(chosen, key=_change_key), _change_key, page_token, page_size)


def list_deliveries(
    moment: Moment, *, since: datetime | None = None, status: str | None = None, page_token: str | None = None
) -> tuple[Sequence[Delivery], str | None]:
    """A page of the delivery log, newest first, and the next page's token. Raises InvalidInputError."""
    chosen = [
        delivery
        for delivery in moment.state.deliveries.values()
        if (since is None or delivery.created_at >= since) and (status is None or delivery.status == status)
    ]
    return _cut_page(sorted(chosen, key=_age_key), _age_key, page_token, DELIVERIES_PER_PAGE)


def parse_page_size(value: object) -> int:
    size = int(str(value))
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise ValueError(f"must be from 1 to {MAX_PAGE_SIZE}")
    return size


def _change_key(event: Event) -> list[Any]:
    return [event.updated_at.timestamp(), event.id]


def _age_key(delivery: Delivery) -> list[Any]:
    return [-delivery.created_at.timestamp(), delivery.id]


def _cut_page[T](
    items: Sequence[T], key: Callable[[T], list[Any]], page_token: str | None, page_size: int
) -> tuple[Sequence[T], str | None]:
    """The first items whose key comes after the token's; items must be sorted by their key."""
    if page_token is not None:
        reached = _read_token(page_token)
        items = [item for item in items if key(item) > reached]
    page = items[:page_size]
    return page, _make_token(key(page[-1])) if len(items) > page_size else None


def _make_token(key: list[Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _read_token(token: str) -> list[Any]:
    try:
        key = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except ValueError as error:
        raise InvalidInputError("page_token: is none of ours.", field="page_token") from error
    if not isinstance(key, list) or [type(part) for part in key] != [float, str]:
        raise InvalidInputError("page_token: is none of ours.", field="page_token")
    return key
