"""What goes wrong meanwhile: processes are killed, calls and webhooks go astray, and somebody edits the same events."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Self

from integrations.demo import ACCESS_TOKEN
from tests.processes.exchanges import Answer, exchange
from tests.simulation.arena import CRMS, TEAMS, Arena
from tests.simulation.plan import HALF, Try, list_slots
from tests.simulation.trying import insist, make_try, try_once

SLOW = {"latency_ms": 20}
CALLS = {"rate_5xx": 0.02, "rate_lost": 0.02, "rate_429": 0.01, "retry_after_s": 1}
WEBHOOKS = {"double": 0.2, "reorder": 0.15}
# Meetings that are changed from both sides all the time.
HOT = 8
EDIT_PAUSE_S = 0.2
KILLS = ("web", "worker", "both")
# Who has died is not waited for.
FORGET_LEASES = """
UPDATE bookings_bookingrequest SET lease_expires_at = now() WHERE finished_at IS NULL AND lease_expires_at > now()
"""


# --- Calls and webhooks -----------------------------------------------------------------------------------------------


def turn_faults(arena: Arena, seed: int) -> None:
    arena.turn("calendar-live", **SLOW, **CALLS, seed=seed, webhooks={**WEBHOOKS, "drop": 0.1})
    for provider in CRMS:
        arena.turn(provider, **SLOW, **CALLS, seed=seed, webhooks=WEBHOOKS)


def calm(arena: Arena) -> None:
    for provider in ("calendar-live", *CRMS):
        arena.turn(provider)


# --- Processes --------------------------------------------------------------------------------------------------------


def kill(arena: Arena, what: str) -> None:
    """kill -9 of all processes of a kind, and new ones in their place."""
    installation = arena.installation
    worker = installation.worker
    if what in ("web", "both"):
        for group in installation.webs.values():
            group.kill()
    if what in ("worker", "both") and worker:
        worker.kill()
    installation.execute(FORGET_LEASES)
    if what in ("web", "both"):
        installation.start_web(port=installation.port)
        arena.start_intake()
    if what in ("worker", "both"):
        installation.start_worker()


# --- Two who edit the same meetings -----------------------------------------------------------------------------------


@dataclass
class Edited:
    """A meeting whose title a program changes here, while somebody changes its description at calendar.live.

    `titles` and `descriptions` are those that may stand there in the end.
    """

    one: Try
    event_id: str
    titles: set[str] = field(default_factory=set)
    postponed: set[str] = field(default_factory=set)
    descriptions: set[str | None] = field(default_factory=lambda: {None})


@dataclass
class Editors:
    """A thread for each side."""

    arena: Arena
    edited: list[Edited] = field(default_factory=list)
    changes: int = 0
    edits: int = 0
    is_over: threading.Event = field(default_factory=threading.Event)
    failures: list[str] = field(default_factory=list)

    def book(self) -> Self:
        """The meetings, on the first calendars, at times that nobody competes for."""
        for number, calendar in enumerate(list(TEAMS)[:HOT]):
            start = list_slots(calendar, 400)[-1]
            one = Try(90_000 + number, "program", CRMS[0], calendar, "", start, start + HALF, number)
            make_try(self.arena, one)
            assert one.status == 201, one
            found = self.arena.call(CRMS[0], "GET", f"meetings/{one.key}/").json()
            self.edited.append(Edited(one, found["external_ids"]["calendar-live"], {one.title}))
        return self

    @contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self.repeat, args=[act]) for act in (self.change, self.edit)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.is_over.set()
            for thread in threads:
                thread.join()

    def repeat(self, act: Callable[[Edited, int], None]) -> None:
        for number in count():
            if self.is_over.is_set():
                return
            try:
                act(self.edited[number % len(self.edited)], number)
            except Exception as error:
                self.failures.append(f"{act.__name__}: {error!r}")
                return

    def change(self, edited: Edited, number: int) -> None:
        """Through Keepsync."""
        title = f"Renamed {number}"
        path = f"meetings/{edited.one.key}/"
        edited.titles.add(title)
        answer = insist(edited.one, lambda: self.arena.call(CRMS[0], "PATCH", path, {"title": title}))
        self.changes += 1
        if answer.status == 200:
            edited.titles = {title}
        elif answer.status == 202:
            edited.postponed.add(title)
        else:
            edited.one.problems.append(f"a change of the title was answered {answer.status} {answer.body[:200]!r}")

    def edit(self, edited: Edited, number: int) -> None:
        """At calendar.live, on what stands there at the moment."""
        text = f"Edited {number}"
        path = f"/v1/events/{edited.event_id}"
        current = try_once(lambda: self.ask("GET", path))
        if current is not None and current.status == 200:
            edited.descriptions.add(text)
            version = current.json()["version"]
            answer = try_once(lambda: self.ask("PATCH", path, {"description": text}, **{"If-Match": f'"{version}"'}))
            self.note_edit(edited, text, answer)
        time.sleep(EDIT_PAUSE_S)

    def note_edit(self, edited: Edited, text: str, answer: Answer | None) -> None:
        """Of an answer that was lost, nobody knows."""
        if answer is not None and answer.status == 200:
            edited.descriptions = {text}
            self.edits += 1
        elif answer is not None and answer.status == 412:
            edited.descriptions.discard(text)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        given = {"Authorization": f"Bearer {ACCESS_TOKEN}", "Content-Type": "application/json", **headers}
        sent = None if body is None else json.dumps(body).encode()
        return exchange(self.arena.port, method, path, body=sent, headers=given)


def count_stale(arena: Arena) -> int:
    """How many changes of Keepsync's met a newer version."""
    lines = arena.access_log.read_text().splitlines()
    return sum(line.startswith("PATCH /v1/events/") and " 412 python-requests" in line for line in lines)
