"""The one door for outgoing HTTP: always a time-out, no redirects, Keepsync's own errors, nothing private in logs.

A read that failed by an outage is repeated here a few times, as is a write that its caller calls repeatable (an upsert,
a delete, a request with an idempotency key). Everything else is left to the effect's own retries.
"""

import ipaddress
import json
import logging
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter

from integrations.exceptions import (
    ConflictError,
    KeepsyncError,
    LostAnswerError,
    MissingError,
    OutageError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
    TransientError,
)
from integrations.operations.metrics import REQUEST_ERRORS, observe_request

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 3
READ_TIMEOUT_S = 10
SHORTEST_READ_S = 0.5
ANSWER_LIMIT = 20 * 1024 * 1024
CHUNK = 64 * 1024
POOL_SIZE = 32
# How often an outage is met by asking again at once, and the mean pause before, in seconds.
REPEATS = 2
REPEAT_PAUSE_S = 0.3
# IPv6 addresses that stand for an IPv4 one, in their last 32 bits: mapped, compatible (RFC 4291), NAT64 (RFC 6052).
EMBEDDING = [ipaddress.IPv6Network(net) for net in ("::ffff:0:0/96", "::/96", "64:ff9b::/96")]
SECONDS = re.compile("[0-9]{1,9}")
# A part of a path that may name a person is not shown: an address, or anything quoted.
PRIVATE_PART = re.compile(r"[^/]*(?:@|%)[^/]*")

# A provider's own reading of an error answer; None leaves it to `error_of`.
type Explain = Callable[[requests.Response], KeepsyncError | None]
# Seconds for which the provider asks not to be called, read from any answer's rate headers; None where it asks nothing.
type ReadRest = Callable[[requests.Response], float | None]


# --- What the calls of one try share ----------------------------------------------------------------------------------


@dataclass(slots=True)
class Scope:
    """The calls made for one effect: until when they must be over, what they were, and how long to rest after them.

    `read_timeout_s` is how long each of them may be waited for; None: as long as any other.
    """

    deadline: float
    read_timeout_s: float | None = None
    calls: list[dict[str, Any]] = field(default_factory=list)
    rest_s: float = 0


_scope: ContextVar[Scope | None] = ContextVar("http_scope", default=None)


@contextmanager
def limit_time(seconds: float, *, read_timeout_s: float | None = None) -> Iterator[Scope]:
    """All calls made inside end within so many seconds. Yields their record."""
    scope = Scope(time.monotonic() + seconds, read_timeout_s)
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


@contextmanager
def pause_clock() -> Iterator[None]:
    """What is done inside takes nothing of the time that is left for the calls around it."""
    scope, started = _scope.get(), time.monotonic()
    try:
        yield
    finally:
        if scope:
            scope.deadline += time.monotonic() - started


def seconds_left() -> float:
    scope = _scope.get()
    if scope is None:
        return READ_TIMEOUT_S
    return min(scope.read_timeout_s or READ_TIMEOUT_S, scope.deadline - time.monotonic())


# --- Requests ---------------------------------------------------------------------------------------------------------


@cache
def session() -> requests.Session:
    """One pool of open connections for the process."""
    return make_session()


@contextmanager
def open_session(*, is_repeatable: bool) -> Iterator[requests.Session]:
    """The process's; for what must not be asked twice, one with a connection of its own.

    The other side may close a connection that was kept in the very moment in which it is used again: then nobody knows
    whether what was sent has arrived.
    """
    if is_repeatable:
        yield session()
        return
    with make_session() as own:
        yield own


def make_session() -> requests.Session:
    """Without the environment's proxies and netrc, and without cookies: what one account was given is not sent with
    another's."""
    made = requests.Session()
    made.trust_env = False
    made.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("http://", "https://"):
        made.mount(scheme, HTTPAdapter(pool_connections=POOL_SIZE, pool_maxsize=POOL_SIZE))
    return made


def request(
    method: str,
    url: str,
    *,
    provider: str,
    is_repeatable: bool | None = None,
    is_secret_url: bool = False,
    explain: Explain | None = None,
    read_rest: ReadRest | None = None,
    **arguments: Any,
) -> requests.Response:
    """A 2xx answer, read whole. `provider` is its name as people know it.

    Raises what `explain` returns for any other answer; else RateLimitedError (429), ReauthoriseError (401), SetupError
    (403), MissingError (404, 410), ConflictError (409, 412), PermanentError (other 3xx and 4xx), OutageError (5xx, or
    never sent), LostAnswerError (sent, and no whole answer). `is_repeatable` says that asking twice is as good as once:
    by default true for GET only.
    """
    refuse_private(url)
    is_repeatable = method == "GET" if is_repeatable is None else is_repeatable
    repeats = REPEATS if is_repeatable else 0
    arguments |= {"provider": provider, "is_repeatable": is_repeatable, "is_secret_url": is_secret_url}
    while True:
        try:
            with counting_errors(provider):
                response = send(method, url, **arguments)
                rest(read_rest(response) if read_rest else None)
                if 200 <= response.status_code < 300:
                    return response
                raise (explain(response) if explain else None) or error_of(response, provider)
        except OutageError:
            pause_s = random.uniform(0, 2 * REPEAT_PAUSE_S)  # noqa: S311
            if not repeats or seconds_left() < pause_s + SHORTEST_READ_S:
                raise
        repeats -= 1
        time.sleep(pause_s)


