"""The simulation: 10,000 tries to book, 64 at once, for the same slots of 20 calendars, while much goes wrong.

Tries come from two CRMs' programs and from three public pages for each calendar. Web and worker are killed, calls and
webhooks are slow, lost, doubled and reordered, and two sides edit the same events all the time. Then all is quiet, one
reconciliation repairs what was lost, a second one finds nothing, and endings.py says what is not as it must be.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.processes.chaos import count_unsent
from tests.processes.processes import run
from tests.processes.waiting import wait_for
from tests.simulation.arena import Arena
from tests.simulation.endings import CHECKS, Ending
from tests.simulation.plan import Try, make_plan
from tests.simulation.storms import KILLS, Editors, calm, count_stale, kill, turn_faults
from tests.simulation.trying import insist, make_try, post_booking

AT_ONCE = 64
QUIET_S, LOOK_S = 3600, 2.0
TRIES_PER_KILL, FEWEST_KILLS = 500, 2
# Of those that were answered, so many are asked for again under their key.
REPEATED = 200
OPEN_WORK = """
SELECT (SELECT count(*) FROM integrations_effect WHERE status IN ('pending', 'running', 'retrying', 'waiting')
            AND cause <> 'unknown_outcome')
     + (SELECT count(*) FROM integrations_delivery WHERE status IN ('received', 'processing', 'retrying'))
     + (SELECT count(*) FROM bookings_bookingrequest WHERE finished_at IS NULL)
"""
# What runs each minute by the schedule runs at once.
HURRY = "UPDATE django_q_schedule SET next_run = now() WHERE name IN ('sweep', 'sweep_bookings')"
UNKNOWN = "SELECT count(*) FROM integrations_effect WHERE status = 'waiting' AND cause = 'unknown_outcome'"

type Tell = Callable[[str], None]


@dataclass
class Outcome:
    """What was seen; `problems` says what is not as it must be."""

    problems: list[str]
    kills: int
    stale: int
    first: dict[str, Any]
    statuses: dict[str, int]


def simulate(arena: Arena, *, size: int, seed: int, tell: Tell = lambda text: None) -> Outcome:
    """In an arena that is started."""
    tries = make_plan(size, random.Random(seed))
    editors = Editors(arena).book()
    begun = time.monotonic()
    turn_faults(arena, seed)
    with editors.at_work():
        kills = try_all(arena, tries)
    tell(describe_tries(tries, time.monotonic() - begun))
    problems = repeat_keys(arena, tries)
    calm(arena)
    wait_until_quiet(arena)
    tell(f"quiet after {time.monotonic() - begun:.0f} s; {describe_storm(arena, editors, kills)}")
    first = reconcile(arena)
    wait_until_quiet(arena)
    ending = Ending(arena, tries, editors.edited)
    problems += editors.failures + [problem for check in CHECKS for problem in check(ending)]
    second = reconcile(arena)
    for name, found in (("first", first), ("second", second)):
        tell(f"{name} reconciliation: {json.dumps(found)}")
    if first["escalated"] or second["discrepancies"]:
        problems.append("reconciliation leaves something, or finds something again")
    return Outcome(problems, kills, count_stale(arena), first, count_statuses(tries))


# --- The tries --------------------------------------------------------------------------------------------------------


def try_all(arena: Arena, tries: Sequence[Try]) -> int:
    """All at once, as many as there are threads; processes die in between. How many times."""
    kills = max(FEWEST_KILLS, len(tries) // TRIES_PER_KILL)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(make_try, arena, one) for one in tries]
        try:
            for number in range(kills):
                wait_for_share(futures, (number + 1) / (kills + 1))
                kill(arena, KILLS[number % len(KILLS)])
            wait(futures)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    for future in futures:
        future.result()
    return kills


def wait_for_share(futures: Sequence[Future[None]], share: float) -> None:
    wait_for(
        lambda: sum(future.done() for future in futures) >= share * len(futures),
        what=f"{share:.0%} of the tries are made",
        deadline_s=QUIET_S,
    )


def repeat_keys(arena: Arena, tries: Sequence[Try]) -> list[str]:
    """Ask again under the same key, at first for what had to be asked for again: the answer names the same meeting."""
    booked = [one for one in tries if one.way == "program" and one.is_booked]
    problems = []
    for one in sorted(booked, key=lambda each: -each.repeats)[:REPEATED]:
        answer = insist(one, partial(post_booking, arena, one))
        if (answer.status, answer.json().get("id")) != (200, one.key):
            problems.append(f"{one.title}: its key is answered {answer.status}, and not with {one.key}")
    return problems


# --- Afterwards -------------------------------------------------------------------------------------------------------


def wait_until_quiet(arena: Arena) -> None:
    """Nothing to do here, and nothing on its way; asked twice, because one leads to the other."""
    wait_for(lambda: is_quiet(arena) and is_quiet(arena), what="nothing is left to do", deadline_s=QUIET_S)


def is_quiet(arena: Arena) -> bool:
    [(count,)] = arena.installation.fetch(OPEN_WORK)
    if not count and not count_unsent(arena):
        return True
    arena.installation.execute(HURRY)
    time.sleep(LOOK_S)
    return False


def reconcile(arena: Arena) -> dict[str, Any]:
    done = run(["manage.py", "reconcile", "--json"], arena.installation.environment(), QUIET_S)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


# --- What people see --------------------------------------------------------------------------------------------------


def describe_tries(tries: Sequence[Try], seconds: float) -> str:
    repeats = sum(one.repeats for one in tries)
    later = Counter(f"{one.then} {one.then_status}" for one in tries if one.then_status)
    return (
        f"{len(tries):,} tries in {seconds:.0f} s ({len(tries) / seconds:.1f} per s): {count_statuses(tries)}, "
        f"then {dict(later)}; {repeats} requests were repeated"
    )


def count_statuses(tries: Sequence[Try]) -> dict[str, int]:
    """By who tried, and what was answered."""
    return dict(sorted(Counter(f"{one.way} {one.status}" for one in tries).items()))


def describe_storm(arena: Arena, editors: Editors, kills: int) -> str:
    [(unknown,)] = arena.installation.fetch(UNKNOWN)
    return (
        f"{kills} kills, {editors.changes} changes against {editors.edits} edits, {count_stale(arena)} times 412, "
        f"{unknown} Slack messages of which nobody knows"
    )
