"""The page of metrics: well-formed, complete, bounded, and as cheap for many rows as for few."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.db import connection as database
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import Schedule

from integrations import http
from integrations.effect_actions import reopen
from integrations.effect_kinds import label_kind
from integrations.exceptions import OutageError
from integrations.ids import first_id_at
from integrations.models import Alert, Connection, Delivery, Drain, Effect, Heartbeat
from integrations.operations import exposition, facts
from integrations.operations.exposition import OPEN_METRICS, PLAIN, write_metrics
from integrations.providers import PROVIDERS, get_provider
from integrations.retries import Cause
from tests.bookings.flows.fakes import outside_world
from tests.bookings.flows.playing import pair_with_hubspot, run_effects
from tests.factories import (
    SECRET,
    make_connection,
    make_delivery,
    make_payload,
    post_webhook,
    read_sample,
    receive,
)
from tests.integrations.admin.support import make_effect
from tests.integrations.operations.prometheus_lint import lint, list_values, parse

pytestmark = pytest.mark.django_db

DOCUMENTED = {
    "keepsync_attempts_total", "keepsync_backlog_deliveries", "keepsync_backlog_effects",
    "keepsync_backlog_oldest_age_seconds", "keepsync_checked_changes_total", "keepsync_connection_backlog_effects",
    "keepsync_connection_held", "keepsync_connections", "keepsync_database_up", "keepsync_dead_letters",
    "keepsync_deliveries_total", "keepsync_delivery_answer_seconds", "keepsync_delivery_processing_seconds",
    "keepsync_effects_total", "keepsync_heartbeat_timestamp_seconds", "keepsync_job_seconds", "keepsync_jobs_total",
    "keepsync_missed_changes_total", "keepsync_open_alerts", "keepsync_outgoing_request_seconds",
    "keepsync_provider_errors_total", "keepsync_queued_jobs", "keepsync_rate_budget_remaining_ratio",
    "keepsync_refused_credentials_total", "keepsync_schedule_next_run_timestamp_seconds", "keepsync_sync_lag_seconds",
    "keepsync_token_expiry_timestamp_seconds", "keepsync_token_refreshes_total", "keepsync_unknown_outcome_effects",
    "keepsync_webhook_secret_created_timestamp_seconds",
}  # fmt: skip


def tell_something(connection: Connection) -> None:
    """Let every part of the page have something to say."""
    now = timezone.now()
    post_webhook(read_sample("ping"))
    http.record("GET", "https://provider.example/v1/x", "Zoom", 200, 0.2)
    make_effect(connection, status="dead", cause="permanent")
    Heartbeat.objects.create(name="worker", beat_at=now)
    Alert.objects.create(kind="test", title="Test", level=Alert.Level.WARNING)
    Drain.objects.create(connection=connection, calls_left=1, counted_at=now)


def read_samples(family_name: str, **labels: str) -> list[float]:
    """The values of the family's samples that have these labels."""
    family = parse(write_metrics().decode())[family_name]
    return [sample.value for sample in family.samples if labels.items() <= sample.labels.items()]


def backdate(row: Delivery | Effect, instant: datetime) -> None:
    type(row).objects.filter(pk=row.pk).update(id=first_id_at(instant))


# --- The page ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0,*/*;q=0.5"])
def test_the_page_passes_the_lint_in_both_formats(client: Client, calendar_live: Connection, accept: str) -> None:
    tell_something(calendar_live)
    response = client.get("/metrics", headers={"Accept": accept})
    is_open = "openmetrics" in accept
    assert response["Content-Type"] == (OPEN_METRICS if is_open else PLAIN).content_type
    assert lint(response.content.decode(), is_open=is_open) == []


def test_every_documented_family_is_there_and_no_other(calendar_live: Connection) -> None:
    families = parse(write_metrics().decode())
    assert {name for name in families if name.startswith("keepsync_")} == DOCUMENTED


def test_without_the_database_the_processes_counts_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(now: datetime) -> Iterator[Any]:
        raise OperationalError("the server is away")

    monkeypatch.setattr(facts, "read_facts", fail)
    monkeypatch.setattr(database, "close", lambda: None)
    text = exposition.write_metrics().decode()
    assert lint(text) == []
    assert "keepsync_database_up 0.0" in text
    assert "keepsync_deliveries_total" in text
    assert "keepsync_dead_letters" not in text


@pytest.mark.parametrize("number", [1, 30])
def test_a_scrape_needs_as_many_queries_for_many_rows_as_for_one(
    number: int, calendar_live: Connection, django_assert_max_num_queries: Any
) -> None:
    for each in range(number):
        other = make_connection(f"zoom-{each}", provider="zoom", options={"access_token": "t"})
        make_delivery(calendar_live, {"id": f"dlv_{each}"}, status="dead", cause="bug")
        make_effect(other, status="waiting", is_state=True)
        make_effect(other, status="dead", cause="permanent")
    with django_assert_max_num_queries(14):
        write_metrics()


