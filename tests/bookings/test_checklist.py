"""What of meetings stands on the launch checklist."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection as database
from django.utils import timezone

from bookings import checklist
from bookings.management.commands import rehearse
from bookings.models import Calendar, Meeting, ReconciliationRun, Rehearsal
from bookings.rehearsal import records
from bookings.rehearsal.cases import STAGING
from bookings.rehearsal.runs import Result
from bookings.timezones import expand
from contacts.models import Contact
from integrations.models import Connection, Effect
from integrations.operations.version import read_version
from tests.integrations.checklist.support import NOT_APPLICABLE, probe, prove, refute

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Status = ReconciliationRun.Status


# --- Times ------------------------------------------------------------------------------------------------------------


def make_calendar(connection: Connection, zone: str) -> None:
    Calendar.objects.create(connection=connection, external_id=zone, name=zone, timezone=zone, seen_at=NOW)


def test_series_stay_over_the_clock_changes_of_the_zones_in_use(calendar_live: Connection) -> None:
    for zone in ("America/New_York", "Asia/Kolkata"):
        make_calendar(calendar_live, zone)
    with time_machine.travel(NOW, tick=False):
        said = prove("times_shown")
    assert "America/New_York (12:00 stays, in UTC 17:00 becomes 16:00)" in said
    assert "Europe/Paris (12:00 stays, in UTC 11:00 becomes 10:00)" in said
    assert "Kolkata" not in said


def test_series_that_move_with_the_clock_are_found(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they would where they were expanded in UTC."""
    monkeypatch.setattr(checklist, "expand", lambda **series: expand(**{**series, "zone": ZoneInfo("UTC")}))
    with time_machine.travel(NOW, tick=False):
        assert refute("times_shown") == "Europe/Paris: a weekly series moves from 12:00 to 13:00 with the clock."


def test_pages_that_do_not_name_the_zone_are_found(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checklist, "show_local", lambda moment, zone: f"{moment:%H:%M}")
    assert refute("times_shown") == "Europe/Paris: pages do not name the zone."


def test_a_machine_that_knows_no_clock_changes_is_found(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checklist, "transitions", lambda *arguments: [])
    assert "No clock changes within a year" in refute("times_shown")


# --- Upserts ----------------------------------------------------------------------------------------------------------


def test_the_same_booking_twice_is_one_meeting_and_nothing_of_the_try_is_left(calendar_live: Connection) -> None:
    assert "one meeting with one contact" in prove("meeting_upserts")
    for model in (Meeting, Calendar, Contact, Effect):
        assert not model._default_manager.exists()


@pytest.mark.parametrize(
    ("table", "name"),
    [
        ("bookings_meeting", "meeting_once"),
        ("bookings_meetinglink", "meeting_link_external_id"),
        ("bookings_attendance", "attendance_once"),
    ],
)
def test_a_constraint_that_is_gone_is_found(table: str, name: str, calendar_live: Connection) -> None:
    with database.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    assert refute("meeting_upserts") == f"The database lacks the unique indexes {name}."


def test_upserts_that_keep_nothing_are_found(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checklist, "upsert_meeting", lambda booking, origin: None)
    assert "0 meetings, 0 contacts" in refute("meeting_upserts")


def test_without_calendar_live_nothing_is_proved(db: None) -> None:
    assert refute("meeting_upserts") == "No calendar.live is connected."


# --- Reconciliation ---------------------------------------------------------------------------------------------------


def make_run(connection: Connection, status: Status, ago: timedelta, **fields: Any) -> ReconciliationRun:
    at = timezone.now() - ago
    finished_at = at if status in (Status.DONE, Status.FAILED) else None
    run = ReconciliationRun.objects.create(connection=connection, status=status, finished_at=finished_at, **fields)
    ReconciliationRun.objects.filter(pk=run.pk).update(created_at=at)
    return run


def test_a_run_of_the_last_day_is_proved(calendar_live: Connection) -> None:
    make_run(calendar_live, Status.DONE, 25 * HOUR, checked=1234, repaired=5, escalated=1)
    make_run(calendar_live, Status.RUNNING, HOUR)
    assert "calendar-live: 1,234 checked until" in prove("reconciliation")


def test_a_connection_that_was_never_reconciled_is_found(calendar_live: Connection) -> None:
    make_run(calendar_live, Status.DONE, HOUR, since=NOW - DAY)
    assert refute("reconciliation") == "calendar-live has never been reconciled."


