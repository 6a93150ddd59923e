"""What Pipedrive's error answers and rate headers mean.

https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import requests
from django.utils import timezone

from integrations import http
from integrations.exceptions import KeepsyncError, PermanentError, RateLimitedError, SetupError

NAME = "Pipedrive"
# Burst limits count requests in a rolling window of so many seconds.
BURST_WINDOW_S = 2.0
# How long to leave Pipedrive alone once Cloudflare, which stands before it, turns us away with a page.
BLOCKED_S = 60.0
# Added to the wait for a daily budget, so that a clock that is a little fast does not ask too early and lose a day.
DAY_MARGIN_S = 5
LONGEST_RESET_S = 24 * 60 * 60
# The statuses that are said best here; the rest is `http.error_of`'s.
REFUSALS = frozenset({400, 405, 413, 415, 422})

NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]+)?")
REASON = re.compile("[A-Za-z]+(_[A-Za-z]+)+")
WORD = re.compile("[a-z0-9_]+")
FIELD_CODE = re.compile("[0-9a-f]{40}")
# What an error may name, because it names no person: what we send, by its name or a custom field's code.
FIELDS = frozenset(
    [
        "name",
        "emails",
        "phones",
        "owner_id",
        "org_id",
        "person_id",
        "custom_fields",
        "subject",
        "type",
        "due_date",
        "due_time",
        "duration",
        "done",
        "busy",
        "location",
        "note",
        "participants",
        "public_description",
        "field_name",
        "field_type",
        "merge_with_id",
        "term",
    ]
)


def explain(response: requests.Response) -> KeepsyncError | None:
    """Pipedrive's error as one of ours. Its text is never shown, since it quotes what was sent."""
    answer, status = http.read_error(response), response.status_code
    said = answer if isinstance(answer, dict) else {}
    if status == 429:
        return RateLimitedError(f"{NAME} answers 429{describe(said)}.", retry_after_s=read_wait(response, said))
    if status == 403 and not said:
        return RateLimitedError(f"{NAME}'s guard turns calls away for a while (403).", retry_after_s=BLOCKED_S)
    if status == 403:
        return SetupError(
            f"{NAME} does not allow this (403{describe(said)}): give the connection's app the scopes contacts:full, "
            "activities:full, search:read and contact-fields:full, or its user these permissions."
        )
    if status == 402:
        return SetupError(f"{NAME}'s company account is not open (402): look at its plan and its payment.")
    return PermanentError(f"{NAME} refuses it ({status}{describe(said)}).") if status in REFUSALS else None


def describe(answer: Mapping[str, Any]) -> str:
    """The error's code and the fields that it names, as a part of a sentence."""
    code = answer.get("code")
    text = f"{answer.get('error')} {answer.get('error_info')}"
    named = [word for word in dict.fromkeys(WORD.findall(text)) if word in FIELDS or FIELD_CODE.fullmatch(word)]
    return (f", {code}" if isinstance(code, str) and REASON.fullmatch(code) else "") + (
        f", about {', '.join(named[:10])}" if named else ""
    )


def read_wait(response: requests.Response, answer: Mapping[str, Any]) -> float:
    """Seconds after a 429. A used-up daily budget comes back at midnight, which is taken to be UTC's."""
    text = f"{answer.get('error')} {answer.get('error_info')}".lower()
    told_s = http.retry_after_of(response)
    if told_s is not None:
        return told_s
    if "daily" in text or "budget" in text or read_number(response, "x-daily-requests-left") == 0:
        return seconds_to_midnight()
    return read_reset(response)


def seconds_to_midnight() -> float:
    """Until the next day in UTC, and a little more."""
    now = timezone.now()
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (midnight - now).total_seconds() + DAY_MARGIN_S


def read_rest(response: requests.Response) -> float | None:
    """The burst window's rest, once it is used up."""
    return read_reset(response) if read_number(response, "x-ratelimit-remaining") == 0 else None


def read_reset(response: requests.Response) -> float:
    """Seconds until the burst window starts anew; a number that can be none is left aside."""
    reset_s = read_number(response, "x-ratelimit-reset")
    return BURST_WINDOW_S if reset_s is None or reset_s > LONGEST_RESET_S else reset_s


def read_number(response: requests.Response, header: str) -> float | None:
    value = response.headers.get(header, "").strip()
    return float(value) if NUMBER.fullmatch(value) else None
