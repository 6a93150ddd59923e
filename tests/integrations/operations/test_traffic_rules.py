"""Alerts about traffic: each opens above its limit, tells figures and what to press, and is over well below it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import responses
import time_machine
from django.utils import timezone

from integrations import calls, intake, refusals
from integrations.connections import set_status
from integrations.exceptions import ReauthoriseError
from integrations.models import Alert, AlertRule, Connection, Delivery, HourlyCount, RefusalCount
from integrations.operations.alerts import check
from integrations.operations.counting import begin_of
from integrations.operations.histograms import EMPTY
from tests.factories import make_connection, make_delivery, make_payload, post_webhook
from tests.integrations.admin.support import make_effect

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)


@pytest.fixture
def hubspot(db: None) -> Connection:
    return make_connection("hubspot", provider="hubspot", options={"access_token": "t", "expires_in": "36000000"})


def count(connection: Connection, what: str, *, hours_ago: int = 0, lag: int | None = None, **outcomes: int) -> None:
    """Replace the counts of an hour. `lag` is the number of the histogram's bucket that all times fall into."""
    hour = begin_of(timezone.now()) - timedelta(hours=hours_ago)
    HourlyCount.objects.filter(connection=connection, what=what, hour=hour).delete()
    for outcome, number in outcomes.items():
        times = list(EMPTY)
        if lag is not None and outcome == "succeeded":
            times[lag] = number
        HourlyCount.objects.create(
            connection=connection, what=what, hour=hour, outcome=outcome, count=number, times=times
        )


def find(kind: str) -> Alert | None:
    """The open alert after a check."""
    check()
    return Alert.objects.filter(kind=kind, closed_at=None).first()


def find_level(kind: str) -> str:
    alert = find(kind)
    return alert.level if alert else ""


# --- Failed share -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("what", "done"), [("delivery", "processed"), ("effect", "succeeded")])
def test_a_failed_share_is_told_per_connection_with_figures_and_a_link(
    what: str, done: str, hubspot: Connection, calendar_live: Connection
) -> None:
    kind = {"delivery": "failing_deliveries", "effect": "failing_effects"}[what]
    count(hubspot, what, **{done: 85, "retrying": 10, "dead": 5})
    count(calendar_live, what, **{done: 100})
    alert = find(kind)

    assert alert is not None
    assert (alert.connection, alert.level, alert.press) == (hubspot, "warning", "Look at them")
    assert "15 of 100" in alert.text
    assert f"/admin/integrations/{what}/?connection__id__exact={hubspot.pk}&status__exact=retrying" in alert.page


def test_few_events_conclude_nothing(hubspot: Connection) -> None:
    count(hubspot, "effect", dead=10, succeeded=9)
    assert find("failing_effects") is None
    count(hubspot, "effect", dead=10, succeeded=10)
    assert find_level("failing_effects") == "critical"


def test_a_failed_share_around_the_limit_does_not_flap(hubspot: Connection) -> None:
    for dead in (10, 9, 6, 10, 5):
        count(hubspot, "effect", dead=dead, succeeded=100 - dead)
        assert find("failing_effects") is not None, dead
    count(hubspot, "effect", dead=4, succeeded=96)
    assert find("failing_effects") is None
    count(hubspot, "effect", dead=9, succeeded=91)
    assert find("failing_effects") is None
    assert Alert.objects.get(kind="failing_effects").times_seen == 5


def test_what_failed_three_hours_ago_is_not_counted(hubspot: Connection) -> None:
    count(hubspot, "effect", hours_ago=3, dead=90, succeeded=10)
    assert find("failing_effects") is None
    count(hubspot, "effect", hours_ago=1, dead=90, succeeded=10)
    assert find("failing_effects") is not None


def test_a_limit_that_was_changed_holds_from_the_next_check_on_and_a_rule_that_is_off_finds_nothing(
    hubspot: Connection,
) -> None:
    count(hubspot, "effect", dead=6, succeeded=4)
    rule = AlertRule.objects.filter(kind="failing_effects")
    assert find("failing_effects") is None
    rule.update(opens_at=60, minimum=10)
    assert find("failing_effects") is not None
    rule.update(is_enabled=False)
    assert find("failing_effects") is None


# --- Backlog ----------------------------------------------------------------------------------------------------------


def test_a_delivery_that_waits_for_ten_minutes_is_told_and_over_when_it_was_worked_on(
    calendar_live: Connection,
) -> None:
    delivery = make_delivery(calendar_live, make_payload(), received_at=timezone.now() - timedelta(minutes=9))
    assert find("late_deliveries") is None
    Delivery.objects.update(received_at=timezone.now() - timedelta(minutes=11))
    alert = find("late_deliveries")
    assert alert is not None
    assert "1 deliveries are due" in alert.text
    assert alert.page.endswith("status__exact=received")
    Delivery.objects.update(received_at=timezone.now() - timedelta(hours=2))
    assert find_level("late_deliveries") == "critical"
    Delivery.objects.filter(pk=delivery.pk).update(status="processed")
    assert find("late_deliveries") is None


