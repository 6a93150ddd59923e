"""Retention: what is over goes, what is open stays, and no count of the past changes."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.deliveries import process, replay
from integrations.ids import first_id_at
from integrations.jobs import continue_purge, purge, sweep
from integrations.models import (
    Alert,
    Attempt,
    Connection,
    Delivery,
    Effect,
    FieldWrite,
    HourlyCount,
    PurgeRun,
    ReplayItem,
    ReplayPlan,
    RetentionTime,
)
from integrations.operations import counting
from integrations.operations.counting import count_hours
from integrations.replays.forecasts import foretell
from integrations.replays.kinds import KINDS
from integrations.retention import kinds, rows, running
from integrations.retention.kinds import count_due, list_kinds, read_days, set_days
from tests.factories import make_connection, make_delivery, make_payload, post_webhook
from tests.integrations.admin.support import make_effect

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def id_at(age: timedelta, number: int = 0) -> UUID:
    return UUID(int=first_id_at(timezone.now() - age).int + number)


def deliver(connection: Connection, age: timedelta, number: int = 0, **fields: Any) -> Delivery:
    then = timezone.now() - age
    values = {"status": "processed", "received_at": then, "processed_at": then, **fields}
    return make_delivery(connection, {"id": f"dlv {age} {number}"}, pk=id_at(age, number), **values)


def send(connection: Connection, age: timedelta, number: int = 0, **fields: Any) -> Effect:
    values = {"status": "succeeded", "is_state": True, **fields}
    return make_effect(connection, pk=id_at(age, number), **values)


def try_at(row: Delivery | Effect, age: timedelta, number: int = 0) -> Attempt:
    about = {"delivery": row} if isinstance(row, Delivery) else {"effect": row}
    then = timezone.now() - age
    values = {"number": 1, "outcome": "succeeded", "started_at": then, "finished_at": then}
    return Attempt.objects.create(pk=id_at(age, number), **about, **values)


def purge_all() -> dict[str, int]:
    run_id = running.start()
    while running.take_slice(run_id):
        pass
    return PurgeRun.objects.get(pk=run_id).counts


def read_counts() -> list[tuple[Any, ...]]:
    counts = HourlyCount.objects.order_by("hour", "what", "outcome", "cause")
    return list(counts.values_list("hour", "what", "outcome", "cause", "count", "times"))


# --- Payloads ---------------------------------------------------------------------------------------------------------


def test_a_payload_is_emptied_when_its_time_is_over_and_its_delivery_stays(calendar_live: Connection) -> None:
    old = deliver(calendar_live, 91 * DAY, headers={"X-Id": "1"})
    young = deliver(calendar_live, 89 * DAY)

    assert purge_all() == {"payloads": 1}
    old.refresh_from_db()
    young.refresh_from_db()
    assert (bytes(old.body), old.headers, old.status) == (b"", {}, "processed")
    assert old.emptied_at
    assert bytes(old.body_digest) != b""
    assert (bytes(young.body) != b"", young.emptied_at) == (True, None)


def test_a_repeat_of_a_delivery_whose_payload_is_gone_is_still_known(calendar_live: Connection) -> None:
    payload = make_payload("dlv_old")
    post_webhook(payload)
    Delivery.objects.update(status="processed")
    rows.empty_payloads([Delivery.objects.get().pk])

    assert post_webhook(payload).json()["status"] == "duplicate"
    assert Delivery.objects.get().duplicates == 1


def test_a_replay_without_a_payload_is_refused_and_names_what_to_do(calendar_live: Connection) -> None:
    old = deliver(calendar_live, 91 * DAY)
    purge_all()

    assert replay(Delivery.objects.all()) == []
    with pytest.raises(CommandError, match=r"manage\.py reconcile --connection calendar-live --since"):
        call_command("replay", str(old.pk))
    forecast = foretell(KINDS[ReplayPlan.Kind.DELIVERY], Delivery.objects.all(), includes_done=True)
    assert {verdict.value: count for verdict, count in forecast.counts.items()} == {"emptied": 1}


def test_what_was_to_be_worked_on_and_is_empty_says_so(calendar_live: Connection) -> None:
    row = deliver(calendar_live, DAY, status="received", emptied_at=timezone.now())
    process(row.pk)
    row.refresh_from_db()

    assert (row.status, row.cause) == ("dead", "permanent")
    assert "manage.py reconcile" in row.error


# --- What goes, and what stays ----------------------------------------------------------------------------------------


def test_rows_go_with_their_attempts_and_what_happens_once_stays(calendar_live: Connection) -> None:
    gone, kept = deliver(calendar_live, 401 * DAY), deliver(calendar_live, 399 * DAY)
    state, letter = send(calendar_live, 401 * DAY), send(calendar_live, 401 * DAY, 1, is_state=False)
    rows_tried: list[Delivery | Effect] = [gone, state, letter]
    for number, row in enumerate(rows_tried):
        try_at(row, 10 * DAY, number)
    purge_all()

    assert list(Delivery.objects.all()) == [kept]
    assert list(Effect.objects.all()) == [letter]
    assert [attempt.effect for attempt in Attempt.objects.all()] == [letter]


OPEN_DELIVERIES = ["received", "processing", "retrying", "dead"]
OPEN_EFFECTS = ["pending", "running", "retrying", "waiting", "dead"]
AGES = st.integers(0, 2000)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deliveries=st.lists(st.tuples(st.sampled_from(Delivery.Status.values), AGES), max_size=8),
    effects=st.lists(st.tuples(st.sampled_from(Effect.Status.values), AGES, st.booleans()), max_size=8),
)
def test_what_is_open_is_never_touched(
    deliveries: list[tuple[str, int]], effects: list[tuple[str, int, bool]], calendar_live: Connection
) -> None:
    for model in (Attempt, Effect, Delivery):
        model.objects.all().delete()
    for number, (status, age) in enumerate(deliveries):
        row = deliver(calendar_live, age * DAY, number, status=status, is_accepted=status != "rejected")
        try_at(row, age * DAY, number)
    for number, (status, age, is_state) in enumerate(effects):
        values = {"status": status, "is_state": is_state, "subject": f"thing:{number}"}
        try_at(send(calendar_live, age * DAY, number, **values), age * DAY, 100 + number)
    open_rows = [
        list(Delivery.objects.filter(status__in=OPEN_DELIVERIES).values("pk", "body", "emptied_at", "attempts")),
        list(Effect.objects.filter(status__in=OPEN_EFFECTS).values()),
        list(Attempt.objects.filter(delivery__status__in=OPEN_DELIVERIES).values()),
        list(Attempt.objects.filter(effect__status__in=OPEN_EFFECTS).values()),
        list(Effect.objects.filter(is_state=False).values("pk", "idempotency_key", "status")),
    ]
    purge_all()

    assert open_rows == [
        list(Delivery.objects.filter(status__in=OPEN_DELIVERIES).values("pk", "body", "emptied_at", "attempts")),
        list(Effect.objects.filter(status__in=OPEN_EFFECTS).values()),
        list(Attempt.objects.filter(delivery__status__in=OPEN_DELIVERIES).values()),
        list(Attempt.objects.filter(effect__status__in=OPEN_EFFECTS).values()),
        list(Effect.objects.filter(is_state=False).values("pk", "idempotency_key", "status")),
    ]
    assert sum(count_due(timezone.now()).values()) == 0


def test_no_count_of_the_past_changes(calendar_live: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with the shortest times that can be set, and where an hour is counted again after the purge."""
    monkeypatch.setattr(counting, "REACH", 3 * DAY)
    set_days(dict.fromkeys(("rejected", "attempts", "deliveries", "effects", "payloads"), 1))
    hours = [timedelta(hours=each) for each in (1, 30, 70, 71, 72, 73, 74, 75, 200)]
    for age, status in product(hours, ("processed", "rejected", "dead")):
        number = len(status)
        row = deliver(calendar_live, age, number, status=status, is_accepted=status != "rejected")
        try_at(row, age, number)
        try_at(send(calendar_live, age, number, subject=f"{age} {status}"), age, 100 + number)
    count_all()
    before = read_counts()

    assert set(purge_all()) == {"payloads", "rejected", "attempts", "deliveries", "effects"}
    count_all()
    assert read_counts() == before


