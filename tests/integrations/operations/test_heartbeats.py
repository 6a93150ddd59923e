"""Watching the watchers: the workers' and the schedule's signs of life, `readyz`, and what a silence leaves behind."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django_q.models import OrmQ

from integrations import jobs
from integrations.models import Alert, Heartbeat
from integrations.operations import alerts, heartbeats
from integrations.queue import PROCESS_DELIVERY, enqueue
from tests.integrations.admin.support import get_page

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _forget_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "_started_at", None)


def at(minutes: float) -> Any:
    return time_machine.travel(NOW + timedelta(minutes=minutes), tick=False)


def read_problems() -> list[str]:
    response = Client().get("/readyz")
    problems = response.json().get("problems", [])
    assert response.status_code == (503 if problems else 200)
    return problems


def start_workers(minutes: float) -> None:
    with at(minutes):
        heartbeats.note_start()
        jobs.beat()


def test_readyz_is_503_when_the_schedule_stands_still_although_workers_live() -> None:
    with at(0):
        jobs.sweep()
        jobs.check_alerts()
        assert read_problems() == []
    with at(6):
        jobs.beat()
        problems = read_problems()
    assert [problem.partition(" is ")[0] for problem in problems] == [
        "The schedule's last run",
        "The last check of alerts",
    ]
    assert "360 s old" in problems[0]


def test_readyz_is_503_when_alerts_alone_are_checked_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    with at(0):
        jobs.check_alerts()
    monkeypatch.setattr(alerts, "check", lambda: 1 / 0)
    with at(6):
        jobs.sweep()
        with pytest.raises(ZeroDivisionError):
            jobs.check_alerts()
        [problem] = read_problems()
    assert problem.startswith("The last check of alerts is 360 s old")


def test_how_long_the_schedule_may_stand_still_is_a_setting(settings: Any) -> None:
    settings.SCHEDULE_SILENCE_MINUTES = 30
    with at(0):
        jobs.sweep()
        jobs.check_alerts()
    with at(20):
        jobs.beat()
        assert read_problems() == []


def test_workers_that_have_just_started_give_the_schedule_its_time() -> None:
    start_workers(0)
    with at(0):
        assert read_problems() == []
    with at(4):
        jobs.beat()
        assert read_problems() == []
    with at(6):
        jobs.beat()
        assert len(read_problems()) == 2


def test_workers_that_start_after_a_day_give_it_too_and_ones_that_are_replaced_do_not() -> None:
    with at(-24 * 60):
        jobs.sweep()
        jobs.check_alerts()
    start_workers(0)
    with at(1):
        assert read_problems() == []
    with at(6):
        # One of the cluster's processes was replaced: that is no start.
        jobs.beat()
        assert len(read_problems()) == 2


def test_the_dashboard_says_so_too(admin_client: Client) -> None:
    with at(0):
        jobs.sweep()
        jobs.check_alerts()
    with at(12):
        jobs.beat()
        page = get_page(admin_client, "/admin/").replace("\xa0", " ")
    assert "last run was 12 minutes ago" in page
    assert "The last check of alerts was 12 minutes ago" in page


def test_a_silence_of_all_workers_is_told_when_they_are_back_and_for_an_hour() -> None:
    with at(0):
        jobs.sweep()
    with at(12):
        jobs.sweep()
        alerts.check()
        text = Alert.objects.get(kind="worker_silent", closed_at=None).text
    assert "From 2026-11-28 12:00 to 12:12 UTC, 12 minutes" in text
    with at(73):
        Heartbeat.objects.filter(name="worker").update(beat_at=NOW + timedelta(minutes=72))
        jobs.sweep()
        alerts.check()
        assert not Alert.objects.filter(kind="worker_silent", closed_at=None).exists()


def test_a_short_pause_is_no_silence() -> None:
    for minute in (0, 2, 4):
        with at(minute):
            jobs.sweep()
    with at(4):
        alerts.check()
    assert not Alert.objects.filter(kind="worker_silent").exists()


def test_jobs_that_wait_for_a_worker_are_told_until_there_are_fewer() -> None:
    with at(0):
        enqueue(PROCESS_DELIVERY, "x")
        enqueue(PROCESS_DELIVERY, "y", delay_s=3600)
    with at(6):
        alerts.check()
    alert = Alert.objects.get(kind="queue_late")
    assert "1 jobs are due, the oldest since 2026-11-28 12:00 UTC" in alert.text
    assert alert.page == "/admin/django_q/ormq/"
    with at(7):
        OrmQ.objects.all().delete()
        alerts.check()
    alert.refresh_from_db()
    assert alert.closed_at is not None