def test_a_run_that_is_too_long_ago_is_found(calendar_live: Connection) -> None:
    make_run(calendar_live, Status.DONE, 27 * HOUR)
    assert "none has come to its end within 26 hours" in refute("reconciliation")


def test_runs_that_fail_are_found(calendar_live: Connection) -> None:
    make_run(calendar_live, Status.DONE, 27 * HOUR)
    make_run(calendar_live, Status.FAILED, HOUR)
    assert "The last one is failed" in refute("reconciliation")


def test_where_no_calendar_is_active_there_is_nothing_to_reconcile(calendar_live: Connection) -> None:
    Connection.objects.update(status=Connection.Status.PAUSED)
    assert probe("reconciliation").status == NOT_APPLICABLE


# --- Staging ----------------------------------------------------------------------------------------------------------


def play(**reasons: str) -> Rehearsal:
    """All staging cases; those that are given a reason have failed."""
    return records.keep([Result(case.name, reasons.get(case.name, ""), 1.0) for case in STAGING])


def test_a_full_rehearsal_of_this_version_is_proved(db: None) -> None:
    play()
    records.keep([Result("update", "it was run alone, and failed", 1.0)])
    assert "all cases have passed" in prove("staging_cases")


def test_the_command_keeps_what_it_has_played_and_says_of_which_version(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rehearse, "set_stage", lambda slug, timeout_s: None)
    monkeypatch.setattr(rehearse, "run", lambda stage, cases: (Result(case.name, "", 1.0) for case in cases))
    output = io.StringIO()
    call_command("rehearse", "--json", stdout=output, stderr=io.StringIO())
    assert json.loads(output.getvalue())["version"] == read_version()
    assert "played here" in prove("staging_cases")


def test_without_a_rehearsal_nothing_is_proved(db: None) -> None:
    records.keep([Result("update", "", 1.0)])
    assert refute("staging_cases") == "Nobody has rehearsed yet."


def test_a_rehearsal_that_failed_after_one_that_passed_is_found(db: None) -> None:
    play()
    play(cancel="Zoom still has it")
    assert "has failed in cancel" in refute("staging_cases")


def test_a_rehearsal_of_another_version_is_found(db: None) -> None:
    Rehearsal.objects.filter(pk=play().pk).update(version="older")
    assert f"was of version older; {read_version()} runs here" in refute("staging_cases")


def test_a_rehearsal_that_is_too_long_ago_is_found(db: None) -> None:
    Rehearsal.objects.filter(pk=play().pk).update(finished_at=timezone.now() - 31 * DAY)
    assert "is older than 30 days" in refute("staging_cases")


def write_result(folder: Path, **changed: Any) -> str:
    """What `rehearse --json` has printed at staging, as a file."""
    result = {
        "passed": 5,
        "failed": 0,
        "cases": [{"name": case.name, "passed": True, "reason": "", "seconds": 1.0} for case in STAGING],
        "version": read_version(),
        "finished_at": (timezone.now() - HOUR).isoformat(),
    }
    path = folder / "result.json"
    path.write_text(json.dumps({**result, **changed}))
    return str(path)


def test_a_rehearsal_at_staging_is_brought_here(db: None, tmp_path: Path) -> None:
    call_command("rehearse", "--take", write_result(tmp_path), "--json")
    assert "played at another installation" in prove("staging_cases")


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"version": "older"}, 1),
        ({"cases": "none"}, 1),
        ({"cases": [1]}, 1),
        ({"finished_at": "yesterday"}, 1),
        ({"finished_at": None}, 1),
    ],
)
def test_another_versions_rehearsal_and_what_is_none_are_refused(
    changed: dict[str, Any], status: int, db: None, tmp_path: Path
) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("rehearse", "--take", write_result(tmp_path, **changed))
    assert caught.value.returncode == status
    assert not Rehearsal.objects.exists()


@pytest.mark.parametrize("content", [None, "no JSON"])
def test_a_file_that_is_not_there_or_holds_something_else_is_wrong_usage(
    content: str | None, db: None, tmp_path: Path
) -> None:
    path = tmp_path / "result.json"
    if content:
        path.write_text(content)
    with pytest.raises(CommandError, match="is no result of rehearse --json") as caught:
        call_command("rehearse", "--take", str(path))
    assert caught.value.returncode == 2


def test_what_is_finished_later_than_now_counts_from_now_on(db: None, tmp_path: Path) -> None:
    late = (timezone.now() + 400 * DAY).isoformat()
    call_command("rehearse", "--take", write_result(tmp_path, finished_at=late))
    assert Rehearsal.objects.get().finished_at <= timezone.now()
