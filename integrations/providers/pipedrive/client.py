"""Pipedrive's API: calls and pages.

Persons, activities and their fields are in API v2; merging is in v1 only.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from integrations import http
from integrations.exceptions import LostAnswerError, PermanentError, SetupError
from integrations.payloads import PayloadReader
from integrations.providers.base import Account
from integrations.providers.oauth import Grant, Identity
from integrations.providers.oauth import read_grant as read_standard_grant
from integrations.providers.pipedrive.errors import NAME, describe, explain, read_rest

V1, V2 = "/api/v1", "/api/v2"
LARGEST_PAGE = 500
# More pages than any list that is read whole can have; a cursor that never ends stops here.
PAGES_LIMIT = 100


type Params = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list; `cursor` leads to the next one, and is empty where this is the last."""

    items: Sequence[PayloadReader]
    cursor: str


# --- Authorising ------------------------------------------------------------------------------------------------------


def read_grant(answer: PayloadReader) -> Grant:
    """With the address of the company's own API."""
    return replace(read_standard_grant(answer), api_url=answer.optional_text("api_domain"))


def identify(account: Account) -> Identity:
    """The company: https://pipedrive.readme.io/docs/marketplace-getting-user-data."""
    user = get(account, f"{V1}/users/me").object("data")
    return Identity(str(user.integer("company_id", minimum=1)), user.text("company_name", max_length=255))


# --- Calls ------------------------------------------------------------------------------------------------------------


def get(account: Account, path: str, params: Params | None = None) -> PayloadReader:
    """The answer's object. Raises LostAnswerError where it is none."""
    answer = send(account, "GET", path, params=params)
    if not isinstance(answer, dict):
        raise LostAnswerError(f"{NAME} answers something that is not an object.")
    return PayloadReader(answer, "pipedrive")


def create(account: Account, path: str, body: Mapping[str, Any]) -> PayloadReader:
    """The record that was made. Raises LostAnswerError where the answer doesn't hold it: it may be there."""
    answer = send(account, "POST", path, body=body)
    record = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(record, dict):
        raise LostAnswerError(f"{NAME} answers without the record that it was to make.")
    return PayloadReader(record, "pipedrive.data")


def change(account: Account, method: str, path: str, body: Mapping[str, Any]) -> Any:
    """For what is as good done twice as once. The answer's JSON, whatever it is: what was asked for is known."""
    return send(account, method, path, body=body, is_repeatable=True)


def send(
    account: Account,
    method: str,
    path: str,
    *,
    params: Params | None = None,
    body: Mapping[str, Any] | None = None,
    is_repeatable: bool | None = None,
) -> Any:
    """The answer's JSON. Raises what `http.request_json` does; PermanentError for a 2xx that calls itself a failure."""
    answer = http.request_json(
        method,
        f"{account.base_url}{path}",
        provider=NAME,
        headers=make_headers(account),
        params=params,
        json=body,
        is_repeatable=is_repeatable,
        explain=explain,
        read_rest=read_rest,
    )
    if isinstance(answer, dict) and answer.get("success") is False:
        raise PermanentError(f"{NAME} calls it a failure{describe(answer)}.")
    return answer


def make_headers(account: Account) -> dict[str, str]:
    """An OAuth access token, or a person's API token."""
    if token := account.credentials.get("access_token"):
        return {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    if key := account.credentials.get("api_key"):
        return {"x-api-token": key, "Accept": "application/json"}
    raise SetupError("the connection has no token: authorise it, or set its option access_token or api_key.")


# --- Pages ------------------------------------------------------------------------------------------------------------


def list_ids(ids: Iterable[str]) -> list[str]:
    """Those that can be ids, each once: what is none makes the whole list be refused."""
    return list(dict.fromkeys(each for each in ids if each.isascii() and each.isdecimal()))


def read_page(account: Account, path: str, params: Params) -> Page:
    """One page of a v2 list. Raises PayloadError, naming the field, where it is none."""
    answer = get(account, path, params)
    items = [PayloadReader(value, where) for where, value in answer.items("data")]
    more = answer.optional_object("additional_data")
    return Page(items, more.optional_identifier("next_cursor") if more else "")


def read_all(account: Account, path: str, params: Params, *, pages: int = PAGES_LIMIT) -> Iterator[PayloadReader]:
    """The items of so many pages, each fetched when it is needed."""
    cursor = ""
    for _ in range(pages):
        page = read_page(account, path, {**params, **({"cursor": cursor} if cursor else {})})
        yield from page.items
        if page.cursor in ("", cursor):
            return
        cursor = page.cursor
