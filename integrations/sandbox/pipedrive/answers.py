"""How Pipedrive answers. Errors: `{"success": false, "error", "error_info", "code"}`."""

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from integrations.sandbox.frame import Frame, Refusals, RefusedError, is_fixed

INFO = "Please check developers.pipedrive.com"
BURST_LIMIT = 80


class PipedriveError(RefusedError):
    def __init__(self, status: int, message: str, *, code: str = "") -> None:
        self.message = message
        body: dict[str, Any] = {"success": False, "error": message, "error_info": INFO, "errorCode": status}
        super().__init__(JsonResponse(body | ({"code": code} if code else {}), status=status))


def invalid(message: str) -> PipedriveError:
    return PipedriveError(400, f"Validation failed: {message}", code="ERR_SCHEMA_VALIDATION_FAILED")


def missing(entity: str) -> PipedriveError:
    return PipedriveError(404, f"{entity.capitalize()} not found")


def refuse_token() -> HttpResponse:
    return PipedriveError(401, "unauthorized access").response


def refuse_rate(retry_after_s: int) -> HttpResponse:
    response = PipedriveError(429, "request over limit").response
    response["x-ratelimit-limit"], response["x-ratelimit-remaining"] = str(BURST_LIMIT), "0"
    response["x-ratelimit-reset"] = response["Retry-After"] = str(retry_after_s)
    return response


def refuse(status: int, message: str) -> HttpResponse:
    return PipedriveError(status, message).response


def has_api_token(request: HttpRequest) -> bool:
    """A person's API token, in its own header."""
    return is_fixed(request.headers.get("x-api-token", ""))


frame = Frame("pipedrive", Refusals(refuse_token, refuse_rate, refuse), has_key=has_api_token)


def answer(data: Any) -> HttpResponse:
    return JsonResponse({"success": True, "data": data})


def answer_page(data: Any, cursor: str) -> HttpResponse:
    """`cursor` leads to the next page; empty on the last."""
    more = {"next_cursor": cursor} if cursor else {}
    return JsonResponse({"success": True, "data": data, "additional_data": more})


type Key = tuple[str, int]


def cut_list[T](
    request: HttpRequest, items: Sequence[T], key_of: Callable[[T], Key], *, is_falling: bool = False
) -> tuple[Sequence[T], str]:
    """The page of sorted items that `limit` and `cursor` ask for, and the next cursor. Raises PipedriveError (400).

    A cursor marks the first item of its page by its place in the order: what goes or comes elsewhere moves no page.
    """
    first, limit = read_mark(request.GET.get("cursor", "")), read_limit(request, largest=500)
    left = [item for item in items if first is None or (key_of(item) <= first if is_falling else key_of(item) >= first)]
    return left[:limit], write_mark(key_of(left[limit])) if len(left) > limit else ""


def write_mark(key: Key) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode()


def read_mark(cursor: str) -> Key | None:
    if not cursor:
        return None
    try:
        text, number = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, TypeError) as error:
        raise invalid("cursor is not one of ours") from error
    return str(text), int(number)


def read_limit(request: HttpRequest, *, largest: int) -> int:
    limit = request.GET.get("limit", "100")
    if not (limit.isdecimal() and 0 < int(limit) <= largest):
        raise invalid(f"limit must be from 1 to {largest}")
    return int(limit)


def cut_page[T](request: HttpRequest, items: Sequence[T], *, largest: int = 500) -> tuple[Sequence[T], str]:
    """The same for what has no order of its own: the cursor is a number of items. Raises PipedriveError (400)."""
    limit, cursor = read_limit(request, largest=largest), request.GET.get("cursor") or "0"
    if not cursor.isdecimal():
        raise invalid("cursor is not one of ours")
    first, end = int(cursor), int(cursor) + limit
    return items[first:end], str(end) if end < len(items) else ""