def test_what_grows_is_read_through_indexes(calendar_live: Connection) -> None:
    """With sequential scans made dear, the plans of the queries over deliveries and effects hold none."""
    make_delivery(calendar_live, {"id": "dlv_1"})
    make_effect(calendar_live)
    with CaptureQueriesContext(database) as captured:
        write_metrics()
    tables = ("integrations_delivery", "integrations_effect")
    grown = [query["sql"] for query in captured if any(table in query["sql"] for table in tables)]
    assert len(grown) == 7
    with database.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for sql in grown:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
            assert "Seq Scan" not in plan, f"{sql}\n{plan}"


# --- Its figures ------------------------------------------------------------------------------------------------------


def test_open_and_dead_rows_are_told_by_status_and_cause(calendar_live: Connection) -> None:
    now = timezone.now()
    oldest = make_delivery(calendar_live, {"id": "dlv_1"})
    backdate(oldest, now - timedelta(hours=2))
    make_delivery(calendar_live, {"id": "dlv_2"})
    make_delivery(calendar_live, {"id": "dlv_3"}, status="dead", cause="payload")
    make_effect(calendar_live, status="waiting", cause=Cause.UNKNOWN_OUTCOME)
    assert read_samples("keepsync_backlog_deliveries", status="received") == [2]
    assert read_samples("keepsync_backlog_deliveries", status="retrying") == [0]
    [age_s] = read_samples("keepsync_backlog_oldest_age_seconds", queue="deliveries", status="received")
    assert 7200 <= age_s < 7300
    assert read_samples("keepsync_dead_letters", queue="deliveries", cause="payload") == [1]
    assert read_samples("keepsync_unknown_outcome_effects") == [1]
    assert read_samples("keepsync_connection_backlog_effects", connection="calendar-live") == [1]


def test_the_rate_budget_is_the_share_that_is_left_and_fills_up(calendar_live: Connection) -> None:
    rate, now = get_provider("calendar_live").rate, timezone.now()
    drain = Drain.objects.create(connection=calendar_live, calls_left=rate.burst / 2, counted_at=now)
    [share] = read_samples("keepsync_rate_budget_remaining_ratio", connection="calendar-live")
    assert 0.5 <= share <= 1
    Drain.objects.filter(pk=drain.pk).update(counted_at=now - timedelta(hours=1), held_until=now + timedelta(hours=1))
    assert read_samples("keepsync_rate_budget_remaining_ratio", connection="calendar-live") == [1]
    assert read_samples("keepsync_connection_held", connection="calendar-live") == [1]


def test_alerts_signs_of_life_and_schedules_are_told(calendar_live: Connection) -> None:
    now = timezone.now()
    Alert.objects.create(kind="test", title="Test", level=Alert.Level.CRITICAL)
    Alert.objects.create(kind="over", title="Over", level=Alert.Level.CRITICAL, closed_at=now)
    Heartbeat.objects.create(name="worker", beat_at=now)
    assert read_samples("keepsync_open_alerts", severity="critical") == [1]
    assert read_samples("keepsync_open_alerts", severity="info") == [0]
    assert read_samples("keepsync_heartbeat_timestamp_seconds", name="worker") == [now.timestamp()]
    assert len(read_samples("keepsync_schedule_next_run_timestamp_seconds")) == Schedule.objects.count() > 3


# --- What processes count ---------------------------------------------------------------------------------------------


def count(family_name: str, **labels: str) -> float:
    return sum(read_samples(family_name, **labels))


def test_each_answer_to_a_webhook_is_counted_and_timed(calendar_live: Connection) -> None:
    labels = {"provider": "calendar.live"}
    outcomes = ("accepted", "duplicate", "invalid_signature")
    before = [count("keepsync_deliveries_total", outcome=outcome, **labels) for outcome in outcomes]
    timed = count("keepsync_delivery_answer_seconds", le="+Inf", **labels)
    for secret in (SECRET, SECRET, "whsec_wrong"):
        post_webhook(read_sample("ping"), secret=secret)
    after = [count("keepsync_deliveries_total", outcome=outcome, **labels) for outcome in outcomes]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 1, 1]
    assert count("keepsync_delivery_answer_seconds", le="+Inf", **labels) == timed + 3


def test_a_request_that_fails_is_counted_by_its_cause(calendar_live: Connection) -> None:
    before = count("keepsync_provider_errors_total", provider="Zoom", cause="transient")
    with pytest.raises(OutageError), http.counting_errors("Zoom"):
        raise OutageError("Zoom answers 503.")
    assert count("keepsync_provider_errors_total", provider="Zoom", cause="transient") == before + 1


