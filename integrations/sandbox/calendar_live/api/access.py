"""The frame around every address of the API: who may call, and how refusals are answered."""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.calendar_live.documents import event_document, interval_document
from integrations.sandbox.calendar_live.exceptions import (
    CalendarLiveError,
    InvalidInputError,
    KeyReusedError,
    NotFoundError,
    SlotTakenError,
    VersionMismatchError,
    WindowExpiredError,
)
from integrations.sandbox.clock import utc_now
from integrations.sandbox.frame import Frame, Refusals

type ApiView = Callable[..., HttpResponse]

REFUSALS: dict[type[CalendarLiveError], tuple[int, str]] = {
    NotFoundError: (404, "not_found"),
    InvalidInputError: (422, "invalid"),
    KeyReusedError: (422, "idempotency_key_reused"),
    WindowExpiredError: (410, "sync_window_expired"),
}


def api_view(view: ApiView) -> ApiView:
    """Log, faults and the bearer token around a view, and refusals answered with the contract's error bodies."""

    @functools.wraps(view)
    def answer(request: HttpRequest, **kwargs: str) -> HttpResponse:
        try:
            return view(request, **kwargs)
        except CalendarLiveError as refusal:
            return _answer_refusal(refusal)

    return frame.guard(answer)


def require_method(request: HttpRequest, *methods: str) -> HttpResponse | None:
    """None where the method is served here, or the 405 to answer."""
    if request.method in methods:
        return None
    response = error_response(405, "method_not_allowed", f"{request.method} is not served here.")
    response["Allow"] = ", ".join(methods)
    return response


def read_json(request: HttpRequest) -> Any:
    """The body as a JSON value; InvalidInputError where it is none."""
    try:
        return json.loads(request.body)
    except ValueError as error:
        raise InvalidInputError("The body is not JSON.") from error


def read_parameter[T](parameters: Mapping[str, Any], name: str, parse: Callable[[object], T]) -> T | None:
    """One query parameter, parsed; None where it isn't given; InvalidInputError where it can't be parsed."""
    if name not in parameters:
        return None
    try:
        return parse(parameters[name])
    except ValueError as error:
        raise InvalidInputError(f"{name}: {error}.", field=name) from error


def read_required[T](parameters: Mapping[str, Any], name: str, parse: Callable[[object], T]) -> T:
    """One query parameter that must be there, parsed."""
    value = read_parameter(parameters, name, parse)
    if value is None:
        raise InvalidInputError(f"{name} is required.", field=name)
    return value


def error_response(status: int, code: str, message: str, field: str | None = None) -> JsonResponse:
    return JsonResponse({"code": code, "message": message, "field": field}, status=status)


def refuse_token() -> HttpResponse:
    return error_response(401, "unauthorized", "The access token is missing, expired, revoked or unknown.")


def refuse_rate(retry_after_s: int) -> HttpResponse:
    """The budget is 100 requests in 10 seconds (openapi.yaml, RateLimited)."""
    response = error_response(429, "rate_limited", "Too many requests.")
    response["Retry-After"] = str(retry_after_s)
    response["X-RateLimit-Limit"] = "100"
    response["X-RateLimit-Remaining"] = "0"
    response["X-RateLimit-Reset"] = str(int(utc_now().timestamp()) + retry_after_s)
    return response


def refuse(status: int, message: str) -> HttpResponse:
    return error_response(status, "unavailable" if status >= 500 else "invalid", message)


frame = Frame("calendar_live", Refusals(refuse_token, refuse_rate, refuse))


def _answer_refusal(refusal: CalendarLiveError) -> HttpResponse:
    if isinstance(refusal, SlotTakenError):
        conflicts = [interval_document(conflict) for conflict in refusal.conflicts]
        return JsonResponse({"code": "slot_taken", "message": str(refusal), "conflicts": conflicts}, status=409)
    if isinstance(refusal, VersionMismatchError):
        return JsonResponse(event_document(refusal.event), status=412)
    status, code = REFUSALS[type(refusal)]
    return error_response(status, code, str(refusal), getattr(refusal, "field", None))
