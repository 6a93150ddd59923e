"""Zoom's API, as far as it is called: a host's meetings and their registrants.

Zoom has no idempotency keys. A meeting carries our id of it at the start of its agenda, and a registrant an e-mail
address, so that what an earlier try made can be found. See https://developers.zoom.us/docs/api/meetings/.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import quote
from zoneinfo import available_timezones

import requests
from django.utils import timezone

from integrations import http
from integrations.exceptions import (
    KeepsyncError,
    LostAnswerError,
    MissingError,
    PayloadError,
    PermanentError,
    RateLimitedError,
    ReauthoriseError,
    SetupError,
)
from integrations.payloads import PayloadReader, cut
from integrations.providers.base import Account
from integrations.providers.oauth import Identity

NAME = "Zoom"
PAGE_SIZE = 300
SCHEDULED = 2
# Of what is sent, the fields that a list of meetings shows whole.
LISTED = ("topic", "start_time", "duration")
URL_LENGTH = 2000
TOPIC_LENGTH, AGENDA_LENGTH, PERSON_NAME_LENGTH = 200, 2000, 64
# Keepsync sends the confirmations and cancellations itself; Zoom's own mails would come beside them.
REGISTRATION = {
    "approval_type": 0,
    "registration_type": 1,
    "registrants_confirmation_email": False,
    "registrants_email_notification": False,
}
NO_REGISTRATION = {"approval_type": 2}
# Added to the wait for a daily limit, so that a clock that is a little fast does not ask too early and lose a day.
DAY_MARGIN_S = 5
# What a limit that passes by itself costs where Zoom does not say.
PAUSE_S = 1.0
FIELD_NAME = re.compile(r"[A-Za-z0-9_.\[\]]{1,64}")

# Zoom's error codes, from the specification's answers and https://developers.zoom.us/docs/api/errors.
REFUSALS: dict[int, tuple[type[KeepsyncError], str]] = {
    124: (ReauthoriseError, "Zoom refuses the connection's access token (124): authorise it again."),
    200: (SetupError, "Zoom does not allow this (200): give the host a licence, and the app the permission it lacks."),
    404: (SetupError, "The meeting takes no registrations (404): give its host a licence and switch registration on."),
    1001: (SetupError, "Zoom does not know the host (1001): set the connection's option user_id."),
    1010: (SetupError, "The host belongs to another Zoom account (1010): set the connection's option user_id."),
    3001: (MissingError, "Zoom has no such meeting (3001)."),
    3035: (PermanentError, "The webinar is full: raise the number of people that Zoom lets in, or offer another date."),
    3038: (PermanentError, "Registration is closed: the meeting is over."),
    3043: (PermanentError, "The webinar is full: raise the number of people that Zoom lets in, or offer another date."),
    3161: (SetupError, "Zoom does not let this host hold meetings (3161): allow it, or set the option user_id."),
    4711: (SetupError, "The Zoom app lacks a scope (4711): add meeting:read and meeting:write, and authorise again."),
}


@dataclass(frozen=True, slots=True)
class MeetingSpec:
    """The state that a meeting is to have. `key` is our id of it, without spaces; `start` is aware."""

    key: str
    topic: str
    agenda: str
    start: datetime
    duration_min: int
    timezone: str
    needs_registration: bool


@dataclass(frozen=True, slots=True)
class OnlineMeeting:
    external_id: str
    join_url: str


@dataclass(frozen=True, slots=True)
class RegistrantSpec:
    email: str
    first_name: str
    last_name: str


@dataclass(frozen=True, slots=True)
class Registrant:
    """`join_url` is theirs alone; empty while the host has not approved them."""

    registrant_id: str
    join_url: str


# --- Meetings ---------------------------------------------------------------------------------------------------------


def create_meeting(account: Account, spec: MeetingSpec, *, may_exist: bool) -> OnlineMeeting:
    """Make the meeting; one that an earlier try may have made (`may_exist`) is looked for, and brought up to date.

    The host is the connection's option `user_id`, or the user who authorised it. Raises LostAnswerError where it may
    have been made, and what `explain` and `http.request` raise.
    """
    path = meetings_path(account)
    if may_exist and (found := find_meeting(account, path, spec)):
        return found
    answer = call_json(account, "POST", path, json={"type": SCHEDULED, **describe_meeting(spec)})
    return read_done(answer, read_meeting)


def update_meeting(account: Account, external_id: str, spec: MeetingSpec) -> None:
    """Raises MissingError where it is gone. Zoom ignores a start in the past, and says nothing."""
    call(account, "PATCH", meeting_path(external_id), json=describe_meeting(spec), is_repeatable=True)


def get_meeting(account: Account, external_id: str) -> OnlineMeeting:
    """Raises MissingError where it is gone."""
    return read_meeting(PayloadReader(call_json(account, "GET", meeting_path(external_id)), "answer"))


def delete_meeting(account: Account, external_id: str) -> None:
    """A meeting that is gone already is no error."""
    with suppress(MissingError):
        call(account, "DELETE", meeting_path(external_id), is_repeatable=True)


def check_meetings(account: Account) -> None:
    """Read the host's meetings, to see that the connection works."""
    params = {"type": "scheduled", "page_size": 1}
    PayloadReader(call_json(account, "GET", meetings_path(account), params=params), "answer").items("meetings")


