"""manage.py reconcile: figures as JSON, a progress bar for people, and what its exit status says."""

import json
import logging
import time
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from bookings.models import Discrepancy, Meeting, ReconciliationRun
from integrations import http
from integrations.models import Connection
from tests.bookings.flows.playing import run_effects
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

ERROR = {"code": "some_code", "message": "Some message"}


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Every sleep, none of which takes place."""
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def run(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("reconcile", "--json", *arguments, stdout=out, stderr=StringIO())
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def snapshot() -> dict[str, list[Any]]:
    """All rows of all tables."""
    return {
        model._meta.label: list(model._base_manager.order_by("pk").values())
        for model in apps.get_models()
        if model._meta.managed
    }


def test_it_tells_what_was_found_and_done(live, world, crm, calendar):
    live.tell("evt_1")
    live.change("evt_2")
    Meeting.objects.update(title="Somebody's")
    run_effects()
    found = run()
    assert found == {
        "checked": 3,
        "discrepancies": 2,
        "repaired": 1,
        "escalated": 1,
        "by_kind": {"missing_here": 1, "field_differs": 1},
        "redelivered": 0,
    }
    assert Meeting.objects.count() == 2


def test_a_dry_run_counts_the_same_and_changes_nothing(live, world, crm, calendar):
    live.tell("evt_1")
    live.tell("evt_2")
    run_effects()
    live.change("evt_3")
    live.change("evt_2", title="Unheard")
    world.hubspot.forget("meetings")
    live.fail_delivery("dlv_lost")
    del live.events["evt_1"]
    before = snapshot()
    found = run("--dry-run")
    assert snapshot() == before
    assert live.redelivered == []
    assert found == {
        "checked": 5,
        "discrepancies": 5,
        "repaired": 0,
        "escalated": 0,
        "by_kind": {"field_differs": 1, "missing_here": 1, "missing_there": 3},
        "would_repair": 4,
        "would_escalate": 1,
        "would_redeliver": 1,
    }


def test_people_see_a_bar_and_a_sentence(live, calendar):
    live.tell("evt_1")
    live.change("evt_2")
    out, err = StringIO(), StringIO()
    call_command("reconcile", stdout=out, stderr=err)
    assert out.getvalue() == "2 checked, 1 discrepancies (1 missing_here): 1 repaired, 0 wait for a person.\n"
    assert "[####" in err.getvalue()
    assert "2 checked" in err.getvalue()


def test_calls_are_not_logged_between_the_steps_of_the_bar_but_are_again_after_it(live, calendar, caplog):
    live.tell("evt_1")
    with caplog.at_level(logging.INFO):
        call_command("reconcile", stdout=StringIO(), stderr=StringIO())
        assert "request sent" not in caplog.text
        http.record("GET", "https://calendar.live/v1/events", "calendar.live", 200, 0.1)
    assert "request sent" in caplog.text


def test_all_active_calendars_are_compared_or_the_one_that_is_named(live, calendar):
    make_connection("second", options={"access_token": "token-2"})
    make_connection("third", options={"access_token": "token-3"})
    Connection.objects.filter(slug="third").update(status="paused")
    live.change("evt_1")
    assert run()["repaired"] == 2
    live.change("evt_1")
    assert run("--connection", "second")["repaired"] == 1
    assert list(ReconciliationRun.objects.order_by("id").values_list("connection__slug", flat=True)) == [
        "calendar-live",
        "second",
        "second",
    ]


def test_one_calendar_that_cannot_be_compared_does_not_keep_the_others_from_it(live, calendar):
    make_connection("aside")
    make_connection("second", options={"access_token": "token-2"})
    live.change("evt_1")
    with pytest.raises(CommandError, match="aside: the connection has no access token"):
        run()
    assert Meeting.objects.count() == 2


def test_without_a_calendar_there_is_nothing_to_do(db):
    assert run() == {"checked": 0, "discrepancies": 0, "repaired": 0, "escalated": 0, "by_kind": {}}


def test_a_window_is_a_day_or_a_moment(live, calendar):
    run("--since", "2026-11-20")
    run("--since", "2026-11-20T09:30:00+02:00")
    run("--since", "2026-11-20T09:30")
    assert [each["updated_since"] for each in live.asked] == [
        "2026-11-20T00:00:00Z",
        "2026-11-20T07:30:00Z",
        "2026-11-20T09:30:00Z",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--connection", "nobody"),
        ("--connection", "hubspot"),
        ("--since", "yesterday"),
        ("--since", "2026-13-40"),
        ("--since", "2999-01-01"),
    ],
)
def test_wrong_usage_is_status_2(live, calendar, crm, arguments):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    assert caught.value.returncode == 2
    assert not ReconciliationRun.objects.exists()


@pytest.mark.parametrize("status", ["paused", "disabled", "needs_reauthorisation"])
@pytest.mark.parametrize("flags", [(), ("--dry-run",)])
def test_a_connection_that_cannot_be_compared_is_status_1(live, calendar, status, flags):
    Connection.objects.update(status=status)
    with pytest.raises(CommandError) as caught:
        run("--connection", "calendar-live", *flags)
    assert caught.value.returncode == 1


def test_rate_limits_and_short_outages_are_waited_out(live, calendar, waited, monkeypatch):
    monkeypatch.setattr("bookings.reconciliation.runs.hold", hold_for_no_time)
    live.fail("GET /v1/events", 503, ERROR, times=3)
    live.fail("GET /v1/events", 429, ERROR)
    live.change("evt_1")
    assert run()["repaired"] == 1


def hold_for_no_time(run: ReconciliationRun, cause: str, seconds: float, text: str) -> float:
    held = ReconciliationRun.objects.filter(pk=run.pk)
    held.update(status="waiting", cause=cause, error=text, resumes_at=None, lease_token=None, lease_expires_at=None)
    return 0.0


@pytest.mark.parametrize(("status", "words"), [(401, "refuses"), (403, "does not allow")])
def test_what_a_person_has_to_mend_is_status_1_with_the_reason(live, calendar, status, words):
    live.fail("GET /v1/events", status, ERROR)
    with pytest.raises(CommandError, match=words) as caught:
        run()
    assert caught.value.returncode == 1


def test_a_dry_run_that_fails_says_so(live, calendar):
    live.fail("GET /v1/events", 503, ERROR, times=3)
    with pytest.raises(CommandError, match="503"):
        run("--dry-run")
    assert not Discrepancy.objects.exists()
