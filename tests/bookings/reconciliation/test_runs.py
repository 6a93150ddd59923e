"""Runs keep their place: killed anywhere they go on where they were, and rest while a provider does."""

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from bookings import jobs
from bookings.models import Discrepancy, Meeting, ReconciliationRun
from bookings.reconciliation import runs, walks
from bookings.reconciliation.ledger import Ledger
from integrations.exceptions import StateError
from integrations.models import ChangeCount, Connection
from tests.bookings.flows.playing import run_effects
from tests.factories import make_connection

pytestmark = pytest.mark.django_db

FACTS = ("checked", "discrepancies", "repaired", "escalated", "by_kind", "status", "redelivered")
# Of what `make_town` makes: events in three pages, what they did not show, the CRM's records, the log in two.
PAGES = 8
EXPECTED = {
    "checked": 8,
    "discrepancies": 6,
    "repaired": 4,
    "escalated": 2,
    "by_kind": {"field_differs": 3, "missing_here": 2, "missing_there": 1},
    "status": "done",
    "redelivered": 3,
}
ERROR = {"code": "some_code", "message": "Some message"}


class KilledError(BaseException):
    """As if the process had ended: nobody catches it."""


def facts(run: ReconciliationRun) -> dict[str, Any]:
    run.refresh_from_db()
    return {name: getattr(run, name) for name in FACTS}


def finish(run: ReconciliationRun) -> None:
    while runs.work(run.pk, seconds=60) is not None:
        pass


def let_leases_end() -> None:
    ReconciliationRun.objects.update(lease_expires_at=timezone.now(), resumes_at=None)


def later(**duration: float) -> None:
    """As if so much time had gone by for runs that rest."""
    resting = ReconciliationRun.objects.exclude(resumes_at=None)
    resting.update(resumes_at=F("resumes_at") - timedelta(**duration))


# --- Killed -----------------------------------------------------------------------------------------------------------


def make_town(live, world) -> None:
    """Seven events of all sorts, in pages of two, and a log of three in pages of two."""
    live.size = 2
    for number in range(1, 4):
        live.tell(f"evt_{number}")
    run_effects()
    live.change("evt_2", title="Unheard")
    live.change("evt_4")
    live.change("evt_5")
    live.tell("evt_6", title="To be lost over there")
    Meeting.objects.filter(external_id="evt_3").update(title="Somebody's")
    del live.events["evt_1"]
    for key in ("dlv_a", "dlv_b", "dlv_c"):
        live.fail_delivery(key)


def test_a_run_that_nobody_disturbs_takes_so_many_pages(live, world, crm, calendar, monkeypatch):
    make_town(live, world)
    pages = []
    run = runs.start(calendar)
    runs.work(run.pk, seconds=60, report=lambda run: pages.append(run.step))
    found = facts(run)
    assert len(pages) + 1 == PAGES
    assert found == EXPECTED


@pytest.mark.parametrize("kill_at", range(1, PAGES + 1))
def test_a_run_that_is_killed_at_any_page_goes_on_and_comes_to_the_same(
    live, world, crm, calendar, monkeypatch, kill_at
):
    make_town(live, world)
    pages = []
    save = Ledger.save_place

    def save_or_die(ledger: Ledger, *arguments: Any) -> None:
        pages.append(ledger.run.step)
        if len(pages) == kill_at:
            raise KilledError
        save(ledger, *arguments)

    monkeypatch.setattr(Ledger, "save_place", save_or_die)
    run = runs.start(calendar)
    with pytest.raises(KilledError):
        finish(run)
    assert runs.work(run.pk) is None
    let_leases_end()
    finish(run)
    found = facts(run)
    assert (found["status"], found["escalated"]) == ("done", 2)
    assert found["by_kind"]["missing_here"] == 2
    assert found["repaired"] == Discrepancy.objects.filter(status="repaired").count()
    assert Meeting.objects.count() == 6
    assert sorted(live.redelivered) == ["dlv_a", "dlv_b", "dlv_c"]
    assert ChangeCount.objects.get().missed == 3
    run_effects()
    second = runs.start(calendar)
    finish(second)
    assert facts(second)["repaired"] == 0


