"""`manage.py replay`: at once, and as a plan."""

import json
import time
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django_q.models import OrmQ

from integrations.deliveries import process
from integrations.models import Connection, Delivery, Effect, ReplayPlan
from integrations.replays import plans
from tests.integrations.admin.support import make_effect
from tests.integrations.replays.support import make_dead, make_dead_effects, outcomes, plan_deliveries


@pytest.fixture(autouse=True)
def worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the command sleeps, what is queued is worked on, and the plan's time comes."""

    def sleep(seconds: float) -> None:
        for delivery in Delivery.objects.filter(status="received"):
            process(delivery.pk)
        ReplayPlan.objects.filter(next_at__isnull=False).update(next_at="2026-01-01T00:00Z")

    monkeypatch.setattr(time, "sleep", sleep)


def run(*arguments: str) -> tuple[str, str, int]:
    """Standard output, the error's text, and the exit status."""
    out = StringIO()
    try:
        call_command("replay", *arguments, stdout=out, stderr=StringIO())
    except CommandError as error:
        return out.getvalue(), str(error), error.returncode
    return out.getvalue(), "", 0


def run_json(*arguments: str) -> tuple[dict[str, Any], int]:
    out, _, status = run(*arguments, "--json")
    return json.loads(out), status


# --- At once ----------------------------------------------------------------------------------------------------------


def test_dead_letters_are_replayed_at_once(calendar_live: Connection) -> None:
    make_dead(calendar_live, 2)
    make_dead(calendar_live, 1, status="processed")

    assert run_json("--all-dead", "--dry-run") == ({"matched": 2, "replayed": 0, "would_replay": 2}, 0)
    assert run_json("--all-dead") == ({"matched": 2, "replayed": 2}, 0)
    assert run("dlv_2")[0] == "1 of 1 deliveries are replayed.\n"
    assert OrmQ.objects.count() == 3
    assert not ReplayPlan.objects.exists()


def test_effects_are_replayed_at_once(calendar_live: Connection) -> None:
    make_dead_effects(calendar_live, 2, kind="meeting.upsert")
    make_dead_effects(calendar_live, 1)
    make_effect(calendar_live, kind="meeting.upsert", status="succeeded")

    assert run_json("--effects", "--type", "meeting.upsert") == ({"matched": 2, "replayed": 2}, 0)
    assert Effect.objects.filter(status="pending").count() == 2
    assert OrmQ.objects.count() == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--connection", "calendar-live"],
        ["--all-dead", "--since", "yesterday"],
        ["--all-dead", "--plan", "--per-second", "0"],
        ["--all-dead", "--plan", "--per-second", "501"],
        ["--all-dead", "--per-second", "5"],
        ["--all-dead", "--include-done"],
        ["--resume", "nothing"],
        ["--resume", "019ab000-0000-7000-8000-000000000000", "--all-dead"],
    ],
)
def test_wrong_usage_is_status_2_and_does_nothing(arguments: list[str], calendar_live: Connection) -> None:
    make_dead(calendar_live, 1)
    out, problem, status = run(*arguments)

    assert (out, status) == ("", 2)
    assert problem
    assert Delivery.objects.get().status == "dead"


# --- Plans ------------------------------------------------------------------------------------------------------------


def test_a_dry_run_of_a_plan_foretells_and_stores_nothing(calendar_live: Connection) -> None:
    make_dead(calendar_live, 2)
    make_dead(calendar_live, 1, status="processed")
    make_dead(calendar_live, 1, status="received")
    told = ("--plan", "--dry-run", "--status", "dead", "--status", "processed", "--status", "received")

    assert run_json(*told) == (
        {
            "matched": 4, "will_run": 2, "done": 1, "conflicts": 1,
            "by_verdict": {"done": 1, "open": 1, "runs": 2},
        },
        0,
    )  # fmt: skip
    assert run(*told)[0] == (
        "4 match: 2 will run, 1 are done already and suppressed, 1 would conflict and are left.\n"
        "  1 × Done already\n"
        "  1 × Waits for its turn, or is being worked on\n"
    )
    assert run_json(*told, "--include-done")[0]["will_run"] == 3
    assert not ReplayPlan.objects.exists()


