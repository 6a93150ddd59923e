"""Hourly counts: exact whatever happens later, whoever counts, and however often."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection as database
from django.utils import timezone

from integrations.deliveries import discard
from integrations.ids import first_id_at
from integrations.models import Attempt, Connection, CountedHour, Delivery, Effect, HourlyCount
from integrations.operations import counting
from integrations.operations.counting import count_hour, count_hours, hour_of
from integrations.operations.histograms import EDGES
from tests.contacts.test_races import run_at_once
from tests.factories import make_delivery
from tests.integrations.admin.support import make_effect

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _look_back_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "REACH", timedelta(days=1))


def id_at(moment: datetime, number: int = 0) -> UUID:
    return UUID(int=first_id_at(moment).int + number)


def deliver(connection: Connection, moment: datetime, number: int = 0, **fields: Any) -> Delivery:
    values = {"status": "processed", "received_at": moment, "processed_at": moment + timedelta(seconds=3), **fields}
    return make_delivery(connection, {"id": f"{moment}-{number}"}, pk=id_at(moment, number), **values)


def send(connection: Connection, moment: datetime, number: int = 0, **fields: Any) -> Effect:
    values = {"status": "succeeded", "is_state": True, "finished_at": moment + timedelta(seconds=3), **fields}
    return make_effect(connection, pk=id_at(moment, number), **values)


def try_again(row: Delivery | Effect, moment: datetime, **fields: Any) -> None:
    """A try at that moment, after which the row is so."""
    about = {"delivery": row} if isinstance(row, Delivery) else {"effect": row}
    values = {"number": 1, "outcome": "succeeded", "started_at": moment, "finished_at": moment}
    Attempt.objects.create(pk=id_at(moment), **about, **values)
    type(row).objects.filter(pk=row.pk).update(**fields)


def read(what: str = "delivery") -> dict[tuple[str, str], int]:
    """By outcome and cause, over all hours."""
    found: dict[tuple[str, str], int] = {}
    for row in HourlyCount.objects.filter(what=what):
        found[row.outcome, row.cause] = found.get((row.outcome, row.cause), 0) + row.count
    return found


def read_times(what: str) -> list[tuple[float, int]]:
    """The upper edges of the times, with how many fell below each; those above the last edge under infinity."""
    edges = [*EDGES, float("inf")]
    rows = HourlyCount.objects.filter(what=what)
    return [(edges[at], count) for row in rows for at, count in enumerate(row.times) if count]


def test_deliveries_are_counted_by_hour_connection_outcome_and_cause(calendar_live: Connection) -> None:
    for number in range(3):
        deliver(calendar_live, NOW - HOUR, number)
    deliver(calendar_live, NOW)
    deliver(calendar_live, NOW, 1, status="dead", cause="payload", processed_at=None)
    deliver(calendar_live, NOW, 2, status="retrying", cause="transient", processed_at=None)
    count_hours(NOW)

    rows = HourlyCount.objects.order_by("hour", "outcome").values_list("hour", "outcome", "cause", "count")
    begin = NOW.replace(minute=0)
    assert list(rows) == [
        (begin - HOUR, "processed", "", 3),
        (begin, "dead", "payload", 1),
        (begin, "processed", "", 1),
        (begin, "retrying", "", 1),
    ]
    assert read_times("delivery") == [(5, 1), (5, 3)]


def test_the_sync_lag_is_from_receipt_until_the_state_was_there_first(calendar_live: Connection) -> None:
    delivery = deliver(calendar_live, NOW - timedelta(minutes=10))
    effect = send(calendar_live, NOW, delivery_id=delivery.pk, finished_at=delivery.received_at + timedelta(seconds=25))
    send(calendar_live, NOW, 1)
    send(calendar_live, NOW, 2, delivery_id=delivery.pk, is_state=False)
    count_hours(NOW)
    assert read_times("effect") == [(30, 1)]

    try_again(effect, delivery.received_at + timedelta(seconds=7))
    Effect.objects.filter(pk=effect.pk).update(finished_at=NOW)
    count_hours(NOW)
    assert read_times("effect") == [(10, 1)]
    assert read("effect") == {("succeeded", ""): 3}


def test_counting_twice_is_counting_once(calendar_live: Connection) -> None:
    deliver(calendar_live, NOW)
    send(calendar_live, NOW, status="dead", cause="permanent")
    for _ in range(3):
        count_hours(NOW)

    assert (read(), read("effect")) == ({("processed", ""): 1}, {("dead", "permanent"): 1})


def test_a_replay_long_after_is_counted_in_the_hour_of_its_receipt(calendar_live: Connection) -> None:
    old = NOW - 20 * HOUR
    delivery = deliver(calendar_live, old, status="stale")
    effect = send(calendar_live, old, status="suppressed")
    count_hours(NOW)
    CountedHour.objects.update(counted_at=NOW)
    try_again(delivery, NOW, status="processed")
    try_again(effect, NOW + timedelta(seconds=1), status="succeeded")
    later = NOW + timedelta(minutes=1)
    assert hour_of(delivery.pk) in counting.find_changed(later)
    count_hours(later)

    assert (read(), read("effect")) == ({("processed", ""): 1}, {("succeeded", ""): 1})
    assert set(HourlyCount.objects.values_list("hour", flat=True)) == {hour_of(delivery.pk)}


def test_what_a_person_closes_without_a_try_is_counted_in_turn(calendar_live: Connection) -> None:
    dead = [deliver(calendar_live, NOW - number * HOUR, status="dead", cause="payload") for number in range(3, 9)]
    count_hours(NOW)
    for delivery in dead:
        discard(delivery, "Not needed.")
    for _ in range(len(dead) // counting.IN_TURN):
        count_hours(NOW)

    assert read() == {("discarded", ""): 6}
    assert not CountedHour.objects.filter(hour__lt=NOW - 2 * HOUR, is_settled=False).exists()


def test_an_hour_that_is_over_and_settled_is_left_alone(calendar_live: Connection) -> None:
    deliver(calendar_live, NOW - 5 * HOUR)
    count_hours(NOW)
    CountedHour.objects.update(counted_at=NOW)

    later = NOW + timedelta(minutes=1)
    assert counting.find_changed(later) == [NOW.replace(minute=0)]
    assert counting.find_unsettled(later) == []
    assert list(counting.find_uncounted(later)) == []


def test_what_comes_in_shortly_before_the_hour_is_counted_after_it(calendar_live: Connection) -> None:
    CountedHour.objects.create(hour=NOW.replace(minute=0), counted_at=NOW.replace(minute=59))
    deliver(calendar_live, NOW.replace(minute=59, second=30))
    count_hours(NOW.replace(hour=13, minute=0, second=20))

    assert read() == {("processed", ""): 1}


def test_an_upgraded_installations_past_is_counted_as_time_allows(
    calendar_live: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    deliver(calendar_live, NOW - 10 * HOUR)
    monkeypatch.setattr(counting, "RUN_S", 0.0)
    count_hours(NOW)
    assert read() == {}

    monkeypatch.setattr(counting, "RUN_S", 60.0)
    count_hours(NOW)
    assert read() == {("processed", ""): 1}
    assert CountedHour.objects.count() == 25


def test_the_most_that_was_open_within_the_hour_is_kept(calendar_live: Connection) -> None:
    delivery = deliver(calendar_live, NOW, status="received", processed_at=None)
    send(calendar_live, NOW, status="waiting")
    send(calendar_live, NOW, 1, status="pending", subject="contact:2")
    count_hours(NOW)
    Delivery.objects.filter(pk=delivery.pk).update(status="processed")
    Effect.objects.update(status="succeeded")
    count_hours(NOW)

    hour = CountedHour.objects.get(hour=NOW.replace(minute=0))
    assert (hour.open_deliveries, hour.open_effects) == (1, 2)
    assert CountedHour.objects.filter(open_effects=None).count() == 24


@pytest.mark.parametrize("count", [1, 60])
def test_an_hour_needs_as_many_queries_for_many_rows_as_for_one(
    count: int, calendar_live: Connection, django_assert_max_num_queries: Any
) -> None:
    for number in range(count):
        deliver(calendar_live, NOW, number)
    with django_assert_max_num_queries(8):
        count_hour(NOW.replace(minute=0))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_at_once_count_what_is_there() -> None:
    from_now = timezone.now()
    connection = Connection.objects.create(slug="calendar-live", provider="calendar_live")
    for number in range(40):
        deliver(connection, from_now, number, status="received", processed_at=None)
    keys = list(Delivery.objects.values_list("pk", flat=True))

    def work(number: int) -> None:
        for key in keys[number::8]:
            Delivery.objects.filter(pk=key).update(status="processed")
            count_hour(hour_of(key))
        database.close()

    run_at_once(work)
    count_hour(hour_of(keys[0]))

    assert read() == {("processed", ""): 40}
    assert HourlyCount.objects.count() == 1
