"""Doubled, reordered and dropped webhooks, 30 % failing answers from every provider, 200 bookings: all happens once."""

import logging
import os
import random
import time
from collections.abc import Iterator

import pytest

from tests.processes.chaos import (
    BOOKINGS,
    SEED,
    Crowd,
    Visit,
    count_unsent,
    make_plan,
    redeliver_dropped,
    turn_faults,
)
from tests.processes.endings import CHECKS, Ending
from tests.processes.installation import fresh_database
from tests.processes.ledger import OPEN
from tests.processes.town import Town
from tests.processes.waiting import wait_for

pytestmark = pytest.mark.slow

# Deadlines, with which a busy machine does; on two free cores all is over within 100 seconds.
BOOKING_S, SETTLING_S = 600, 600
LOOKING_PAUSE_S = 0.5
UNSETTLED = ("received", "processing", "retrying")
LEDGER = """
SELECT endpoint.slug, count(*), sum(effect.attempts), sum(effect.free_attempts),
       (SELECT count(*) FROM integrations_attempt AS attempt JOIN integrations_effect AS tried
        ON tried.id = attempt.effect_id WHERE tried.connection_id = endpoint.id),
       (SELECT count(*) FROM integrations_attempt AS attempt JOIN integrations_effect AS tried
        ON tried.id = attempt.effect_id WHERE tried.connection_id = endpoint.id AND outcome = 'failed'
        AND attempt.cause <> '' AND attempt.error <> '')
FROM integrations_effect AS effect JOIN integrations_connection AS endpoint ON endpoint.id = effect.connection_id
GROUP BY endpoint.id, endpoint.slug ORDER BY endpoint.slug
"""
# A busy machine may have lost a worker to its time limit: that is said too.
UNEXPLAINED = """
SELECT outcome, cause, count(*) FROM integrations_attempt WHERE effect_id IS NOT NULL
AND (outcome = 'running' OR (outcome = 'failed' AND (cause = '' OR error = ''))) GROUP BY outcome, cause
"""
CAUSES = """
SELECT cause, count(*) FROM integrations_attempt WHERE effect_id IS NOT NULL AND outcome = 'failed' GROUP BY cause
"""
OPEN_WORK = """
SELECT (SELECT count(*) FROM integrations_effect WHERE status = ANY(%s)),
       (SELECT count(*) FROM integrations_delivery WHERE status = ANY(%s))
"""


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        town = Town(url, tmp_path_factory.mktemp("town"))
        try:
            yield town.start()
        finally:
            town.stop()


def test_every_effect_of_200_bookings_happens_once(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "integrations.http")
    chance = random.Random(SEED)
    visits = make_plan(chance)
    started = time.monotonic()
    turn_faults(town)
    crowd = Crowd(town, visits, chance)
    wait_for(lambda: act(crowd), what="all customers are done", deadline_s=BOOKING_S)
    booked_s = time.monotonic() - started
    crowd.dropped += redeliver_dropped(town)
    wait_for(lambda: is_quiet(town), what="nothing is left to do", deadline_s=SETTLING_S)
    settled_s = time.monotonic() - started
    print_summary(town, visits, dropped=crowd.dropped, booked_s=booked_s, settled_s=settled_s)

    ending = Ending(town, visits)
    assert [problem for check in CHECKS for problem in check(ending)] == []
    assert_ledger_explains(town)
    assert_chaos_was_met(town, crowd.dropped)


def act(crowd: Crowd) -> bool:
    """Whether all are done; everybody acts as long as there is something to do.

    Who waits for a letter may wait for a webhook that was dropped.
    """
    while crowd.act():
        pass
    if crowd.is_done():
        return True
    crowd.dropped += redeliver_dropped(crowd.town)
    # Looking at everything that the sandbox holds keeps it from answering others.
    time.sleep(LOOKING_PAUSE_S)
    return False


def is_quiet(town: Town) -> bool:
    """Nothing to do here, and nothing on its way; asked twice, because one leads to the other."""
    return all(count_open(town) == (0, 0) and not count_unsent(town) for _ in range(2))


def count_open(town: Town) -> tuple[int, int]:
    [(effects, deliveries)] = town.installation.fetch(OPEN_WORK, list(OPEN), list(UNSETTLED))
    return effects, deliveries


def assert_ledger_explains(town: Town) -> None:
    """Each try is an attempt of its own, each failure has its cause, and rate limits have used no tries up."""
    for slug, _, tries, _, attempts, _ in town.installation.fetch(LEDGER):
        assert (slug, tries) == (slug, attempts)
    assert town.installation.fetch(UNEXPLAINED) == []
    causes = dict(town.installation.fetch(CAUSES))
    assert causes.keys() == {"transient", "rate_limited"}


def assert_chaos_was_met(town: Town, dropped: int) -> None:
    """A calm sea would prove nothing."""
    ledger = {slug: failures for slug, *_, failures in town.installation.fetch(LEDGER)}
    assert ledger.keys() == {"email", "hubspot", "pipedrive", "salesforce", "slack", "stripe", "zoom"}
    assert all(ledger.values()), ledger
    assert dropped
    [(doubled,)] = town.installation.fetch("SELECT count(*) FROM integrations_delivery WHERE duplicates > 0")
    [(stale,)] = town.installation.fetch("SELECT count(*) FROM integrations_delivery WHERE status = 'stale'")
    assert doubled
    assert stale


def print_summary(town: Town, visits: list[Visit], *, dropped: int, booked_s: float, settled_s: float) -> None:
    """Shown with `pytest -s`."""
    assert len(visits) == BOOKINGS
    print(
        f"\n{BOOKINGS} bookings in {booked_s:.0f} s, settled after {settled_s:.0f} s; {dropped} webhooks were dropped."
    )
    print(f"{'':12} {'effects':>8} {'tries':>8} {'free':>8} {'failed':>8} {'calls':>8}")
    for slug, effects, tries, free, _, failed in town.installation.fetch(LEDGER):
        calls = town.read("mail" if slug == "email" else slug)["counts"]["requests"]
        print(f"{slug:12} {effects:8} {tries:8} {free:8} {failed:8} {calls:8}")
