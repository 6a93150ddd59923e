"""What is changed at calendar.live: events and holds. See tests/contracts/calendar_live/openapi.yaml.

Every call may be repeated: a creation by its idempotency key, a change because its version fits only once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import requests

from integrations import http
from integrations.events import Booking
from integrations.exceptions import (
    InputError,
    KeepsyncError,
    LostAnswerError,
    PayloadError,
    SlotTakenError,
    StaleVersionError,
)
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.calendar_live.client import NAME, make_headers, read_intervals
from integrations.providers.calendar_live.mapping import read_booking

EVENTS, HOLDS = "/v1/events", "/v1/holds"


@dataclass(frozen=True, slots=True)
class Hold:
    id: str
    expires_at: datetime


def create_event(account: Account, event: Mapping[str, Any], *, key: str) -> Booking:
    """The event that this key made. Raises SlotTakenError, InputError, and what `http.request` raises."""
    return read_event(call(account, "POST", EVENTS, json=event, headers={"Idempotency-Key": key}))


def get_event(account: Account, event_id: str) -> Booking:
    """Raises MissingError where there is none."""
    return read_event(call(account, "GET", address(EVENTS, event_id)))


def patch_event(account: Account, event_id: str, changes: Mapping[str, Any], *, version: int) -> Booking:
    """The event after the change. Raises StaleVersionError, with the event as it is, where `version` is not its latest.

    Raises SlotTakenError, InputError, MissingError, and what `http.request` raises.
    """
    headers = {"If-Match": f'"{version}"'}
    return read_event(call(account, "PATCH", address(EVENTS, event_id), json=changes, headers=headers))


def delete_event(account: Account, event_id: str) -> Booking:
    """The cancelled event. Raises MissingError where there is none."""
    return read_event(call(account, "DELETE", address(EVENTS, event_id)))


def create_hold(account: Account, *, calendar_id: str, start: str, end: str, ttl_s: int, key: str) -> Hold:
    """Raises SlotTakenError, InputError, and what `http.request` raises."""
    body = {"calendar_id": calendar_id, "start": start, "end": end, "ttl_seconds": ttl_s}
    hold = read_answer(call(account, "POST", HOLDS, json=body, headers={"Idempotency-Key": key}), "hold")
    return Hold(hold.identifier("id"), hold.instant("expires_at"))


def delete_hold(account: Account, hold_id: str) -> None:
    """One that is gone is no error."""
    url = f"{account.base_url}{address(HOLDS, hold_id)}"
    http.request("DELETE", url, provider=NAME, headers=make_headers(account), explain=explain, is_repeatable=True)


def address(collection: str, key: str) -> str:
    return f"{collection}/{quote(key, safe='')}"


def call(
    account: Account, method: str, path: str, *, headers: Mapping[str, str] | None = None, **arguments: Any
) -> Any:
    """The answer's JSON value."""
    return http.request_json(
        method,
        f"{account.base_url}{path}",
        provider=NAME,
        headers={**make_headers(account), **(headers or {})},
        explain=explain,
        is_repeatable=True,
        **arguments,
    )


def read_event(answer: Any) -> Booking:
    return read_booking(read_answer(answer, "event"))


def read_answer(answer: Any, name: str) -> PayloadReader:
    if answer is None:
        raise LostAnswerError(f"{NAME} answers without a body.")
    return PayloadReader(answer, name)


# --- Refusals ---------------------------------------------------------------------------------------------------------


def explain(response: requests.Response) -> KeepsyncError | None:
    """calendar.live's own refusals; what they say is never quoted. None for every other answer."""
    answer = http.read_error(response)
    try:
        match response.status_code:
            case 409:
                return SlotTakenError(f"{NAME} says that the time is taken.", read_conflicts(answer))
            case 412:
                return StaleVersionError(f"{NAME} has a newer version of the event.", read_event(answer))
            case 422:
                return InputError(f"{NAME} does not accept these values (422).", field=read_field(answer))
    except (PayloadError, LostAnswerError):
        pass
    return None


def read_conflicts(answer: Any) -> list[tuple[datetime, datetime]]:
    return read_intervals(read_answer(answer, "answer"), "conflicts")


def read_field(answer: Any) -> str:
    return read_answer(answer, "answer").optional_text("field", max_length=64)