def count_all() -> None:
    """Count as often as it takes until each hour was looked at twice."""
    for _ in range(30):
        count_hours(timezone.now())


def test_logs_go_and_what_is_open_of_them_stays(calendar_live: Connection, admin_user: Any) -> None:
    now = timezone.now()
    FieldWrite.objects.create(connection=calendar_live, subject="contact:1", fields=["company"], verdict="applied")
    FieldWrite.objects.update(created_at=now - 366 * DAY)
    Alert.objects.create(kind="secret_old", title="Old", level="info", closed_at=now - 366 * DAY)
    Alert.objects.create(kind="secret_old", title="Open", level="info")
    Alert.objects.update(opened_at=now - 900 * DAY)
    over, under_way = (ReplayPlan.objects.create(kind="effect", per_second=1, total=1) for _ in range(2))
    ReplayPlan.objects.filter(pk=over.pk).update(finished_at=now - 181 * DAY, receipt={"total": 1})
    for plan in (over, under_way):
        ReplayItem.objects.create(plan=plan, effect=send(calendar_live, DAY, plan.pk.int % 1000))

    assert purge_all() == {"field_writes": 1, "alerts": 1, "replay_items": 1}
    assert [alert.title for alert in Alert.objects.all()] == ["Open"]
    assert [item.plan for item in ReplayItem.objects.all()] == [under_way]
    assert ReplayPlan.objects.get(pk=over.pk).receipt == {"total": 1}


