"""How a try is made, by a CRM's program or on a public page. Programs repeat what was not answered, under their key."""

import time
from collections.abc import Callable
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

from bookings.timezones import format_instant
from tests.processes.exchanges import Answer, exchange
from tests.simulation.arena import TEAMS, Arena
from tests.simulation.plan import HALF, Try, write_person

PAUSE_S, PATIENCE_S = 0.5, 300
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
# What a program asks again after: the web process is gone, or somebody else works on the same.
AGAIN = ("in_progress", "provider_away")


def make_try(arena: Arena, one: Try) -> None:
    """Book, and then cancel or move what was booked. What nobody should ever be answered is a problem."""
    book, change = WAYS[one.way]
    book(arena, one)
    if one.is_booked and one.then:
        one.then_status = change(arena, one)


# --- A CRM's program --------------------------------------------------------------------------------------------------


def book_by_program(arena: Arena, one: Try) -> None:
    answer = insist(one, lambda: post_booking(arena, one))
    one.status = answer.status
    if answer.status in (200, 201, 202):
        one.key = answer.json()["id"]
    elif answer.status != 409 or answer.json()["code"] != "slot_taken":
        one.problems.append(f"booking was answered {answer.status} {answer.body[:200]!r}")


def post_booking(arena: Arena, one: Try) -> Answer:
    body = {
        "calendar": one.calendar,
        "title": one.title,
        "start": format_instant(one.start),
        "end": format_instant(one.end),
        "timezone": TEAMS[one.calendar].timezone,
        "attendees": [write_person(one.person)],
        "external_id": f"crm-{one.number}",
    }
    return arena.call(one.by, "POST", "meetings/", body, **{"Idempotency-Key": f"try-{one.number}"})


def change_by_program(arena: Arena, one: Try) -> int:
    if one.then == "cancel":
        answer = insist(one, lambda: arena.call(one.by, "DELETE", f"meetings/{one.key}/"))
    else:
        answer = insist(one, lambda: arena.call(one.by, "PATCH", f"meetings/{one.key}/", write_move(one)))
    if answer.status not in (200, 202, 409):
        one.problems.append(f"{one.then} was answered {answer.status} {answer.body[:200]!r}")
    return answer.status


def write_move(one: Try) -> dict[str, str]:
    assert one.new_start
    return {"start": format_instant(one.new_start), "end": format_instant(one.new_start + HALF)}


def insist(one: Try, call: Callable[[], Answer]) -> Answer:
    """The first answer that says what has become of it."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = try_once(call)
        if answer and answer.status < 500 and read_code(answer) not in AGAIN:
            return answer
        if answer and answer.status >= 500 and read_code(answer) not in AGAIN:
            one.problems.append(f"a server error: {answer.status} {answer.body[:200]!r}")
        assert time.monotonic() < deadline, f"try {one.number}: no answer"
        one.repeats += 1
        time.sleep(PAUSE_S)


def try_once(call: Callable[[], Answer]) -> Answer | None:
    """None where the connection was refused or broke."""
    try:
        return call()
    except (OSError, HTTPException):
        return None


def read_code(answer: Answer) -> str:
    try:
        found: Any = answer.json()
    except ValueError:
        return ""
    return str(found.get("code", "")) if isinstance(found, dict) else ""


# --- A public page ----------------------------------------------------------------------------------------------------


def book_on_page(arena: Arena, one: Try) -> None:
    answer = post_form(arena, f"/book/{one.page}/", {"slot": format_instant(one.start), **write_person(one.person)})
    one.status = answer.status
    if answer.status == 302:
        one.key = answer.headers["location"].partition("/bookings/")[2].partition("/")[0]
    elif answer.status != 409:
        one.problems.append(f"the page answered {answer.status}")


def change_on_page(arena: Arena, one: Try) -> int:
    if one.then == "cancel":
        return post_form(arena, f"/bookings/{one.key}/cancel/", {}).status
    assert one.new_start
    return post_form(arena, f"/bookings/{one.key}/reschedule/", {"slot": format_instant(one.new_start)}).status


def post_form(arena: Arena, path: str, fields: dict[str, str]) -> Answer:
    return exchange(arena.port, "POST", path, body=urlencode(fields).encode(), headers=FORM)


# Another way to book is one more line here, and a share of the tries in plan.py.
WAYS: dict[str, tuple[Callable[[Arena, Try], None], Callable[[Arena, Try], int]]] = {
    "program": (book_by_program, change_by_program),
    "page": (book_on_page, change_on_page),
}
