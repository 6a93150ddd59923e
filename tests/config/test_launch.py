"""The whole launch checklist of one installation, from red to green."""

import io
import json
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone
from django_q.models import Schedule

from bookings.models import ReconciliationRun
from bookings.rehearsal import records
from bookings.rehearsal.cases import STAGING
from bookings.rehearsal.runs import Result
from config import env
from config.checklist import KEYS
from integrations.connections import add_connection
from integrations.models import Connection, Effect, Heartbeat, Pair
from integrations.operations.certificates import Inspection
from integrations.operations.checklist import get_item, sign
from integrations.operations.probes import address
from integrations.pairs import make_pair
from integrations.retention import running
from tests.factories import make_connection
from tests.integrations.admin.support import get_page, make_effect

SIGNED = ["field_owners", "access", "region_policy", "retention"]


def list_open() -> list[str]:
    """By the command, whose exit status says whether there are any."""
    output = io.StringIO()
    status = 0
    try:
        call_command("launch_checklist", "--json", "--recheck", stdout=output)
    except CommandError as error:
        status = error.returncode
    still_open: list[str] = json.loads(output.getvalue())["open"]
    assert status == bool(still_open)
    return still_open


def set_environment(settings: Any, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    settings.DEBUG = settings.ALLOW_PRIVATE_PROVIDERS = False
    settings.BASE_URL, settings.METRICS_TOKEN = "https://keepsync.example.com", "m" * 32
    settings.ALLOWED_HOSTS = ["keepsync.example.com", "testserver"]
    monkeypatch.setattr(env, "DATA_DIR", folder)
    for name in KEYS:
        monkeypatch.setenv(name, f"{name} of production")
    shown = Inspection(expires_at=timezone.now() + timedelta(days=60))
    monkeypatch.setattr(address, "inspect", partial(lambda shown, *where: shown, shown))


def connect() -> None:
    calendar = make_connection()
    make_pair(calendar, add_connection(slug="hubspot", provider="hubspot")[0], Pair.Pattern.TWO_WAY)
    slack = add_connection(slug="slack", provider="slack", options={"bot_token": "x", "channel": "#ops"})[0]
    make_effect(slack, kind="slack.message", status=Effect.Status.SUCCEEDED)


def run_for_a_day() -> None:
    Heartbeat.objects.create(name="worker", beat_at=timezone.now())
    Schedule.objects.update(next_run=timezone.now())
    calendar = Connection.objects.get(provider="calendar_live")
    done = ReconciliationRun.Status.DONE
    ReconciliationRun.objects.create(connection=calendar, status=done, finished_at=timezone.now())
    purge = running.start()
    while running.take_slice(purge):
        pass
    records.keep([Result(case.name, "", 1.0) for case in STAGING])


def test_a_checklist_goes_from_red_to_green(
    settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, admin_client: Client, admin_user: User
) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    settings.DEBUG = True
    before = list_open()
    assert {"signatures", "certificate", "keys", "production_mode", "schedule", "staging_cases"} <= set(before)
    set_environment(settings, monkeypatch, tmp_path)
    connect()
    run_for_a_day()
    assert sorted(list_open()) == sorted(SIGNED)
    for name in SIGNED:
        sign(get_item(name), admin_user, "Looked at it.")
    assert list_open() == []
    settings.SECURE_SSL_REDIRECT = False
    assert "items pass." in get_page(admin_client, "/admin/integrations/checklistitem/")
    Pair.objects.update(pattern=Pair.Pattern.OUT)
    assert list_open() == ["field_owners"]
