"""Pages of a list, newest first. https://docs.stripe.com/api/pagination"""

from collections.abc import Mapping, Sequence

from django.http import HttpRequest

from integrations.sandbox.stripe.documents import Document
from integrations.sandbox.stripe.exceptions import InvalidRequestError, MissingError
from integrations.sandbox.stripe.inputs import read_integer

DEFAULT_LIMIT, MAX_LIMIT = 10, 100


def list_page(request: HttpRequest, documents: Sequence[Document], wanted: Mapping[str, str | None]) -> Document:
    """The page that limit, starting_after and ending_before ask for, of documents (oldest first) that carry the wanted
    values; None wants any. Raises InvalidRequestError, MissingError."""
    limit = read_integer(request.GET.get("limit", str(DEFAULT_LIMIT)), "limit")
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidRequestError(f"Invalid limit: must be from 1 to {MAX_LIMIT}", param="limit")
    found = [item for item in reversed(documents) if all(value in (None, item[name]) for name, value in wanted.items())]
    if "ending_before" in request.GET:
        before = found[: _find(found, request.GET["ending_before"], "ending_before")]
        page, has_more = before[-limit:], len(before) > limit
    else:
        after = request.GET.get("starting_after")
        start = 0 if after is None else _find(found, after, "starting_after") + 1
        page, has_more = found[start : start + limit], len(found) > start + limit
    return {"object": "list", "url": request.path.removeprefix("/stripe"), "has_more": has_more, "data": page}


def _find(documents: Sequence[Document], object_id: str, param: str) -> int:
    for place, document in enumerate(documents):
        if document["id"] == object_id:
            return place
    raise MissingError("object", object_id, param=param)
