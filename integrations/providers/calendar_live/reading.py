"""Reading what calendar.live holds, to compare it with what is known here: its events, and its log of deliveries.

See the paths /v1/events and /v1/webhook_deliveries of tests/contracts/calendar_live/openapi.yaml.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from integrations import http
from integrations.events import Booking
from integrations.exceptions import MissingError, PayloadError
from integrations.payloads import IDENTIFIER_LENGTH, PayloadReader, clean_text
from integrations.providers.base import Account
from integrations.providers.calendar_live.client import NAME, get, make_headers
from integrations.providers.calendar_live.mapping import read_booking

EVENTS, DELIVERIES = "/v1/events", "/v1/webhook_deliveries"
PAGE_SIZE = 250
CURSOR_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class UnreadEvent:
    """An event that cannot be read, and why; `id` is empty where that is what cannot be read."""

    id: str
    problem: str


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, the oldest change first. `cursor` leads to the next ones, and is empty where these were the last."""

    bookings: Sequence[Booking]
    cursor: str = ""
    unread: Sequence[UnreadEvent] = ()


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    id: str
    event_type: str
    status: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some of the delivery log, the newest first."""

    deliveries: Sequence[LoggedDelivery]
    cursor: str = ""


def list_events(
    account: Account, *, updated_since: datetime | None, cursor: str = "", page_size: int = PAGE_SIZE
) -> EventPage:
    """The events that have changed since then, or all of them. One that cannot be read does not hold up the others.

    Raises MissingError where changes since then are not kept any more (410).
    """
    params = {"page_size": str(page_size)}
    if updated_since is not None:
        params["updated_since"] = write_instant(updated_since)
    if cursor:
        params["page_token"] = cursor
    page = get(account, EVENTS, params)
    bookings: list[Booking] = []
    unread: list[UnreadEvent] = []
    for path, value in page.items("items"):
        try:
            bookings.append(read_booking(PayloadReader(value, path)))
        except PayloadError as error:
            unread.append(UnreadEvent(find_id(value), str(error)))
    return EventPage(bookings, read_cursor(page, cursor), unread)


def get_event(account: Account, event_id: str) -> Booking | None:
    """None where there is no such event. Raises PayloadError for one that cannot be read."""
    path = f"{EVENTS}/{quote(event_id, safe='')}"
    try:
        return read_booking(get(account, path))
    except MissingError:
        return None


def list_webhook_deliveries(
    account: Account, *, since: datetime | None = None, status: str = "", cursor: str = ""
) -> LogPage:
    """What calendar.live has sent here in the last 30 days; `status` is pending, delivered or failed."""
    params = {"since": write_instant(since)} if since else {}
    params |= {name: value for name, value in (("status", status), ("page_token", cursor)) if value}
    page = get(account, DELIVERIES, params)
    readers = (PayloadReader(value, path) for path, value in page.items("items"))
    return LogPage([read_delivery(reader) for reader in readers], read_cursor(page, cursor))


def redeliver(account: Account, delivery_id: str) -> None:
    """Ask for a delivery again. Raises MissingError where the log does not have it any more."""
    url = f"{account.base_url}{DELIVERIES}/{quote(delivery_id, safe='')}/redeliver"
    http.request("POST", url, provider=NAME, headers=make_headers(account), is_repeatable=True)


def read_delivery(item: PayloadReader) -> LoggedDelivery:
    return LoggedDelivery(
        id=item.identifier("id"),
        event_type=item.text("event_type", max_length=64),
        status=item.text("status", max_length=16),
        created_at=item.instant("created_at"),
    )


def read_cursor(page: PayloadReader, cursor: str) -> str:
    """Raises PayloadError for one that leads to the page that it came with."""
    found = page.optional_text("next_page_token", max_length=CURSOR_LENGTH)
    if found and found == cursor:
        raise PayloadError(page.at("next_page_token"), "leads to the same page again.")
    return found


def find_id(value: object) -> str:
    """The event's id as far as it has one; else empty."""
    found = value.get("id") if isinstance(value, dict) else None
    return clean_text(found)[:IDENTIFIER_LENGTH] if isinstance(found, str) else ""


def write_instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
