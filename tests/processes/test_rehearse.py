"""`manage.py rehearse` against a running installation: the staging cases and the faults pass, and a fault is told."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from integrations.demo import PLAYED
from tests.processes.installation import fresh_database
from tests.processes.processes import run
from tests.processes.town import Town

pytestmark = pytest.mark.slow

RUN_S = 600
STAGING = ["new_booking", "update", "cancel", "failed_payment", "webhook_replay"]
FAULTS = [
    "rate_limits",
    "server_errors",
    "lost_answers",
    "doubled_webhooks",
    "reordered_webhooks",
    "dropped_webhooks",
    "revoked_token",
]


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        town = Town(url, tmp_path_factory.mktemp("rehearsal"))
        try:
            yield town.start()
        finally:
            town.stop()


def rehearse(town: Town, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, the result, and what was said beside it."""
    done = run(["manage.py", "rehearse", "--json", *arguments], town.installation.environment(), timeout_s=RUN_S)
    return done.returncode, json.loads(done.stdout or "{}"), done.stderr


def read_knobs(town: Town) -> dict[str, Any]:
    names = [played.slug for played in PLAYED] + ["mail"]
    return {name: town.ask("GET", f"/{name}/_sandbox/knobs") for name in names}


def count_standing(town: Town) -> int:
    return sum(event["status"] != "cancelled" for event in town.read("calendar-live")["records"]["events"])


def test_all_cases_pass_and_nothing_is_left_behind(town: Town) -> None:
    knobs, standing = read_knobs(town), count_standing(town)
    status, result, said = rehearse(town, "--with-faults", "--timeout", "90")
    assert [case for case in result["cases"] if not case["passed"]] == []
    assert (status, result["passed"], result["failed"]) == (0, len(STAGING + FAULTS), 0)
    assert [case["name"] for case in result["cases"]] == STAGING + FAULTS
    assert all(case["reason"] == "" and case["seconds"] > 0 for case in result["cases"])
    assert said.count("pass  ") == len(STAGING + FAULTS)
    assert (read_knobs(town), count_standing(town)) == (knobs, standing)
    assert town.installation.fetch("SELECT count(*) FROM integrations_connection WHERE status <> 'active'") == [(0,)]


def test_cases_are_chosen_by_name(town: Town) -> None:
    status, result, _ = rehearse(town, "--case", "cancel", "--case", "new-booking")
    assert (status, [case["name"] for case in result["cases"]]) == (0, ["new_booking", "cancel"])


def test_what_does_not_arrive_is_named(town: Town) -> None:
    """A paused connection keeps its effects waiting; another case passes all the same."""
    town.installation.manage("connection", "pause", "pipedrive")
    try:
        status, result, said = rehearse(town, "--case", "new_booking", "--timeout", "12")
    finally:
        town.installation.manage("connection", "resume", "pipedrive")
    assert (status, result["passed"], result["failed"]) == (1, 0, 1)
    [case] = result["cases"]
    assert case["reason"].startswith("after 12 s: ")
    assert "contact.upsert at pipedrive is still waiting" in case["reason"]
    assert "hubspot" not in case["reason"]
    assert "1 of the cases failed" in said
    assert count_standing(town) == 0


def test_disabled_connection_takes_no_part(town: Town) -> None:
    town.installation.manage("connection", "disable", "slack")
    try:
        status, result, _ = rehearse(town, "--case", "new_booking")
    finally:
        town.installation.manage("connection", "resume", "slack")
    assert (status, result["passed"]) == (0, 1)


def test_connection_that_leads_out_of_the_sandbox_is_wrong_usage(town: Town) -> None:
    """Nothing is asked of it, and nothing is booked."""
    nobody = "https://hubspot.invalid"
    town.installation.manage("connection", "add", "zoom", "--slug", "real-zoom", "--base-url", nobody)
    before = count_standing(town)
    try:
        status, result, said = rehearse(town)
    finally:
        town.installation.manage("connection", "disable", "real-zoom")
    assert (status, result) == (2, {})
    assert f"rehearse needs connections that point to the sandbox: real-zoom ({nobody}) does not answer as one" in said
    assert count_standing(town) == before
