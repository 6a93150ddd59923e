"""calendar.live's API, as far as it is called: see tests/contracts/calendar_live/openapi.yaml."""

from datetime import datetime
from typing import Any

from integrations import http
from integrations.exceptions import SetupError, TransientError
from integrations.providers.base import Account

FREE_BUSY_DAYS = 62


def get(account: Account, path: str, params: dict[str, str] | None = None) -> Any:
    token = account.credentials.get("access_token")
    if not token:
        raise SetupError("the connection has no access token: authorise it, or set its option access_token.")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    url = f"{account.base_url}{path}"
    response = http.request("GET", url, provider="calendar.live", headers=headers, params=params)
    try:
        return response.json()
    except ValueError as error:
        raise TransientError("calendar.live answers something that is not JSON.") from error


def list_calendars(account: Account) -> list[dict[str, Any]]:
    return list(get(account, "/v1/calendars")["items"])


def get_free_busy(account: Account, calendar_id: str, start: datetime, end: datetime) -> dict[str, Any]:
    """`{busy: [{start, end}], availability: [{start, end}]}` of a window of at most 62 days."""
    params = {"calendar_id": calendar_id, "start": start.isoformat(), "end": end.isoformat()}
    return dict(get(account, "/v1/free_busy", params))
