"""The probes of "Integration" in the plumbing: each passes where all is well, and fails where that thing is broken."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection as database
from django.http import HttpResponse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Schedule

from integrations import intake
from integrations.connections import add_connection
from integrations.models import (
    AlertRule,
    Connection,
    Delivery,
    Effect,
    FieldMapping,
    FieldRule,
    Heartbeat,
    Pair,
    RejectionCount,
    WebhookSecret,
)
from integrations.operations import alert_rules, rules
from integrations.operations.checklist import Standing, ask, get_item, look, sign
from integrations.operations.probes import webhooks
from integrations.pairs import make_pair
from integrations.providers.base import Provider, Rate
from integrations.providers.calendar_live.provider import CalendarLive
from tests.integrations.admin.support import make_effect
from tests.integrations.checklist.support import FAILED, NOT_APPLICABLE, probe, prove, refute


@pytest.fixture
def pair(calendar_live: Connection) -> Pair:
    return make_pair(calendar_live, add_connection(slug="hubspot", provider="hubspot")[0], Pair.Pattern.TWO_WAY)


@pytest.fixture
def worker(db: None) -> None:
    Heartbeat.objects.create(name="worker", beat_at=timezone.now())
    Schedule.objects.update(next_run=timezone.now())


def stands(name: str) -> Standing:
    return look(timezone.now(), [get_item(name)])[0].standing


# --- Owners of fields -------------------------------------------------------------------------------------------------


def test_without_a_paired_crm_there_is_nothing_to_decide(calendar_live: Connection) -> None:
    assert probe("field_owners").status == NOT_APPLICABLE


def test_each_pair_is_named_with_what_was_decided(pair: Pair) -> None:
    FieldRule.objects.create(pair=pair, record="contact", field="phone", owner="crm", mode="never", policy="owner_wins")
    assert "calendar-live and hubspot: Both ways" in prove("field_owners")
    assert "1 rules changed by hand" in prove("field_owners")


def test_a_pair_without_a_mapping_is_not_decided(pair: Pair) -> None:
    FieldMapping.objects.all().delete()
    assert "none of our fields is mapped" in refute("field_owners")


@pytest.mark.parametrize("change", ["pattern", "rule", "mapping"])
def test_a_signature_for_the_owners_is_void_once_a_rule_a_pattern_or_a_mapping_changes(
    change: str, pair: Pair, admin_user: User
) -> None:
    sign(get_item("field_owners"), admin_user, "Looked at each field with sales.")
    assert stands("field_owners") == Standing.PASSED
    if change == "pattern":
        Pair.objects.update(pattern=Pair.Pattern.OUT)
    elif change == "rule":
        FieldRule.objects.create(
            pair=pair, record="contact", field="phone", owner="crm", mode="never", policy="owner_wins"
        )
    else:
        FieldMapping.objects.order_by("id")[:1].get().delete()
    assert stands("field_owners") == Standing.VOID


# --- Times ------------------------------------------------------------------------------------------------------------


def test_times_are_in_utc(db: None) -> None:
    assert "counts in UTC" in prove("times_in_utc")


def test_a_column_without_a_zone_is_found(db: None) -> None:
    with database.cursor() as cursor:
        cursor.execute("ALTER TABLE integrations_alert ALTER COLUMN closed_at TYPE timestamp")
    assert "integrations_alert.closed_at" in refute("times_in_utc")


def test_a_database_that_counts_in_another_zone_is_found(db: None) -> None:
    with database.cursor() as cursor:
        cursor.execute("SET LOCAL TimeZone TO 'Europe/Paris'")
    assert "counts in Europe/Paris" in refute("times_in_utc")


def test_times_without_a_zone_in_the_program_are_found(db: None, settings: Any) -> None:
    settings.USE_TZ = False
    assert "USE_TZ is off" in refute("times_in_utc")


# --- Signatures -------------------------------------------------------------------------------------------------------


def test_the_intake_refuses_what_is_not_signed_and_nothing_of_the_try_is_left(calendar_live: Connection) -> None:
    assert "calendar-live: requests without a signature" in prove("signatures")
    assert not Delivery.objects.exists()
    assert not RejectionCount.objects.exists()


def test_every_provider_that_sends_webhooks_is_tried(calendar_live: Connection) -> None:
    names = ["hubspot", "pipedrive", "salesforce", "stripe", "zoom"]
    for name in names:
        add_connection(slug=name, provider=name, webhook_secret="name:secret")
    assert f"calendar-live, {', '.join(names)}" in prove("signatures")


def test_an_intake_that_lets_everything_in_is_found(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CalendarLive, "verify", lambda self, request, secrets: True)
    assert "a request with no signature was answered" in refute("signatures")


def test_an_intake_that_looks_only_whether_there_is_a_signature_is_found(
    calendar_live: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CalendarLive, "verify", lambda self, request, secrets: "x-cl-signature" in request.headers)
    assert "a request with a wrong signature was answered" in refute("signatures")


def test_an_intake_that_refuses_everything_is_found(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CalendarLive, "verify", lambda self, request, secrets: False)
    assert "what one of its active secrets signs is refused" in refute("signatures")


def test_an_intake_that_is_out_of_order_is_no_proof(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "knock", lambda *arguments: HttpResponse(status=503))
    assert "was answered 503" in refute("signatures")


def test_a_connection_without_a_secret_is_found(calendar_live: Connection) -> None:
    WebhookSecret.objects.update(retired_at=timezone.now())
    assert "calendar-live: it has no active webhook secret" in refute("signatures")


def test_where_nothing_receives_webhooks_nothing_is_proved(db: None) -> None:
    assert refute("signatures") == refute("duplicates") == "No connection receives webhooks."


# --- Repeats ----------------------------------------------------------------------------------------------------------


def test_a_repeat_is_stored_once_and_nothing_of_the_try_is_left(calendar_live: Connection) -> None:
    assert "given twice, and stored once" in prove("duplicates")
    assert not Delivery.objects.exists()
    assert not OrmQ.objects.exists()


def test_an_intake_that_stores_repeats_is_found(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it would be with ids that the sender makes anew for each try."""
    make_row = intake.make_row
    taken = iter(range(9))
    monkeypatch.setattr(
        intake,
        "make_row",
        lambda verified, envelope: make_row(verified, envelope)._replace(delivery_id=f"dlv_{next(taken)}"),
    )
    assert "stored 0 times" in refute("duplicates")


