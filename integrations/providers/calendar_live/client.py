"""calendar.live's API, as far as it is called: see tests/contracts/calendar_live/openapi.yaml."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from integrations import http
from integrations.events import CalendarRef
from integrations.exceptions import LostAnswerError, SetupError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.calendar_live.mapping import read_calendar
from integrations.providers.oauth import Identity

NAME = "calendar.live"
ORIGIN = "https://api.calendar.live"
FREE_BUSY_DAYS = 62
# Calendars that stand for their account, where it is named to a person.
NAMED = 3

type Interval = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class FreeBusy:
    """As calendar.live gives them: when a calendar is taken, and the hours in which it may be booked."""

    busy: list[Interval]
    hours: list[Interval]


def list_calendars(account: Account) -> list[CalendarRef]:
    page = get(account, "/v1/calendars")
    return [read_calendar(PayloadReader(value, path)) for path, value in page.items("items")]


def identify(account: Account) -> Identity:
    """An account has no id of its own here: it is known by the owner of its first calendar, of whom a digest is kept.

    Raises PayloadError where the answer is no list of calendars.
    """
    page = get(account, "/v1/calendars")
    calendars = [PayloadReader(value, path) for path, value in page.items("items")]
    names = ", ".join(calendar.text("name", max_length=100) for calendar in calendars[:NAMED])
    if not calendars:
        return Identity("", "an account without calendars")
    owner = calendars[0].optional_text("owner_email").strip().casefold()
    return Identity(hashlib.sha256(owner.encode()).hexdigest()[:16] if owner else "", names)


def get_free_busy(account: Account, calendar_id: str, start: datetime, end: datetime) -> FreeBusy:
    """Of a window of at most 62 days."""
    params = {"calendar_id": calendar_id, "start": start.isoformat(), "end": end.isoformat()}
    page = get(account, "/v1/free_busy", params)
    return FreeBusy(read_intervals(page, "busy"), read_intervals(page, "availability"))


def get(account: Account, path: str, params: Mapping[str, str] | None = None) -> PayloadReader:
    """The answer's object. Raises PayloadError where it is none, and what `http.request` raises."""
    url = f"{account.base_url}{path}"
    answer = http.request_json("GET", url, provider=NAME, headers=make_headers(account), params=params)
    if answer is None:
        raise LostAnswerError(f"{NAME} answers without a body.")
    return PayloadReader(answer, path)


def make_headers(account: Account) -> dict[str, str]:
    """The headers of every call. Raises SetupError where there is no token."""
    token = account.credentials.get("access_token")
    if not token:
        raise SetupError("the connection has no access token: authorise it, or set its option access_token.")
    return {"Authorization": f"Bearer {token}", "Accept": "application/json"}


def read_intervals(page: PayloadReader, name: str) -> list[Interval]:
    readers = (PayloadReader(value, path) for path, value in page.items(name))
    return [(interval.instant("start"), interval.instant("end")) for interval in readers]
