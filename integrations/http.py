"""The one door for outgoing HTTP: a time-out always, no redirects, errors as Keepsync's own, nothing private in logs."""

import ipaddress
import logging
import socket
import time
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from integrations.exceptions import PermanentError, RateLimitedError, SetupError, TransientError

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20


@cache
def session() -> requests.Session:
    """One pool of open connections for the process. The environment's proxies and netrc are not used."""
    made = requests.Session()
    made.trust_env = False
    return made


def request(method: str, url: str, *, provider: str, **arguments: Any) -> requests.Response:
    """A 2xx answer. Raises TransientError, RateLimitedError, SetupError (401, 403) or PermanentError for the rest."""
    refuse_private(url)
    started = time.monotonic()
    try:
        response = session().request(
            method, url, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S), allow_redirects=False, **arguments
        )
    except requests.RequestException as error:
        raise TransientError(f"{provider} could not be reached ({type(error).__name__}).") from error
    duration_ms = round((time.monotonic() - started) * 1000)
    logger.info(
        "request sent",
        extra={"provider": provider, "status_code": response.status_code, "duration_ms": duration_ms},
    )
    if not response.ok or response.is_redirect:
        raise error_of(response, provider)
    return response


def error_of(response: requests.Response, provider: str) -> Exception:
    status = response.status_code
    if status == 429:
        return RateLimitedError(f"{provider} answers 429.", retry_after_s=retry_after_of(response))
    if status >= 500 or status == 408:
        return TransientError(f"{provider} answers {status}.")
    if status in (401, 403):
        return SetupError(f"{provider} refuses the connection's credentials ({status}): authorise it again.")
    return PermanentError(f"{provider} answers {status}.")


def retry_after_of(response: requests.Response) -> float | None:
    """Seconds in a Retry-After header, which holds seconds or a date (RFC 9110 10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def refuse_private(url: str) -> None:
    """Raises SetupError where an address of the host is not public and ALLOW_PRIVATE_PROVIDERS is off."""
    if settings.ALLOW_PRIVATE_PROVIDERS:
        return
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 443)
    except OSError as error:
        raise TransientError(f"{parts.hostname} has no address.") from error
    if any(not ipaddress.ip_address(address[4][0]).is_global for address in found):
        raise SetupError(f"{parts.hostname} is a private address; set ALLOW_PRIVATE_PROVIDERS=1 to allow it.")