def test_a_run_is_worked_on_by_one_process_at_a_time(live, calendar):
    live.size = 1
    live.change("evt_1")
    live.change("evt_2")
    run = runs.start(calendar)
    seen = []
    runs.work(run.pk, seconds=60, report=lambda run: seen.append(runs.work(run.pk)))
    assert seen
    assert set(seen) == {None}
    assert facts(run)["checked"] == 2


def test_who_has_lost_the_lease_keeps_no_place(live, calendar):
    live.size = 1
    live.change("evt_1")
    live.change("evt_2")
    run = runs.start(calendar)
    runs.work(run.pk, seconds=60, report=lambda run: ReconciliationRun.objects.update(lease_token=None))
    run.refresh_from_db()
    assert (run.status, run.checked, run.cursor) == ("running", 1, "1")


def test_a_job_works_for_a_slice_and_queues_the_next(live, calendar, monkeypatch):
    queued = []
    monkeypatch.setattr(jobs, "queue_run", lambda run_id, *, delay_s=0: queued.append((run_id, delay_s)))
    monkeypatch.setattr(runs, "SLICE_S", 0)
    monkeypatch.setattr(runs.work, "__kwdefaults__", {"seconds": 0, "report": lambda run: None})
    live.change("evt_1")
    run = jobs.start_reconciliation(connection=calendar)
    while len(queued) < 10 and ReconciliationRun.objects.get().status != "done":
        jobs.continue_reconciliation(str(queued[-1][0]))
    assert facts(run)["status"] == "done"
    assert queued == [(run.pk, 0)] * 4


# --- Resting ----------------------------------------------------------------------------------------------------------


def test_a_rate_limit_lets_the_run_rest_for_as_long_as_is_asked(live, calendar):
    live.change("evt_1")
    live.fail("GET /v1/events", 429, ERROR)
    run = runs.start(calendar)
    assert runs.work(run.pk) == 5.0
    run.refresh_from_db()
    assert (run.status, run.cause) == ("waiting", "rate_limited")
    assert runs.work(run.pk) is None
    later(seconds=6)
    finish(run)
    assert facts(run)["by_kind"] == {"missing_here": 1}


def test_an_outage_lets_the_run_rest_longer_each_time_and_fails_nothing(live, calendar):
    live.fail("GET /v1/events", 503, ERROR, times=12)
    run = runs.start(calendar)
    rests = []
    for _ in range(4):
        rests.append(runs.work(run.pk))
        later(seconds=3600)
    assert rests == [5.0, 10.0, 20.0, 40.0]
    finish(run)
    assert facts(run)["status"] == "done"


def test_a_refused_token_holds_the_run_until_a_person_has_authorised_the_connection(live, calendar):
    live.fail("GET /v1/events", 401, ERROR)
    run = runs.start(calendar)
    assert runs.work(run.pk) is None
    run.refresh_from_db()
    calendar.refresh_from_db()
    assert (run.status, run.cause, calendar.status) == ("waiting", "reauthorise", "needs_reauthorisation")
    later(seconds=120)
    assert runs.find_due(timezone.now()) == []
    Connection.objects.update(status="active")
    assert runs.find_due(timezone.now()) == [run.pk]
    finish(run)
    assert facts(run)["status"] == "done"


def test_a_connection_that_is_paused_meanwhile_holds_the_run(live, calendar):
    run = runs.start(calendar)
    Connection.objects.update(status="paused")
    assert runs.work(run.pk) is None
    run.refresh_from_db()
    assert (run.status, run.error) == ("waiting", "calendar-live is paused.")
    assert live.told == []


def test_what_calendar_live_does_not_allow_ends_the_run_and_says_so(live, calendar):
    live.fail("GET /v1/events", 403, ERROR)
    run = runs.start(calendar)
    assert runs.work(run.pk) is None
    run.refresh_from_db()
    assert (run.status, run.cause) == ("failed", "configuration")
    assert "403" in run.error


