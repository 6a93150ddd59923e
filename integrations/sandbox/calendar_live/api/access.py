"""The frame around every address of the API: who may call, and how refusals are answered."""

import functools
import hmac
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox import settings
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

type ApiView = Callable[..., HttpResponse]

REFUSALS: dict[type[CalendarLiveError], tuple[int, str]] = {
    NotFoundError: (404, "not_found"),
    InvalidInputError: (422, "invalid"),
    KeyReusedError: (422, "idempotency_key_reused"),
    WindowExpiredError: (410, "sync_window_expired"),
}


def api_view(view: ApiView) -> ApiView:
    """Require the bearer token, and answer refusals with the contract's error bodies."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, **kwargs: str) -> HttpResponse:
        if not _has_access(request):
            return error_response(401, "unauthorized", "The access token is missing, expired, revoked or unknown.")
        try:
            return view(request, **kwargs)
        except CalendarLiveError as refusal:
            return _refuse(refusal)

    return guarded


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


def _has_access(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(token.encode(), settings.ACCESS_TOKEN.encode())


def _refuse(refusal: CalendarLiveError) -> HttpResponse:
    if isinstance(refusal, SlotTakenError):
        conflicts = [interval_document(conflict) for conflict in refusal.conflicts]
        return JsonResponse({"code": "slot_taken", "message": str(refusal), "conflicts": conflicts}, status=409)
    if isinstance(refusal, VersionMismatchError):
        return JsonResponse(event_document(refusal.event), status=412)
    status, code = REFUSALS[type(refusal)]
    return error_response(status, code, str(refusal), getattr(refusal, "field", None))
