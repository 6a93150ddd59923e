"""`GET /metrics`: who may ask, and what is told."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from integrations import effect_kinds
from integrations.effect_kinds import Done
from integrations.effects import plan
from integrations.holds import set_aside
from integrations.models import ChangeCount, Token
from integrations.operations.metrics import TOKEN_REFRESHES
from integrations.retries import Cause
from tests.factories import make_connection

pytestmark = pytest.mark.django_db


def read(client: Client, **headers: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    response = client.get("/metrics", headers=headers)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def test_expiry_and_waiting_effects_come_from_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = make_connection("zoom", provider="zoom", options={"access_token": "t", "expires_in": "3600"})
    make_connection("hubspot", provider="hubspot", options={"access_token": "t"})
    monkeypatch.setitem(
        effect_kinds._kinds, "test.send", effect_kinds.Kind("test.send", lambda tasks: [Done()], False, True, False, 0)
    )
    for key in ("1", "2"):
        plan("test.send", connection_id=connection.pk, subject="contact:1", key=key)
    set_aside(connection, Cause.REAUTHORISE)
    found = read(client)
    expires_at = Token.objects.get(connection=connection).expires_at
    assert expires_at is not None
    assert abs(expires_at - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)
    assert found["keepsync_token_expiry_timestamp_seconds", (("connection", "zoom"),)] == expires_at.timestamp()
    assert found["keepsync_connection_backlog_effects", (("connection", "zoom"),)] == 2
    assert found["keepsync_backlog_effects", (("status", "waiting"),)] == 2
    told = {name for name, labels in found if ("connection", "hubspot") in labels}
    assert not told & {"keepsync_token_expiry_timestamp_seconds", "keepsync_connection_backlog_effects"}


def test_missed_changes_come_from_the_database_over_all_days(client: Client) -> None:
    connection, today = make_connection(), timezone.now().date()
    for days, missed in ((0, 2), (1, 3)):
        day = today - timedelta(days=days)
        ChangeCount.objects.create(connection=connection, day=day, checked=100, missed=missed)
    found = read(client)
    labels = (("connection", "calendar-live"),)
    assert found["keepsync_checked_changes_total", labels] == 200
    assert found["keepsync_missed_changes_total", labels] == 5


def test_what_this_process_has_counted_is_told(client: Client) -> None:
    key = ("keepsync_token_refreshes_total", (("outcome", "refreshed"), ("provider", "Zoom")))
    before = read(client).get(key, 0.0)
    TOKEN_REFRESHES.labels(provider="Zoom", outcome="refreshed").inc()
    assert read(client)[key] == before + 1


def test_without_a_token_only_this_machine_may_ask(client: Client) -> None:
    assert client.get("/metrics", REMOTE_ADDR="127.0.0.1").status_code == 200
    assert client.get("/metrics", REMOTE_ADDR="::1").status_code == 200
    refused = client.get("/metrics", REMOTE_ADDR="203.0.113.7")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert client.get("/metrics", REMOTE_ADDR="").status_code == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-IP"])
def test_a_proxy_on_this_machine_is_not_this_machine(client: Client, header: str) -> None:
    assert client.get("/metrics", headers={header: "203.0.113.7"}).status_code == 403


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer wrong", "Token right", "Bearer rïght"])
def test_another_token_than_the_one_that_is_set_is_refused(client: Client, settings: Any, value: str) -> None:
    settings.METRICS_TOKEN = "right"
    refused = client.get("/metrics", headers={"Authorization": value})
    assert (refused.status_code, refused["WWW-Authenticate"]) == (401, "Bearer")
    assert read(client, Authorization="Bearer right")


@pytest.mark.slow
def test_processes_that_share_a_folder_count_together(client: Client, tmp_path: Path) -> None:
    """prometheus-client looks for the folder when it is imported, so processes of their own count."""
    count = "from integrations.operations.metrics import REFUSED_CALLS; REFUSED_CALLS.labels(provider='Zoom').inc()"
    tell = f"{count}; from integrations.operations import exposition; print(exposition.write_metrics().decode())"
    lines = "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'; django.setup(); "
    lines += "from unittest import mock; from integrations.operations import exposition as e; "
    lines += "e.Installation.collect = lambda self: iter(()); "
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for code in (count, tell):
        done = subprocess.run(
            [sys.executable, "-c", lines + code], env=environ, capture_output=True, text=True, check=True
        )
    assert 'keepsync_refused_credentials_total{provider="Zoom"} 2.0' in done.stdout
