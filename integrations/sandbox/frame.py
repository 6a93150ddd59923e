"""The frame around every address of a provider's API: log, latency, faults, access, methods and refusals.

    frame = Frame("zoom", Refusals(refuse_token, refuse_rate, refuse))

    path("v2/users/<str:user_id>/meetings", frame.api(GET=list_meetings, POST=create_meeting))
    path("services/<str:secret>", frame.api(POST=receive, is_open=True))    # no token is asked for
    path("oauth/token", frame.token(POST=give_token))                   # nor here; with the faults of tokens
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
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse

from integrations.sandbox import settings
from integrations.sandbox.clients import mask_secrets
from integrations.sandbox.clock import utc_now
from integrations.sandbox.faults import Fault, get_faults
from integrations.sandbox.grant_records import Account
from integrations.sandbox.grants import get_grants
from integrations.sandbox.log import Entry, get_log, summarise
from integrations.sandbox.staff import APP, TOKENS, Actor

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


def read_bearer(request: HttpRequest) -> str:
    """The token of the Authorization header; empty where there is none."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def is_fixed(token: str) -> bool:
    """Whether it is the sandbox's one access token, or a colleague's: they work everywhere."""
    return token in TOKENS or hmac.compare_digest(token.encode(), settings.ACCESS_TOKEN.encode())


class Frame:
    def __init__(self, provider: str, refusals: Refusals, *, has_key: Callable[[HttpRequest], bool] | None = None):
        """`has_key` is a way in besides an access token."""
        self.provider = provider
        self.refusals = refusals
        self.grants = get_grants(provider)
        self._has_key = has_key
        self._faults = get_faults(provider)
        self._log = get_log(provider)

    def is_token(self, token: str) -> bool:
        """Whether it is an access token that works now."""
        return is_fixed(token) or self.grants.find(token) is not None

    def find_account(self, request: HttpRequest) -> Account:
        """Whose account the request's token opens."""
        return self.grants.find_account(read_bearer(request))

    def find_actor(self, request: HttpRequest) -> Actor:
        """Who calls the API: the colleague whose token it is, else the application."""
        return TOKENS.get(read_bearer(request) or request.headers.get("x-api-token", ""), APP)

    def token(self, **views: View) -> View:
        """An address of the authorisation server, with a view for each HTTP method."""
        return self._serve(views, is_open=True, gives_tokens=True)

    def api(self, *, is_open: bool = False, **views: View) -> View:
        """One address of the API, with a view for each HTTP method; `is_open` asks for no token."""
        return self._serve(views, is_open=is_open, gives_tokens=False)

    def _serve(self, views: Mapping[str, View], *, is_open: bool, gives_tokens: bool) -> View:

        def dispatch(request: HttpRequest, **parts: str) -> HttpResponse:
            view = views.get(request.method or "")
            if view is None:
                return self.refusals.refuse(405, f"{request.method} is not allowed here.")
            try:
                return view(request, **parts)
            except RefusedError as refusal:
                return refusal.response

        return self.guard(dispatch, is_open=is_open, gives_tokens=gives_tokens)

    @property
    def unknown(self) -> View:
        """The view of every other address under the prefix."""

        def refuse(request: HttpRequest) -> HttpResponse:
            return self.refusals.refuse(404, f"There is no {request.path}.")

        return self.guard(refuse, is_open=True)

    def guard(self, view: View, *, is_open: bool = False, gives_tokens: bool = False) -> View:
        """The view with log, latency, faults and access around it; what `gives_tokens` is logged without secrets."""

        @functools.wraps(view)
        def guarded(request: HttpRequest, **parts: str) -> HttpResponse:
            at, started, body, knobs = utc_now(), time.monotonic(), request.body, self._faults.knobs
            time.sleep((knobs.latency_ms + knobs.token_latency_ms * gives_tokens) / 1000)
            fault, status = "", 0
            try:
                make = functools.partial(view, request, **parts)
                response, fault = self._answer(request, make, is_open=is_open, gives_tokens=gives_tokens)
                status = 0 if fault == BROKEN_OFF else response.status_code
                return response
            finally:
                duration_ms = round((time.monotonic() - started) * 1000)
                path, method, shown = request.get_full_path(), request.method or "", summarise(body)
                if gives_tokens:
                    path, shown = mask_secrets(path), mask_secrets(shown)
                self._log.add(Entry(at, method, path, status, shown, duration_ms, fault))

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
        self, request: HttpRequest, make: Callable[[], HttpResponse], *, is_open: bool, gives_tokens: bool
    ) -> tuple[HttpResponse, str]:
        """The answer, and the name of the fault that shaped it."""
        knobs = self._faults.knobs
        if knobs.is_down:
            return self._fail(503), "down"
        if not is_open and (knobs.is_revoked or not self._has_access(request)):
            return self.refusals.refuse_token(), "revoked" if knobs.is_revoked else ""
        if gives_tokens and knobs.rate_token_5xx and self._faults.draw_fraction() < knobs.rate_token_5xx:
            return self._fail(503), Fault.FAILING
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

    def _has_access(self, request: HttpRequest) -> bool:
        return self.is_token(read_bearer(request)) or (self._has_key is not None and self._has_key(request))

    def _fail(self, status: int) -> HttpResponse:
        return self.refusals.refuse(status, HTTPStatus(status).phrase)


def break_off(request: HttpRequest) -> bool:
    """Close the connection to the caller where the server lets us; whether it was done."""
    connection = request.META.get("gunicorn.socket")
    if connection is None:
        return False
    connection.shutdown(socket.SHUT_RDWR)
    return True
