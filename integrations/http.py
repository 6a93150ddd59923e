"""The one door for outgoing HTTP: always a time-out, no redirects, Keepsync's own errors, nothing private in logs."""

import ipaddress
import logging
import re
import socket
import time
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from integrations.exceptions import KeepsyncError, PermanentError, RateLimitedError, SetupError, TransientError

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 20
# IPv6 addresses that stand for an IPv4 one, in their last 32 bits: mapped, compatible (RFC 4291), NAT64 (RFC 6052).
EMBEDDING = [ipaddress.IPv6Network(net) for net in ("::ffff:0:0/96", "::/96", "64:ff9b::/96")]
SECONDS = re.compile("[0-9]{1,9}")


@cache
def session() -> requests.Session:
    """One pool of open connections for the process, without the environment's proxies and netrc, and without cookies:
    what one account was given is not sent with another's."""
    made = requests.Session()
    made.trust_env = False
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return made


def request(method: str, url: str, *, provider: str, **arguments: Any) -> requests.Response:
    """A 2xx answer. Raises TransientError, RateLimitedError, SetupError (401, 403) or PermanentError for the rest."""
    refuse_private(url)
    started = time.monotonic()
    try:
        response = session().request(
            method, url, timeout=(CONNECT_TIMEOUT_S, READ_TIMEOUT_S), allow_redirects=False, **arguments
        )
    except (requests.exceptions.InvalidHeader, UnicodeError) as error:
        raise SetupError(f"{provider} cannot be called with this address and token.") from error
    except requests.RequestException as error:
        raise TransientError(f"{provider} could not be reached ({type(error).__name__}).") from error
    duration_ms = round((time.monotonic() - started) * 1000)
    logger.info(
        "request sent",
        extra={"provider": provider, "status_code": response.status_code, "duration_ms": duration_ms},
    )
    if not 200 <= response.status_code < 300:
        raise error_of(response, provider)
    return response


def error_of(response: requests.Response, provider: str) -> KeepsyncError:
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
    if SECONDS.fullmatch(value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def refuse_private(url: str) -> None:
    """Raises SetupError for what is no web address, and where it is not public and ALLOW_PRIVATE_PROVIDERS is off."""
    host, port = read_host(url)
    if settings.ALLOW_PRIVATE_PROVIDERS:
        return
    try:
        found = socket.getaddrinfo(host, port)
    except (OSError, UnicodeError) as error:
        raise TransientError(f"{host} has no address.") from error
    if not all(is_public(str(address[0])) for *_, address in found):
        raise SetupError(f"{host} is a private address; set ALLOW_PRIVATE_PROVIDERS=1 to allow it.")


def read_host(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        parts, host, port = None, None, 0
    if parts is None or not host or parts.scheme not in ("http", "https"):
        raise SetupError("the connection's address is no http(s) address.")
    return host, port


def is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = any(ip in network for network in EMBEDDING)
        ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if embedded else ip.sixtofour or ip
    return ip.is_global and not ip.is_multicast