@contextmanager
def counting_errors(provider: str) -> Iterator[None]:
    """By their cause, also those that are met by asking again."""
    try:
        yield
    except (TransientError, PermanentError) as error:
        REQUEST_ERRORS.labels(provider=provider, cause=error.cause).inc()
        raise


def request_json(method: str, url: str, *, provider: str, **arguments: Any) -> Any:
    """The JSON value of a 2xx answer; None where it has no body. Raises LostAnswerError for what is not JSON."""
    response = request(method, url, provider=provider, **arguments)
    if not response.content:
        return None
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise LostAnswerError(f"{provider} answers something that is not JSON.") from error


def read_error(response: requests.Response) -> Any:
    """The JSON value of an error answer; None where it is something else."""
    try:
        return json.loads(response.content)
    except (ValueError, RecursionError):
        return None


def send(
    method: str, url: str, *, provider: str, is_repeatable: bool = False, is_secret_url: bool = False, **arguments: Any
) -> requests.Response:
    """One request and its whole answer, whatever its status."""
    read_timeout_s = seconds_left()
    if read_timeout_s < SHORTEST_READ_S:
        raise TransientError(f"{provider} was not called: the time for this try is over.")
    started, status = time.monotonic(), 0
    try:
        with open_session(is_repeatable=is_repeatable) as opened:
            response = opened.request(
                method,
                url,
                timeout=(CONNECT_TIMEOUT_S, read_timeout_s),
                allow_redirects=False,
                stream=True,
                **arguments,
            )
            read_body(response, started + read_timeout_s, provider)
        status = response.status_code
    except (requests.exceptions.InvalidHeader, UnicodeError) as error:
        raise SetupError(f"{provider} cannot be called with this address and token.") from error
    except (requests.ConnectTimeout, requests.exceptions.SSLError) as error:
        raise OutageError(f"{provider} could not be reached ({type(error).__name__}).") from error
    except requests.ConnectionError as error:
        if is_refused(error):
            raise OutageError(f"{provider} could not be reached ({type(error).__name__}).") from error
        raise LostAnswerError(f"{provider} broke the connection off.") from error
    except requests.RequestException as error:
        raise LostAnswerError(f"{provider} gave no whole answer ({type(error).__name__}).") from error
    finally:
        record(method, "" if is_secret_url else url, provider, status, time.monotonic() - started)
    return response


def is_refused(error: requests.ConnectionError) -> bool:
    """Whether no connection came about, so that nothing can have been sent."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return type(reason).__name__ in ("NewConnectionError", "NameResolutionError")


def read_body(response: requests.Response, deadline: float, provider: str) -> None:
    """Keep the whole body in `response.content`, however slowly and however much of it comes."""
    body = bytearray()
    for chunk in response.iter_content(CHUNK):
        body += chunk
        if len(body) > ANSWER_LIMIT:
            response.close()
            raise LostAnswerError(f"{provider} answers with more than {ANSWER_LIMIT // 1024 // 1024} MiB.")
        if time.monotonic() > deadline:
            response.close()
            raise LostAnswerError(f"{provider} gave no whole answer in time.")
    response._content = bytes(body)


def record(method: str, url: str, provider: str, status: int, seconds: float) -> None:
    """Count the call, log it, and keep it with the try that it was made for. Status 0: there was no answer."""
    call = {"method": method, "path": show_path(url), "status": status, "duration_ms": round(seconds * 1000)}
    observe_request(provider, method, status, seconds)
    logger.info("request sent", extra={"provider": provider, "status_code": status, **call})
    if scope := _scope.get():
        scope.calls.append(call)


def show_path(url: str) -> str:
    """The path without what may name a person; the query is never shown."""
    return PRIVATE_PART.sub("…", urlsplit(url).path)


def rest(seconds: float | None) -> None:
    scope = _scope.get()
    if seconds and scope:
        scope.rest_s = max(scope.rest_s, seconds)


# --- Errors -----------------------------------------------------------------------------------------------------------


def error_of(response: requests.Response, provider: str) -> KeepsyncError:
    status = response.status_code
    match status:
        case 401:
            return ReauthoriseError(f"{provider} refuses the connection's credentials (401): authorise it again.")
        case 403:
            return SetupError(f"{provider} does not allow this (403): give the connection the permission it lacks.")
        case 404 | 410:
            return MissingError(f"{provider} has no such record ({status}).")
        case 408 | 504:
            return LostAnswerError(f"{provider} answers {status}.")
        case 409 | 412:
            return ConflictError(f"{provider} holds something that contradicts this ({status}).")
        case 429:
            return RateLimitedError(f"{provider} answers 429.", retry_after_s=retry_after_of(response))
    if status >= 500:
        return OutageError(f"{provider} answers {status}.")
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


# --- Addresses --------------------------------------------------------------------------------------------------------


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
