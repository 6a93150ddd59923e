"""HubSpot's error answers as Keepsync's own errors, without the values that HubSpot likes to quote.

https://developers.hubspot.com/docs/api-reference/latest/error-handling: every field of an error body may be missing.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import requests

from integrations import http
from integrations.exceptions import (
    ConflictError,
    KeepsyncError,
    MissingError,
    PermanentError,
    RateLimitedError,
    SetupError,
)

NAME = "HubSpot"
MESSAGE_LENGTH = 300
# How long to wait after a 429 that does not say: HubSpot's own clients wait as long as the window that is used up.
TEN_SECONDS_S, ONE_SECOND_S = 10.0, 1.0
# A day's budget does not come back by waiting a little: look again every hour.
DAILY_S = 3600.0
LOCKED_S = 2.0
MIGRATION_S = 600.0

WORD = re.compile("[A-Z][A-Z_]{1,63}")
# What may quote a value: JSON, anything in quotes, an address, anything with a digit.
QUOTING = re.compile(r"""[\[{].*[\]}]|"[^"]*"|'[^']*'|\S*@\S*|\S*\d\S*""", re.DOTALL)
INVALID = re.compile(r'"error":"(?P<error>[A-Z_]+)","name":"(?P<name>[a-z0-9_]+)"')
NO_PROPERTY = re.compile(
    r'Property "?(?P<name>[a-z0-9_]+)"? does not exist|non-unique \S+ property|PROPERTY_DOESNT_EXIST'
)
EXISTING = re.compile(r"Existing ID: ?([0-9]{1,20})")
# Keys of requests whose values are no person's.
API_WORDS = frozenset(
    {"idProperty", "propertyName", "operator", "associationCategory", "name", "type", "fieldType", "groupName"}
)
NAME_WORDS = 4
CONFLICTS = ("CONFLICT", "OBJECT_ALREADY_EXISTS")


class ExistsError(ConflictError):
    """Another record holds the unique value; `external_id` says which one."""

    def __init__(self, message: str, external_id: str) -> None:
        super().__init__(message)
        self.external_id = external_id


def explain(response: requests.Response) -> KeepsyncError | None:
    """None where the body is not HubSpot's and the status says enough."""
    found = http.read_error(response)
    body = found if isinstance(found, dict) else {}
    wait_s = http.retry_after_of(response)
    match response.status_code:
        case 423:
            message = f"{NAME} has locked the record for another change (423)."
            return RateLimitedError(message, retry_after_s=max(LOCKED_S, wait_s or 0), holds_connection=False)
        case 429:
            wait_s = find_wait(body) if wait_s is None else wait_s
            return RateLimitedError(f"{NAME} answers 429{say_policy(body)}.", retry_after_s=wait_s)
        case 477:
            message = f"{NAME} is moving the account to another place (477)."
            return RateLimitedError(message, retry_after_s=MIGRATION_S if wait_s is None else wait_s)
    if not body:
        return None
    sent = tuple(list_sent(read_sent(response)))
    return find_special(body) or add_words(http.error_of(response, NAME), say(body, sent))


def explain_part(error: Any, sent: Any) -> KeepsyncError:
    """One of a batch's `errors`; `sent` is what HubSpot may quote in it."""
    body = error if isinstance(error, dict) else {}
    if special := find_special(body):
        return special
    words, category = say(body, tuple(list_sent(sent))), body.get("category")
    if category in CONFLICTS:
        return ConflictError(f"{NAME} holds something that contradicts this.{words}")
    if category == "OBJECT_NOT_FOUND":
        return MissingError(f"{NAME} has no such record.{words}")
    if category == "RATE_LIMITS":
        return RateLimitedError(f"{NAME} has too much to do.{words}", retry_after_s=find_wait(body))
    return PermanentError(f"{NAME} refuses the record.{words}")


def find_special(body: Mapping[str, Any]) -> KeepsyncError | None:
    """What somebody can do something about: a property that is not there, or another record that is in the way."""
    text = flatten(body)
    if found := NO_PROPERTY.search(text):
        name = f" {found['name']}" if found["name"] else " that is needed"
        return SetupError(
            f"{NAME} has no (unique) property{name}: run manage.py connection test for this connection, which makes "
            "what Keepsync needs, or correct the connection's field mapping."
        )
    if found := EXISTING.search(text):
        return ExistsError(f"{NAME} has another record with the same unique value.", found[1])
    return None


def flatten(body: Mapping[str, Any]) -> str:
    """All texts of an error body, with nested JSON readable."""
    return " ".join(list_texts(body)).replace("\\", "").replace('": ', '":').replace(', "', ',"')


def find_wait(body: Mapping[str, Any]) -> float:
    """Seconds after a 429: `policyName` says which limit it is, or the message does."""
    text = f"{body.get('policyName')} {body.get('message')}".upper()
    if "DAILY" in text:
        return DAILY_S
    return ONE_SECOND_S if "SECONDLY" in text and "TEN_SECONDLY" not in text else TEN_SECONDS_S


def say_policy(body: Mapping[str, Any]) -> str:
    policy = body.get("policyName")
    return f" ({policy})" if isinstance(policy, str) and WORD.fullmatch(policy) else ""


def add_words(error: KeepsyncError, words: str) -> KeepsyncError:
    return type(error)(f"{error}{words}")


def say(body: Mapping[str, Any], sent: tuple[str, ...]) -> str:
    """` HubSpot says: CATEGORY, what is wrong`, with all masked that may be a value; empty where it says nothing."""
    category, message = body.get("category"), body.get("message")
    parts = [category] if isinstance(category, str) and WORD.fullmatch(category) else []
    parts += sorted({f"{found['name']} {found['error']}" for found in INVALID.finditer(flatten(body))})
    if isinstance(message, str) and message.strip():
        parts.append(clean_message(message, sent))
    return f" {NAME} says: {', '.join(parts)}" if parts else ""


def clean_message(message: str, sent: tuple[str, ...]) -> str:
    """Without what was sent, and without what looks like a value."""
    for value in sorted(sent, key=len, reverse=True):
        message = re.sub(rf"(?<!\w){re.escape(value)}(?!\w)", "…", message, flags=re.IGNORECASE)
    return QUOTING.sub("…", message)[:MESSAGE_LENGTH]


def read_sent(response: requests.Response) -> Any:
    try:
        return json.loads(response.request.body or b"null")
    except ValueError:
        return None


def list_sent(value: Any) -> Iterator[str]:
    """The values in a request's body; short ones, such as names, with each of their words."""
    for text in list_texts(value):
        words = text.split()
        yield from (part for part in (text.strip(), *(words if len(words) <= NAME_WORDS else ())) if len(part) > 1)


def list_texts(value: Any) -> Iterator[str]:
    """All texts in a JSON value, but its keys and what is the API's own."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from () if name in API_WORDS else list_texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from list_texts(item)
