"""How Salesforce answers: errors are arrays, and every answer tells how many of the day's calls are used."""

from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.frame import Frame, Refusals, RefusedError, View
from integrations.sandbox.log import get_log

CALLS_PER_DAY = 100_000
CODES = {400: "BAD_REQUEST", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 503: "SERVER_UNAVAILABLE"}


class SalesforceError(RefusedError):
    """`code` is an errorCode of the API; one record's error in a batch has the same parts."""

    def __init__(self, code: str, message: str, *, fields: Sequence[str] = (), status: int = 400) -> None:
        self.code, self.message, self.fields = code, message, list(fields)
        body: dict[str, Any] = {"message": message, "errorCode": code}
        super().__init__(JsonResponse([body | ({"fields": self.fields} if fields else {})], safe=False, status=status))

    def entry(self) -> dict[str, Any]:
        """As part of a save's result."""
        return {"statusCode": self.code, "message": self.message, "fields": self.fields}


def missing() -> SalesforceError:
    return SalesforceError("NOT_FOUND", "The requested resource does not exist", status=404)


def refuse_token() -> HttpResponse:
    return SalesforceError("INVALID_SESSION_ID", "Session expired or invalid", status=401).response


def refuse_rate(_: int) -> HttpResponse:
    """Not 429, and without Retry-After: the limit is one of the last 24 hours."""
    return SalesforceError("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", status=403).response


def refuse(status: int, message: str) -> HttpResponse:
    return SalesforceError(CODES.get(status, "UNKNOWN_EXCEPTION"), message, status=status).response


frame = Frame("salesforce", Refusals(refuse_token, refuse_rate, refuse))


def api(**views: View) -> View:
    """frame.api(), with the header that tells the usage."""
    return tell_usage(frame.api(is_open=False, **views))


def tell_usage(view: Callable[..., HttpResponse]) -> View:
    def told(request: HttpRequest, **parts: str) -> HttpResponse:
        response = view(request, **parts)
        response["Sforce-Limit-Info"] = f"api-usage={get_log('salesforce').count}/{CALLS_PER_DAY}"
        return response

    return told