def identify(account: Account) -> Identity:
    """The user who authorised it, whose meetings they are, unless the option `user_id` names another."""
    user = PayloadReader(call_json(account, "GET", "/v2/users/me"), "answer")
    names = (user.optional_text(name, max_length=PERSON_NAME_LENGTH) for name in ("first_name", "last_name"))
    return Identity(user.identifier("id"), " ".join(filter(None, names)))


def describe_meeting(spec: MeetingSpec) -> dict[str, Any]:
    """Times go out in UTC; the time zone is only that in which Zoom shows them."""
    described: dict[str, Any] = {
        "topic": cut(spec.topic, TOPIC_LENGTH),
        "agenda": cut(f"{mark(spec.key)}\n\n{spec.agenda}".strip(), AGENDA_LENGTH),
        "start_time": spec.start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duration": max(1, spec.duration_min),
        "settings": REGISTRATION if spec.needs_registration else NO_REGISTRATION,
    }
    return {**described, "timezone": spec.timezone} if spec.timezone in zone_names() else described


@cache
def zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def mark(key: str) -> str:
    """What our meetings' agendas begin with: Zoom cuts agendas to 250 characters where it lists them."""
    return f"Keepsync {key}"


def find_meeting(account: Account, path: str, spec: MeetingSpec) -> OnlineMeeting | None:
    words, described = mark(spec.key).split(), describe_meeting(spec)
    for meeting in list_items(account, path, "meetings", type="scheduled"):
        if meeting.optional_text("agenda").split(maxsplit=len(words))[: len(words)] == words:
            found = read_meeting(meeting)
            if any(meeting.value.get(name, described[name]) != described[name] for name in LISTED):
                update_meeting(account, found.external_id, spec)
            return found
    return None


def read_meeting(meeting: PayloadReader) -> OnlineMeeting:
    return OnlineMeeting(read_meeting_id(meeting), meeting.text("join_url", max_length=URL_LENGTH))


def read_meeting_id(meeting: PayloadReader) -> str:
    """Zoom writes it as a number of up to 64 bits, and in webhooks as a text as well."""
    if isinstance(meeting.value.get("id"), str):
        return meeting.identifier("id")
    return str(meeting.integer("id", minimum=1))


# --- Registrants ------------------------------------------------------------------------------------------------------


def add_registrant(account: Account, external_id: str, spec: RegistrantSpec, *, may_exist: bool) -> Registrant:
    """Register somebody; where an earlier try may have done so (`may_exist`), look for them first.

    Zoom answers the same registrant to an address that is registered already. Raises MissingError where the meeting
    is gone, PermanentError where it is full or over, and LostAnswerError where it may have been done.
    """
    path = f"{meeting_path(external_id)}/registrants"
    if may_exist and (found := find_registrant(account, path, spec.email)):
        return found
    answer = call_json(account, "POST", path, json=describe_registrant(spec))
    return read_done(answer, lambda registrant: read_registrant(registrant, "registrant_id"))


def cancel_registrant(account: Account, external_id: str, registrant_id: str, email: str) -> None:
    """A meeting that is gone is no error: nobody is registered for it."""
    registrant = {"id": registrant_id, "email": email} if registrant_id else {"email": email}
    body = {"action": "cancel", "registrants": [registrant]}
    with suppress(MissingError):
        call(account, "PUT", f"{meeting_path(external_id)}/registrants/status", json=body, is_repeatable=True)


def describe_registrant(spec: RegistrantSpec) -> dict[str, str]:
    """Zoom demands a first name; the part of the address before the @ stands in for one that is not known."""
    first_name = spec.first_name.strip() or spec.email.partition("@")[0]
    described = {"email": spec.email, "first_name": cut(first_name, PERSON_NAME_LENGTH)}
    last_name = cut(spec.last_name.strip(), PERSON_NAME_LENGTH)
    return {**described, "last_name": last_name} if last_name else described


def find_registrant(account: Account, path: str, email: str) -> Registrant | None:
    for registrant in list_items(account, path, "registrants", status="approved"):
        if registrant.optional_text("email").casefold() == email.casefold():
            return read_registrant(registrant, "id")
    return None


