"""`healthz`, `readyz`, and the system checks."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone

from integrations import jobs, views
from integrations.checks import check_job_times, check_same_database
from integrations.models import Heartbeat


def test_healthz_needs_nothing_but_the_process(client: Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_readyz_is_503_until_a_worker_has_run(client: Client, db: None) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()["problems"]) == (
        503,
        ["No worker has run yet: start manage.py qcluster."],
    )
    jobs.sweep()
    assert client.get("/readyz").status_code == 200


def test_readyz_is_503_when_the_worker_stands_still(client: Client, db: None) -> None:
    Heartbeat.objects.create(name="worker", beat_at=timezone.now() - timedelta(minutes=5))
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "last sign of life is 30" in response.json()["problems"][0]


def test_readyz_is_503_when_the_database_is_away(client: Client, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    def fail() -> list[str]:
        raise OperationalError("connection refused")

    monkeypatch.setattr(views, "find_problems", fail)
    monkeypatch.setattr(connections["default"], "close", lambda: None)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["problems"]) == (503, ["The database is away."])


def test_job_times_that_cannot_work_are_an_error(settings: Any) -> None:
    assert check_job_times() == []
    settings.DELIVERY_LEASE_S = settings.JOB_TIMEOUT_S
    assert [error.id for error in check_job_times()] == ["integrations.E001"]


def test_another_broker_is_an_error(settings: Any) -> None:
    assert check_same_database() == []
    settings.Q_CLUSTER = {**settings.Q_CLUSTER, "orm": "other"}
    assert [error.id for error in check_same_database()] == ["integrations.E002"]