def test_a_crm_that_is_away_holds_the_run_at_its_place(live, world, crm, calendar):
    live.tell("evt_1")
    run_effects()
    away = {"status": "error", "category": "X", "message": "away", "correlationId": "c-1"}
    world.hubspot.fail("POST .*/meetings/batch/read", 503, away, times=3)
    run = runs.start(calendar)
    assert runs.work(run.pk) == 5.0
    run.refresh_from_db()
    assert (run.step, run.checked) == ("crms", 1)
    later(seconds=10)
    finish(run)
    assert facts(run)["checked"] == 2
    assert live.count("GET /v1/events") == 1


# --- Starting ---------------------------------------------------------------------------------------------------------


def test_each_day_every_active_calendar_is_compared_unless_it_is_already(live, calendar):
    now = timezone.now()
    (run_id,) = runs.start_due(now)
    assert runs.start_due(now) == []
    ReconciliationRun.objects.update(created_at=now - timedelta(hours=24))
    assert len(runs.start_due(now)) == 1
    old = ReconciliationRun.objects.get(pk=run_id)
    assert (old.status, old.error) == ("failed", "It did not come to its end; a newer one was started.")
    Connection.objects.update(status="paused")
    ReconciliationRun.objects.all().delete()
    assert runs.start_due(now) == []


def test_a_connection_that_was_made_for_its_webhooks_alone_is_not_compared_each_day(calendar):
    make_connection("aside")
    (run_id,) = runs.start_due(timezone.now())
    assert ReconciliationRun.objects.get(pk=run_id).connection == calendar


def test_a_run_that_has_lost_its_job_is_found(live, calendar):
    run = runs.start(calendar)
    assert runs.find_due(timezone.now()) == []
    assert runs.find_due(timezone.now() + timedelta(minutes=2)) == [run.pk]


def test_only_an_active_calendar_can_be_compared(calendar, crm):
    with pytest.raises(StateError, match="no calendar"):
        runs.start(crm)
    Connection.objects.filter(pk=calendar.pk).update(status="disabled")
    calendar.refresh_from_db()
    with pytest.raises(StateError, match="disabled"):
        runs.start(calendar)


# --- The delivery log -------------------------------------------------------------------------------------------------


def test_failed_deliveries_that_never_came_are_asked_for_again(live, reconcile):
    live.tell("evt_1")
    live.fail_delivery("dlv_evt_1_1")
    live.fail_delivery("dlv_lost")
    live.fail_delivery("dlv_ping", event_type="ping")
    run = reconcile()
    assert (run.redelivered, run.discrepancies) == (1, 0)
    assert live.redelivered == ["dlv_lost"]
    assert reconcile().redelivered == 0


def test_a_log_that_may_not_be_read_is_noted(live, reconcile):
    live.fail("GET /v1/webhook_deliveries", 403, ERROR)
    run = reconcile()
    assert run.status == "done"
    assert run.notes[0].startswith("The delivery log was not read")


def test_a_delivery_that_the_log_has_forgotten_is_left(live, reconcile):
    live.fail_delivery("dlv_lost")
    live.fail("POST /v1/webhook_deliveries/dlv_lost/redeliver", 404, ERROR)
    run = reconcile()
    assert (run.status, run.redelivered) == ("done", 0)


# --- How much it asks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 30])
def test_a_page_costs_as_many_queries_whatever_stands_on_it(
    live, world, crm, calendar, django_assert_max_num_queries, size
):
    for number in range(size):
        live.tell(f"evt_{number}")
    run_effects()
    run = runs.start(calendar)
    with django_assert_max_num_queries(50):
        finish(run)
    assert facts(run)["checked"] == 2 * size


def test_calls_keep_a_distance_that_leaves_room_for_what_goes_out(live, calendar, monkeypatch):
    waited = []
    monkeypatch.setattr(walks.time, "sleep", waited.append)
    monkeypatch.setattr(walks, "SHARE", 0.00001)
    live.size = 1
    live.change("evt_1")
    live.change("evt_2")
    finish(runs.start(calendar))
    assert len(waited) == 2
    assert all(0 < seconds <= 1 for seconds in waited)
