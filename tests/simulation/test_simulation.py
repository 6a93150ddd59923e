"""Many book the same slots at once while much goes wrong: nothing of ours is double-booked, and all sides agree.

`make simulate` runs the same with 10,000 tries, and prints what it saw.
"""

import os
from collections.abc import Iterator

import pytest

from tests.processes.installation import fresh_database
from tests.simulation.arena import Arena
from tests.simulation.run import simulate

pytestmark = pytest.mark.slow
TRIES = int(os.environ.get("SIMULATE_TRIES", "240"))
SEED = int(os.environ.get("SIMULATE_SEED", "20261128"))


@pytest.fixture
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        arena = Arena(url, tmp_path_factory.mktemp("arena"))
        try:
            yield arena.start()
        finally:
            arena.stop()


def test_whatever_races_and_breaks_nothing_of_ours_is_double_booked_and_all_sides_agree(arena: Arena) -> None:
    outcome = simulate(arena, size=TRIES, seed=SEED, tell=print)
    print(f"seed {SEED}: {len(outcome.problems)} problems")
    assert outcome.problems == []
    assert outcome.kills
    assert outcome.stale
    assert outcome.first["repaired"]
    assert {"page 302", "page 409", "program 201", "program 409"} <= outcome.statuses.keys()