def test_a_database_without_the_unique_index_of_deliveries_is_found(calendar_live: Connection) -> None:
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass FROM pg_index "
            "WHERE indrelid = 'integrations_delivery'::regclass AND indisunique AND NOT indisprimary"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX {name}")
    assert ask(get_item("duplicates"), timezone.now()).status == FAILED


# --- Who hears of it --------------------------------------------------------------------------------------------------


def test_a_schedule_that_runs_is_proved(worker: None) -> None:
    assert "schedules are on time" in prove("schedule")


def test_a_worker_that_is_silent_is_found(worker: None) -> None:
    Heartbeat.objects.update(beat_at=timezone.now() - timedelta(minutes=4))
    assert "The worker's last sign of life is missing or too old" in refute("schedule")


def test_a_schedule_that_stands_still_is_found(worker: None) -> None:
    Schedule.objects.filter(name="sweep").update(next_run=timezone.now() - timedelta(minutes=6))
    assert refute("schedule") == "These should have run long ago: sweep."


def test_alerts_that_nobody_asks_for_are_found(worker: None) -> None:
    Schedule.objects.filter(name="check_alerts").delete()
    assert refute("schedule") == "Nothing asks the rules of alerts."


def test_alerts_that_fail_are_found(worker: None) -> None:
    now = timezone.now()
    Failure.objects.create(
        id="1", name="1", func="integrations.jobs.check_alerts", success=False, started=now, stopped=now
    )
    assert "has failed 1 times" in refute("schedule")


def test_the_rules_that_must_be_there_are_named(calendar_live: Connection) -> None:
    assert "token_expiring" in prove("watched")
    assert "1 connections keep to their providers' rates" in prove("watched")


def test_a_rule_that_is_gone_is_found(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(rules._rules, alert_rules.TOKEN_EXPIRING)
    assert refute("watched") == "No rule opens alerts of these kinds: token_expiring."


def test_a_rule_that_is_switched_off_is_found(calendar_live: Connection) -> None:
    AlertRule.objects.filter(kind="calls_refused").update(is_enabled=False)
    assert refute("watched") == "No rule opens alerts of these kinds: calls_refused."


def test_a_connection_without_a_rate_is_found(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Provider, "rate", Rate(per_s=0, burst=0))
    monkeypatch.setattr(CalendarLive, "rate", Rate(per_s=0, burst=0))
    assert "calendar-live: how many calls its provider allows is not known" in refute("watched")


@pytest.fixture
def slack(db: None) -> Connection:
    return add_connection(slug="slack", provider="slack", options={"bot_token": "x", "channel": "#ops"})[0]


def test_without_a_channel_alerts_reach_nobody(db: None) -> None:
    assert refute("alert_channel") == "Alerts go out by no channel."


def test_a_channel_whose_last_message_arrived_is_proved(slack: Connection) -> None:
    make_effect(slack, kind="alert.slack", status=Effect.Status.DEAD)
    make_effect(slack, kind="slack.message", status=Effect.Status.SUCCEEDED)
    assert "slack: its last message arrived" in prove("alert_channel")


@pytest.mark.parametrize("status", [None, Effect.Status.DEAD, Effect.Status.WAITING])
def test_a_channel_whose_last_message_has_not_arrived_is_found(status: Effect.Status | None, slack: Connection) -> None:
    if status:
        make_effect(slack, kind="slack.message", status=Effect.Status.SUCCEEDED)
        make_effect(slack, kind="alert.slack", status=status)
    assert "Nothing shows that a message arrives by slack" in refute("alert_channel")


def test_letters_count_where_there_is_a_mail_server_and_an_administrator_with_an_address(
    admin_user: User, settings: Any
) -> None:
    email, _ = Connection.objects.get_or_create(slug="email", defaults={"provider": "email"})
    make_effect(email, kind="email.confirmation", status=Effect.Status.SUCCEEDED)
    assert refute("alert_channel") == "Alerts go out by no channel."
    settings.MAILERS = {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend"}}
    assert "email: its last message arrived" in prove("alert_channel")