def test_a_plan_is_followed_until_its_last_outcome(calendar_live: Connection) -> None:
    make_dead(calendar_live, 3)
    result, status = run_json("--all-dead", "--plan", "--per-second", "2")
    plan = ReplayPlan.objects.get()

    assert status == 0
    assert result == {
        "matched": 3, "will_run": 3, "done": 0, "conflicts": 0, "by_verdict": {"runs": 3},
        "plan": str(plan.pk), "status": "done", "per_second": 2,
        "total": 3, "replayed": 3, "succeeded": 3, "dead": 0, "skipped": 0, "by_reason": {}, "by_cause": {},
    }  # fmt: skip
    assert plan.chosen == "status dead"


def test_a_bar_shows_how_far_a_plan_is_unless_a_program_reads(calendar_live: Connection) -> None:
    make_dead(calendar_live, 3)
    err = StringIO()
    call_command("replay", "--all-dead", "--plan", "--per-second", "2", stdout=StringIO(), stderr=err)
    assert f"[{'#' * 20}{'.' * 10}] 2 of 3" in err.getvalue()

    make_dead(calendar_live, 1)
    err = StringIO()
    call_command("replay", "--all-dead", "--plan", "--json", stdout=StringIO(), stderr=err)
    assert err.getvalue() == ""


def test_what_is_dead_again_is_status_1(calendar_live: Connection) -> None:
    bad = make_dead(calendar_live, 2)[1]
    Delivery.objects.filter(pk=bad.pk).update(body=b"no json")
    out, problem, status = run("--all-dead", "--plan")

    assert (problem, status) == ("1 are dead again.", 1)
    assert "2 in the plan: 2 replayed, of which 1 succeeded and 1 are dead again; 0 skipped." in out
    assert "1 dead again: Cannot be read" in out


def test_a_plan_without_rows_is_status_1(db: None) -> None:
    assert run("--all-dead", "--plan") == ("", "There are no such deliveries.", 1)


def test_a_large_plan_waits_for_approval_and_is_taken_up_afterwards(calendar_live: Connection, settings: Any) -> None:
    settings.REPLAY_APPROVAL_ABOVE = 1
    make_dead(calendar_live, 2)
    result, status = run_json("--all-dead", "--plan")
    plan = ReplayPlan.objects.get()
    assert (status, result["status"], result["replayed"]) == (1, "draft", 0)
    assert "needs the approval" in run("--resume", str(plan.pk))[1]

    plans.approve(plan, User.objects.create_user("omar"))
    result, status = run_json("--resume", str(plan.pk))
    assert (status, result["status"], result["succeeded"]) == (0, "done", 2)


def test_a_plan_that_somebody_pauses_or_cancels_ends_the_command_with_status_1(
    calendar_live: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dead(calendar_live, 2)
    monkeypatch.setattr(time, "sleep", lambda seconds: plans.pause(ReplayPlan.objects.get()))
    _, problem, status = run("--all-dead", "--plan", "--per-second", "1")
    plan = ReplayPlan.objects.get()
    assert (problem, status) == (f"The plan is paused. To go on: replay --resume {plan.pk}", 1)

    plans.cancel(plan)
    monkeypatch.undo()
    assert "cancelled" in run("--resume", str(plan.pk), "--wait", "0")[1]


def test_ctrl_c_pauses_the_plan_and_resume_goes_on(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    make_dead(calendar_live, 2)

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(time, "sleep", interrupt)
        assert run("--all-dead", "--plan", "--per-second", "1")[2] == 1
    plan = ReplayPlan.objects.get()
    assert (plan.status, plan.replayed) == ("paused", 1)

    result, status = run_json("--resume", str(plan.pk))
    assert (status, result["succeeded"]) == (0, 2)
    assert outcomes(plan) == [("succeeded", "")] * 2


def test_outcomes_that_do_not_come_in_time_are_said_to_be_missing(
    calendar_live: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_dead(calendar_live, 1)
    _, problem, status = run("--all-dead", "--plan", "--wait", "0")

    assert (problem, status) == ("1 have no outcome yet: the plan's page will tell.", 1)
    assert ReplayPlan.objects.get().status == "running"


def test_a_plan_that_is_over_is_told_again(calendar_live: Connection) -> None:
    make_dead(calendar_live, 1)
    plan = plan_deliveries()
    plans.cancel(plan)

    assert run("--resume", str(plan.pk))[1:] == ("The plan was cancelled.", 1)
