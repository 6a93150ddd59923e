"""The frame around every address of a provider's API: log, latency, faults, access, methods and refusals.

    frame = Frame("zoom", Refusals(refuse_token, refuse_rate, refuse))

    path("v2/users/<str:user_id>/meetings", frame.api(GET=list_meetings, POST=create_meeting))
    path("oauth/token", frame.api(POST=give_token, is_open=True))       # no token is asked for
    re_path(".*", frame.unknown)                                        # last: the provider's own 404, logged too

A view is an ordinary function of the request and the path's parts. It raises RefusedError with the answer to give;
what it changed in a Store until then is undone. `frame.read_object(request)` is the JSON object of the body.

For an API with its own decorator, as calendar.live: `frame.guard(view)` does everything but methods and refusals.
"""

import functools
import hmac
import json
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse

from integrations.sandbox import settings
from integrations.sandbox.clock import utc_now
from integrations.sandbox.faults import Fault, get_faults
from integrations.sandbox.log import Entry, get_log, summarise

# Longer than Keepsync, or anybody sensible, waits for an answer.
TIMEOUT_S = 12.0
FAILURES = (500, 502, 503)
BROKEN_OFF = "broken off"

type View = Callable[..., HttpResponse]


class RefusedError(Exception):
    """The request is refused with this answer."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__(f"refused with {response.status_code}")
        self.response = response


@dataclass(frozen=True)
class Refusals:
    """How a provider words what every API refuses: a bad token, too many requests (seconds to wait), and a status with
    a message for all else (400, 404, 405, 5xx)."""

    refuse_token: Callable[[], HttpResponse]
    refuse_rate: Callable[[int], HttpResponse]
    refuse: Callable[[int, str], HttpResponse]


def has_token(request: HttpRequest) -> bool:
    """Whether the request carries the sandbox's access token as a bearer."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and is_token(token.strip())


def is_token(token: str) -> bool:
    return hmac.compare_digest(token.encode(), settings.ACCESS_TOKEN.encode())


class Frame:
    def __init__(self, provider: str, refusals: Refusals, *, has_access: Callable[[HttpRequest], bool] = has_token):
        self.provider = provider
        self.refusals = refusals
        self._has_access = has_access
        self._faults = get_faults(provider)
        self._log = get_log(provider)

    def api(self, *, is_open: bool = False, **views: View) -> View:
        """One address of the API, with a view for each HTTP method; `is_open` asks for no token."""

        def dispatch(request: HttpRequest, **parts: str) -> HttpResponse:
            view = views.get(request.method or "")
            if view is None:
                return self.refusals.refuse(405, f"{request.method} is not allowed here.")
            try:
                return view(request, **parts)
            except RefusedError as refusal:
                return refusal.response

        return self.guard(dispatch, is_open=is_open)

    @property
    def unknown(self) -> View:
        """The view of every other address under the prefix."""

        def refuse(request: HttpRequest) -> HttpResponse:
            return self.refusals.refuse(404, f"There is no {request.path}.")

        return self.guard(refuse, is_open=True)

    def guard(self, view: View, *, is_open: bool = False) -> View:
        """The view with log, latency, faults and access around it."""

        @functools.wraps(view)
        def guarded(request: HttpRequest, **parts: str) -> HttpResponse:
            at, started, body = utc_now(), time.monotonic(), request.body
            time.sleep(self._faults.knobs.latency_ms / 1000)
            fault, status = "", 0
            try:
                response, fault = self._answer(request, functools.partial(view, request, **parts), is_open=is_open)
                status = 0 if fault == BROKEN_OFF else response.status_code
                return response
            finally:
                duration_ms = round((time.monotonic() - started) * 1000)
                path, method = request.get_full_path(), request.method or ""
                self._log.add(Entry(at, method, path, status, summarise(body), duration_ms, fault))

        # Nobody logs in to the sandbox, and its settings have no CSRF middleware; said here for the middle of a test.
        guarded.csrf_exempt = True  # type: ignore[attr-defined]
        return guarded

    def read_object(self, request: HttpRequest) -> dict[str, Any]:
        """The body as a JSON object. Raises RefusedError with the provider's 400."""
        try:
            value = json.loads(request.body)
        except (ValueError, RecursionError) as error:
            raise self.refusal(400, "The body is not JSON.") from error
        if not isinstance(value, dict):
            raise self.refusal(400, "The body must be a JSON object.")
        return value

    def refusal(self, status: int, message: str) -> RefusedError:
        """The provider's plain error, to be raised."""
        return RefusedError(self.refusals.refuse(status, message))

    def _answer(
        self, request: HttpRequest, make: Callable[[], HttpResponse], *, is_open: bool
    ) -> tuple[HttpResponse, str]:
        """The answer, and the name of the fault that shaped it."""
        knobs = self._faults.knobs
        if knobs.is_down:
            return self._fail(503), "down"
        if not is_open and (knobs.is_revoked or not self._has_access(request)):
            return self.refusals.refuse_token(), "revoked" if knobs.is_revoked else ""
        fault = self._faults.draw()
        match fault:
            case Fault.RATE_LIMITED:
                return self.refusals.refuse_rate(knobs.retry_after_s), fault
            case Fault.FAILING:
                return self._fail(FAILURES[int(self._faults.draw_fraction() * len(FAILURES))]), fault
            case Fault.TIMEOUT:
                time.sleep(TIMEOUT_S)
                return self._fail(504), fault
            case Fault.LOST:
                make()
                is_broken = self._faults.draw_fraction() < 0.5 and break_off(request)
                return self._fail(504), BROKEN_OFF if is_broken else fault
        return make(), ""

    def _fail(self, status: int) -> HttpResponse:
        return self.refusals.refuse(status, HTTPStatus(status).phrase)


def break_off(request: HttpRequest) -> bool:
    """Close the connection to the caller where the server lets us; whether it was done."""
    connection = request.META.get("gunicorn.socket")
    if connection is None:
        return False
    connection.shutdown(socket.SHUT_RDWR)
    return True