def read_registrant(registrant: PayloadReader, id_name: str) -> Registrant:
    return Registrant(registrant.identifier(id_name), registrant.optional_text("join_url", max_length=URL_LENGTH))


# --- Calls ------------------------------------------------------------------------------------------------------------


def meetings_path(account: Account) -> str:
    return f"/v2/users/{quote(account.options.get('user_id') or 'me', safe='')}/meetings"


def meeting_path(external_id: str) -> str:
    return f"/v2/meetings/{quote(external_id, safe='')}"


def call(account: Account, method: str, path: str, **arguments: Any) -> None:
    """For what answers nothing. Raises what `explain` and `http.request` raise."""
    http.request(method, **address(account, path), **arguments)


def call_json(account: Account, method: str, path: str, **arguments: Any) -> Any:
    """The answer's JSON value, None where it has no body."""
    return http.request_json(method, **address(account, path), **arguments)


def address(account: Account, path: str) -> dict[str, Any]:
    """What all calls have in common."""
    token = account.credentials.get("access_token")
    if not token:
        raise SetupError("the connection has no access token: authorise it, or set its option access_token.")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    return {"url": f"{account.base_url}{path}", "provider": NAME, "headers": headers, "explain": explain}


def list_items(account: Account, path: str, name: str, **filters: str) -> Iterator[PayloadReader]:
    """All items of a list, page after page."""
    token = ""
    while True:
        items, following = list_page(account, path, name, token=token, **filters)
        yield from items
        if not following:
            return
        if following == token:
            raise PayloadError("answer.next_page_token", "leads to the page that it came with.")
        token = following


def list_page(account: Account, path: str, name: str, *, token: str, **filters: str) -> tuple[list[PayloadReader], str]:
    """The page that a token leads to (empty: the first), and the token of the next one (empty: there is none).

    Raises PayloadError where the answer is no such list.
    """
    params: dict[str, str | int] = {**filters, "page_size": PAGE_SIZE, **({"next_page_token": token} if token else {})}
    page = PayloadReader(call_json(account, "GET", path, params=params), "answer")
    return [PayloadReader(value, at) for at, value in page.items(name)], page.optional_text("next_page_token")


def read_done[T](answer: Any, read: Callable[[PayloadReader], T]) -> T:
    """What a POST made. Raises LostAnswerError where that cannot be read: it is there, and has to be looked for."""
    try:
        return read(PayloadReader(answer, "answer"))
    except PayloadError as error:
        raise LostAnswerError(f"Zoom's answer cannot be read: {error}") from error


# --- Errors -----------------------------------------------------------------------------------------------------------


def explain(response: requests.Response) -> KeepsyncError | None:
    """Zoom's error body is {code, message, errors: [{field, message}]}; None leaves it to the status.

    Its messages may name people, so they are read and not passed on.
    """
    body = http.read_error(response)
    answer: Mapping[str, Any] = body if isinstance(body, dict) else {}
    message = str(answer.get("message"))
    if response.status_code == 429:
        return explain_limit(response, message)
    code = read_code(answer, message)
    if code is None or response.status_code >= 500:
        return None
    if code in REFUSALS:
        error_class, text = REFUSALS[code]
        return error_class(text)
    if response.status_code == 400:
        return PermanentError(f"Zoom refuses the values (400, code {code}): {name_fields(answer) or 'it names none'}.")
    return None


def read_code(answer: Mapping[str, Any], message: str) -> int | None:
    """1001 stands for a host and for a meeting, and 404 for anything: only the message tells which."""
    code = answer.get("code")
    if code == 1001 and message.startswith("Meeting"):
        return 3001
    if code == 404 and not message.startswith("Registration"):
        return None
    return code if isinstance(code, int) else None


def explain_limit(response: requests.Response, message: str) -> RateLimitedError:
    """A daily limit is that of one host, meeting or registrant, and ends at 00:00 UTC; others pass in a moment."""
    if "daily" in message.lower():
        text = "Zoom's daily limit is used up for this host or person: it goes on after 00:00 UTC."
        return RateLimitedError(text, retry_after_s=seconds_until_tomorrow(), holds_connection=False)
    pause_s = http.retry_after_of(response)
    return RateLimitedError("Zoom answers 429.", retry_after_s=PAUSE_S if pause_s is None else pause_s)


def seconds_until_tomorrow() -> float:
    now = timezone.now().astimezone(UTC)
    tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return (tomorrow - now).total_seconds() + DAY_MARGIN_S


def name_fields(answer: Mapping[str, Any]) -> str:
    errors = answer.get("errors")
    listed = [error.get("field") for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return ", ".join(name for name in listed if isinstance(name, str) and FIELD_NAME.fullmatch(name))
