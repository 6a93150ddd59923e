"""`find_duplicates` is killed in the middle of each thing that it does, and ends as if nobody had killed it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.processes.installation import Installation, fresh_database
from tests.processes.processes import run
from tests.processes.waiting import wait_for

pytestmark = pytest.mark.slow

PEOPLE = 150
LIMIT_S = 300
COMMAND = ["manage.py", "find_duplicates", "--workers", "1", "--batch", "5"]
PAIRS = """
    SELECT first_id, second_id, status, reason, probability, verdict, evidence, cluster
    FROM contacts_candidatepair ORDER BY 1, 2
"""
WRITTEN = ("contacts_candidatepair", "contacts_blockingkeys", "contacts_duplicaterun", "contacts_censuscount")
WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        installation = Installation(url, tmp_path)
        try:
            call(installation, "manage.py", "migrate", "--verbosity", "0")
            call(installation, "-m", "tests.benchmarks.fill", "--contacts", str(PEOPLE))
            yield installation
        finally:
            installation.stop()


def call(installation: Installation, *arguments: str) -> str:
    done = run(arguments, installation.environment(), LIMIT_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def compare_all(installation: Installation) -> dict[str, Any]:
    return dict(json.loads(call(installation, *COMMAND, "--json")))


@contextmanager
def standing_in_the_way(installation: Installation, statement: str, *values: object) -> Iterator[None]:
    """Whoever needs what the statement locks stands still, in the middle of a transaction."""
    with psycopg.connect(installation.url) as connection:
        connection.execute(statement, values)
        yield


def kill_there(installation: Installation, name: str, statement: str, *values: object) -> None:
    with standing_in_the_way(installation, statement, *values):
        group = installation.start_group(name, COMMAND, installation.environment())
        wait_for(
            lambda: installation.fetch(WAITING)[0][0] or not group.is_running(),
            what=f"it stands still: {name}",
            deadline_s=LIMIT_S,
        )
        assert group.is_running(), group.read_log()
        group.kill()


def test_a_comparison_that_is_killed_again_and_again_ends_as_an_undisturbed_one(installation: Installation) -> None:
    first = compare_all(installation)
    expected = installation.fetch(PAIRS)
    assert first["opened"] == len(expected) > 20
    for table in WRITTEN:
        installation.fetch(f"DELETE FROM {table} RETURNING 1")

    kill_there(installation, "keys", "LOCK TABLE contacts_blockingkeys IN EXCLUSIVE MODE")
    kill_there(installation, "census", "LOCK TABLE contacts_censuscount IN EXCLUSIVE MODE")
    for place in (len(expected) // 3, len(expected) * 2 // 3):
        # Who is to get a pair: it is not written while somebody might delete him.
        kill_there(
            installation,
            f"pairs-{place}",
            "SELECT id FROM contacts_contact WHERE id = %s FOR UPDATE",
            expected[place][0],
        )
    [(phase,)] = installation.fetch("SELECT phase FROM contacts_duplicaterun")
    written = installation.fetch("SELECT id, compared_at FROM contacts_candidatepair")
    assert phase == "pairs"
    assert 0 < len(written) < len(expected)

    last = compare_all(installation)
    assert installation.fetch(PAIRS) == expected
    assert set(written) <= set(installation.fetch("SELECT id, compared_at FROM contacts_candidatepair"))
    assert (last["opened"], last["rescored"], last["closed"]) == (len(expected), 0, 0)
    assert installation.fetch("SELECT count(*), min(phase) FROM contacts_duplicaterun") == [(1, "done")]