def test_what_is_not_due_yet_or_rests_on_purpose_is_no_backlog(calendar_live: Connection, hubspot: Connection) -> None:
    long_ago, later = timezone.now() - timedelta(days=1), timezone.now() + timedelta(hours=1)
    make_delivery(calendar_live, make_payload(), status="retrying", received_at=long_ago, next_attempt_at=later)
    make_effect(hubspot, due_at=later, status="retrying")
    make_effect(hubspot, due_at=long_ago, status="waiting", cause="unknown_outcome")
    paused = make_connection("paused", provider="hubspot", options={"access_token": "t"})
    make_effect(paused, due_at=long_ago)
    set_status(paused, Connection.Status.PAUSED)
    check()

    assert not Alert.objects.filter(kind__startswith="late_").exists()


def test_a_replayed_delivery_waits_since_its_replay(calendar_live: Connection) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    make_delivery(calendar_live, make_payload(), received_at=long_ago, attempts=3, attempts_before_replay=3)

    assert find("late_deliveries") is None


def test_effects_that_wait_for_a_provider_that_is_away_are_a_backlog(hubspot: Connection) -> None:
    effect = make_effect(hubspot, due_at=timezone.now() - timedelta(minutes=20), status="waiting", cause="transient")
    alert = find("late_effects")
    assert alert is not None
    assert f"{effect.due_at:%Y-%m-%d %H:%M} UTC" in alert.text
    assert alert.page.endswith("status__exact=waiting")


# --- Dead letters -----------------------------------------------------------------------------------------------------


def test_dead_letters_are_told_by_connection_with_their_causes_until_there_are_none(
    hubspot: Connection, calendar_live: Connection
) -> None:
    for number in range(3):
        make_effect(hubspot, status="dead", cause="permanent", subject=f"contact:{number}")
    make_delivery(hubspot, {"id": "d1"}, status="dead", cause="payload")
    make_delivery(calendar_live, {"id": "d2"}, status="processed")
    alert = find("dead_letters")

    assert alert is not None
    assert alert.connection == hubspot
    assert (
        "4 use no more tries: 3 effects, never accepted by the other side; 1 deliveries, cannot be read." in alert.text
    )
    assert alert.page == "/admin/integrations/delivery/dead-letters/"
    hubspot.effect_set.update(status="discarded")
    hubspot.delivery_set.update(status="discarded")
    assert find("dead_letters") is None


# --- Sync lag ---------------------------------------------------------------------------------------------------------


def test_a_sync_lag_above_the_objective_is_told_and_over_well_below_it(hubspot: Connection) -> None:
    count(hubspot, "effect", succeeded=19, lag=8)
    assert find("sync_lag") is None
    count(hubspot, "effect", succeeded=20, lag=7)
    alert = find("sync_lag")
    assert alert is not None
    assert "Of 20 changes" in alert.text
    assert "the objective is 30" in alert.text
    count(hubspot, "effect", succeeded=20, lag=6)
    assert find("sync_lag") is not None
    count(hubspot, "effect", succeeded=20, lag=4)
    assert find("sync_lag") is None


# --- 401 --------------------------------------------------------------------------------------------------------------


@time_machine.travel(NOW, tick=False)
def test_webhooks_that_nobody_known_signed_are_counted_and_told(calendar_live: Connection) -> None:
    for number in range(4):
        assert post_webhook(make_payload(f"dlv_{number}"), secret="wrong").status_code == 401
    assert find("webhooks_refused") is None
    assert post_webhook(make_payload("dlv_9"), secret="wrong").status_code == 401
    alert = find("webhooks_refused")

    assert alert is not None
    assert "5 requests since 11:00 UTC were answered with 401" in alert.text
    assert alert.page.endswith("status__exact=rejected")
    with time_machine.travel(NOW + timedelta(hours=2), tick=False):
        assert find("webhooks_refused") is None


def test_a_request_that_was_signed_but_is_malformed_is_no_401(calendar_live: Connection) -> None:
    for _ in range(intake.BATCH_LIMIT):
        assert post_webhook(b"{}").status_code == 400

    assert not RefusalCount.objects.exists()


@responses.activate
def test_calls_that_a_provider_refuses_are_counted_and_told(hubspot: Connection) -> None:
    def refuse(account: Any) -> None:
        raise ReauthoriseError("HubSpot refuses the connection's credentials (401).")

    for _ in range(5):
        with pytest.raises(ReauthoriseError):
            calls.use_account(hubspot, refuse)
    assert RefusalCount.objects.get().calls == 5
    alert = find("calls_refused")

    assert alert is not None
    assert alert.connection == hubspot
    assert "5 calls" in alert.text


def test_refusals_are_kept_for_thirty_days(hubspot: Connection) -> None:
    with time_machine.travel(NOW - timedelta(days=31), tick=False):
        refusals.count_call(hubspot.pk)
    with time_machine.travel(NOW, tick=False):
        refusals.count_webhook(hubspot.pk)
        refusals.forget_old()

    assert [(row.webhooks, row.calls) for row in RefusalCount.objects.all()] == [(1, 0)]