def test_tries_effects_and_the_sync_lag_are_counted_and_the_lag_once_only(calendar_live: Connection) -> None:
    def look() -> list[float]:
        hubspot = {"provider": "HubSpot"}
        return [
            count("keepsync_effects_total", outcome="succeeded", **hubspot),
            count("keepsync_attempts_total", queue="effects", outcome="succeeded", **hubspot),
            count("keepsync_sync_lag_seconds", le="+Inf", **hubspot),
            count("keepsync_attempts_total", queue="deliveries", outcome="processed", provider="calendar.live"),
        ]

    pair_with_hubspot(calendar_live)
    before = look()
    with outside_world():
        receive(make_payload("dlv_1"))
        run_effects()
        first = look()
        reopen(Effect.objects.all())
        run_effects()
    assert [new - old for new, old in zip(first, before, strict=True)] == [2, 2, 2, 1]
    assert [new - old for new, old in zip(look(), first, strict=True)] == [2, 2, 0, 0]


# --- Rubbish ----------------------------------------------------------------------------------------------------------


def test_rubbish_makes_no_series_of_its_own(calendar_live: Connection, settings: Any) -> None:
    """Slugs, event types, providers, methods, statuses and kinds that nobody knows, more of each than is shown."""
    number = facts.SHOWN + 30
    Connection.objects.bulk_create(
        Connection(slug=f"rubbish-{each}", provider=f"rubbish_{each}") for each in range(number)
    )
    Schedule.objects.bulk_create(Schedule(name=f"rubbish {each}", func="x") for each in range(number))
    Heartbeat.objects.bulk_create(Heartbeat(name=f"rubbish {each}", beat_at=timezone.now()) for each in range(number))
    for connection in Connection.objects.filter(slug__startswith="rubbish"):
        make_effect(connection, status="pending")
    for each in range(20):
        post_webhook(read_sample("ping"), slug=f"nobody-{each}")
        post_webhook({**read_sample("ping"), "id": f"dlv_{each}", "type": f"rubbish.{each}"})
        http.record(f"RUBBISH{each}", "https://provider.example/", "Zoom", 1000 + each, 0.1)
    text = write_metrics().decode()

    assert lint(text) == []
    values = {name: list_values(family) for name, family in parse(text).items()}
    providers = {provider.name for provider in PROVIDERS.values()} | {"other"}
    assert values["keepsync_deliveries_total"]["provider"] <= providers
    assert values["keepsync_connections"]["provider"] <= providers
    assert len(values["keepsync_connection_held"]["connection"]) == facts.SHOWN
    assert len(values["keepsync_connection_backlog_effects"]["connection"]) < facts.SHOWN
    assert values["keepsync_outgoing_request_seconds"]["method"] <= {"GET", "POST", "PUT", "PATCH", "DELETE", "other"}
    assert not [value for value in values["keepsync_outgoing_request_seconds"]["status"] if value.startswith("10")]
    assert label_kind("rubbish.kind") == "other"


# --- The lint itself --------------------------------------------------------------------------------------------------

GOOD = "# HELP keepsync_things_total Things.\n# TYPE keepsync_things_total counter\n"
BAD_PAGES = {
    "no HELP": "# TYPE keepsync_things gauge\nkeepsync_things 1\n",
    "no TYPE": "# HELP keepsync_things Things.\nkeepsync_things 1\n",
    "no good name": "# HELP other_things Things.\n# TYPE other_things gauge\nother_things 1\n",
    "no base unit": "# HELP keepsync_wait_ms Wait.\n# TYPE keepsync_wait_ms gauge\nkeepsync_wait_ms 1\n",
    "names no unit": "# HELP keepsync_age Age.\n# TYPE keepsync_age gauge\nkeepsync_age 1\n",
    "something else": "# HELP keepsync_x_total X.\n# TYPE keepsync_x_total gauge\nkeepsync_x_total 1\n",
    "twice": f'{GOOD}keepsync_things_total{{a="1"}} 1\nkeepsync_things_total{{a="1"}} 2\n',
    "a label job": f'{GOOD}keepsync_things_total{{job="1"}} 1\n',
    "too much": f'{GOOD}keepsync_things_total{{a="{"x" * 99}"}} 1\n',
    "does not add up": "# HELP keepsync_x_seconds X.\n# TYPE keepsync_x_seconds histogram\n"
    'keepsync_x_seconds_bucket{le="1"} 2\nkeepsync_x_seconds_bucket{le="+Inf"} 1\n'
    "keepsync_x_seconds_count 1\nkeepsync_x_seconds_sum 1\n",
}


@pytest.mark.parametrize("problem", BAD_PAGES)
def test_the_lint_finds(problem: str) -> None:
    assert any(problem in found for found in lint(BAD_PAGES[problem]))