def test_every_kind_can_be_counted_and_purged(db: None) -> None:
    assert set(count_due(timezone.now())) == {kind.name for kind in list_kinds()} == set(read_days())
    assert purge_all() == {}
    assert len({kind.name for kind in list_kinds()}) == 17


# --- Times ------------------------------------------------------------------------------------------------------------


def test_a_time_that_is_changed_holds_from_then_on_and_has_a_history(
    calendar_live: Connection, admin_user: Any
) -> None:
    deliver(calendar_live, 50 * DAY)
    assert set_days({"payloads": 40, "attempts": 180}, user=admin_user) == ["Payloads and headers of deliveries"]
    assert purge_all() == {"payloads": 1}
    change = RetentionTime.history.get()
    assert (change.days, change.history_user) == (40, admin_user)


def test_what_is_kept_for_ever_is_never_over(calendar_live: Connection) -> None:
    set_days({"payloads": None, "deliveries": None})
    deliver(calendar_live, 5000 * DAY)

    assert purge_all() == {}


def test_what_the_dashboard_counts_again_is_not_deleted_however_short_its_time(calendar_live: Connection) -> None:
    set_days({"rejected": 1})
    deliver(calendar_live, 29 * DAY, status="rejected", is_accepted=False)

    assert purge_all() == {}


# --- Runs -------------------------------------------------------------------------------------------------------------


def test_a_run_that_was_stopped_goes_on_where_it_was(
    calendar_live: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", 2)
    for number in range(5):
        deliver(calendar_live, 91 * DAY, number)
    run_id = running.start()
    assert running.take_batch(run_id) == 2

    assert running.start() == run_id
    while running.take_slice(run_id):
        pass
    run = PurgeRun.objects.get()
    assert (run.counts, run.finished_at is not None) == ({"payloads": 5}, True)
    assert running.take_batch(run_id) is None


def test_a_batch_that_fails_leaves_rows_and_counts_as_they_were(
    calendar_live: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(calendar_live, 91 * DAY)
    run_id = running.start()

    def die(self: Any, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(PurgeRun, "save", die)
        with pytest.raises(RuntimeError):
            running.take_batch(run_id)
    assert Delivery.objects.get().emptied_at is None
    assert purge_all() == {"payloads": 1}


def test_the_schedule_starts_a_run_and_the_sweeper_takes_up_a_lost_one(db: None) -> None:
    purge()
    run = PurgeRun.objects.get()
    PurgeRun.objects.update(worked_at=timezone.now() - timedelta(minutes=6))
    assert running.find_idle(timezone.now()) == [run.pk]
    sweep()
    continue_purge(str(run.pk))

    assert PurgeRun.objects.get().finished_at
    purge()
    assert PurgeRun.objects.count() == 2


def test_the_purge_gives_way_while_much_is_due(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert running.find_pause() == running.PAUSE_S
    monkeypatch.setattr(running, "BUSY_FROM", 0)
    assert running.find_pause() == running.BUSY_S


def test_a_batch_takes_few_queries(calendar_live: Connection, django_assert_max_num_queries: Any) -> None:
    for number in range(30):
        deliver(calendar_live, 91 * DAY, number)
    run_id = running.start()
    with django_assert_max_num_queries(8):
        running.take_batch(run_id)


def test_the_command_foretells_and_purges(calendar_live: Connection, capsys: Any) -> None:
    deliver(calendar_live, 91 * DAY)
    call_command("purge", "--dry-run")
    assert "payloads                    1 over (kept for 90 days)" in capsys.readouterr().out
    assert Delivery.objects.get().emptied_at is None
    call_command("purge", "--json")

    assert '"purged": {"payloads": 1}' in capsys.readouterr().out
    assert Delivery.objects.get().emptied_at


def test_the_checklist_is_told_how_it_stands(db: None) -> None:
    now = timezone.now()
    assert running.check_retention(now) == (
        False,
        "16 kinds of rows are kept for a time, 1 for ever. No purge has run yet: run manage.py purge.",
    )
    purge_all()
    assert running.check_retention(now)[0]
    assert not running.check_retention(now + 3 * DAY)[0]


def test_a_very_long_time_is_no_error(calendar_live: Connection) -> None:
    set_days(dict.fromkeys((kind.name for kind in list_kinds()), 18_250))
    deliver(calendar_live, 91 * DAY)

    assert purge_all() == {}
    assert kinds.find_cut("payloads", datetime(2026, 1, 1, tzinfo=UTC)) is not None
    assert make_connection("other").pk
