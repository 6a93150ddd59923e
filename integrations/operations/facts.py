"""What the metrics tell of the whole installation. It is read from the database, so it is the same on every host.

A fixed number of queries, whatever there is: the indexes that they read hold only what is open, or dead.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import psycopg
from django.db import Error as DatabaseError
from django.db import connection as database
from django.db.models import Count, Max, Q, Sum
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from integrations.ids import made_at
from integrations.models import Alert, ChangeCount, Connection, Delivery, Effect, Heartbeat
from integrations.operations.standing import OPEN, Standing, look_at_deliveries, look_at_effects
from integrations.providers import PROVIDERS, label_provider

# So many connections are told of one by one, and so many schedules and signs of life: the first that were made.
SHOWN = 100
# More queued jobs than this are not counted.
JOBS_COUNTED = 100_000

type Row = tuple[Sequence[str], float]


class Installation(Collector):
    def collect(self) -> Iterator[Metric]:
        """Without the database only that it is away."""
        try:
            facts = list(read_facts(timezone.now()))
        except (DatabaseError, psycopg.Error):
            database.close()
            facts = []
        yield gauge("keepsync_database_up", "Whether the database answered this page.", (), [((), bool(facts))])
        yield from facts


def gauge(name: str, text: str, labels: Sequence[str], rows: Iterable[Row]) -> GaugeMetricFamily:
    return fill(GaugeMetricFamily(name, text, labels=labels), rows)


def fill[Family: GaugeMetricFamily | CounterMetricFamily](family: Family, rows: Iterable[Row]) -> Family:
    for labels, value in rows:
        family.add_metric(labels, float(value))
    return family


def read_facts(now: datetime) -> Iterator[Metric]:
    yield from tell_backlog(now)
    yield from tell_connections(now)
    yield from tell_changes()
    yield tell_alerts()
    yield from tell_signs_of_life(now)


# --- What stands open -------------------------------------------------------------------------------------------------


def tell_backlog(now: datetime) -> Iterator[Metric]:
    deliveries, effects = look_at_deliveries(now), look_at_effects()
    yield tell_open("keepsync_backlog_deliveries", "Deliveries that are still to be worked on.", Delivery, deliveries)
    yield tell_open("keepsync_backlog_effects", "Effects that are still to be carried out.", Effect, effects)
    yield gauge(
        "keepsync_unknown_outcome_effects",
        "Those of the waiting effects of which a person must say whether they arrived.",
        (),
        [((), effects.unknown)],
    )
    yield gauge(
        "keepsync_backlog_oldest_age_seconds",
        "Since when the oldest delivery or effect of this status has been there.",
        ("queue", "status"),
        (((queue, status), (now - at).total_seconds()) for queue, status, at in find_oldest()),
    )
    dead = {"deliveries": deliveries.dead, "effects": effects.dead}
    yield gauge(
        "keepsync_dead_letters",
        "Deliveries and effects whose tries are used up, and that nobody has replayed or discarded.",
        ("queue", "cause"),
        (((queue, cause), count) for queue, causes in dead.items() for cause, count in causes.items()),
    )


def tell_open(name: str, text: str, model: type[Delivery | Effect], standing: Standing) -> Metric:
    """Every status, also those that nothing has."""
    return gauge(name, text, ("status",), (((status,), standing.by_status.get(status, 0)) for status in OPEN[model]))


def find_oldest() -> Iterator[tuple[str, str, datetime]]:
    """Queue, status, and when the oldest of these was made, in one query with one look into an index for each."""
    queues: Mapping[str, type[Delivery | Effect]] = {"deliveries": Delivery, "effects": Effect}
    parts = [(queue, model, status) for queue, model in queues.items() for status in OPEN[model]]
    looks = [
        f"(SELECT '{queue}', '{status}', id FROM {model._meta.db_table} WHERE status = '{status}' ORDER BY id LIMIT 1)"  # noqa: S608
        for queue, model, status in parts
    ]
    with database.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        for queue, status, key in cursor.fetchall():
            yield queue, status, made_at(key)


# --- Connections ------------------------------------------------------------------------------------------------------


def tell_connections(now: datetime) -> Iterator[Metric]:
    counts = Connection.objects.order_by().values_list("provider", "status").annotate(count=Count("pk"))
    numbers: dict[tuple[str, str], int] = {}
    for provider, status, count in counts:
        key = label_provider(provider), status
        numbers[key] = numbers.get(key, 0) + count
    yield gauge("keepsync_connections", "Connections by their status.", ("provider", "status"), numbers.items())
    rows = list_connections()
    yield from (
        gauge(name, text, ("connection",), (((row["slug"],), row[key].timestamp()) for row in rows if row[key]))
        for name, key, text in (
            (
                "keepsync_token_expiry_timestamp_seconds",
                "token__expires_at",
                "When a connection's access token runs out. None where its provider does not say.",
            ),
            (
                "keepsync_webhook_secret_created_timestamp_seconds",
                "secret_made_at",
                "When the newest active webhook secret of a connection was made.",
            ),
        )
    )
    yield gauge(
        "keepsync_rate_budget_remaining_ratio",
        "The part of a connection's rate budget that is left: 1 is all of it.",
        ("connection",),
        (((row["slug"],), share) for row in rows if (share := find_budget(row, now)) is not None),
    )
    yield gauge(
        "keepsync_connection_held",
        "1 while a connection rests, because of a rate limit or an outage over there.",
        ("connection",),
        (((row["slug"],), row["drain__held_until"] is not None and row["drain__held_until"] > now) for row in rows),
    )
    slugs = {row["pk"]: row["slug"] for row in rows}
    open_effects = Effect.objects.filter(status__in=OPEN[Effect]).order_by().values_list("connection")
    yield gauge(
        "keepsync_connection_backlog_effects",
        "Effects that are still to be carried out at a connection.",
        ("connection",),
        (((slugs[key],), count) for key, count in open_effects.annotate(count=Count("*")) if key in slugs),
    )


def list_connections() -> Sequence[Mapping[str, Any]]:
    used = Connection.objects.exclude(status=Connection.Status.DISABLED).order_by("pk")
    made_at = Max("webhook_secrets__created_at", filter=Q(webhook_secrets__retired_at=None))
    return list(
        used.annotate(secret_made_at=made_at).values(
            "pk", "slug", "provider", "secret_made_at", "token__expires_at", "drain__calls_left", "drain__counted_at",
            "drain__held_until",
        )[:SHOWN]
    )  # fmt: skip


def find_budget(row: Mapping[str, Any], now: datetime) -> float | None:
    """As the drain reckons it: the budget fills up with time. None where nothing has gone out yet."""
    known, left, since = PROVIDERS.get(row["provider"]), row["drain__calls_left"], row["drain__counted_at"]
    if known is None or left is None or since is None:
        return None
    filled: float = left + max(0.0, (now - since).total_seconds()) * known.rate.per_s
    return max(0.0, min(1.0, filled / known.rate.burst))


def tell_changes() -> Iterator[Metric]:
    sums = ChangeCount.objects.order_by().values_list("connection__slug")
    rows = list(sums.annotate(checked=Sum("checked"), missed=Sum("missed")).order_by("connection")[:SHOWN])
    for name, text, number in (
        ("keepsync_checked_changes", "Changes that reconciliations have looked at.", 1),
        ("keepsync_missed_changes", "Those of them that no webhook had told.", 2),
    ):
        yield fill(CounterMetricFamily(name, text, labels=["connection"]), (((row[0],), row[number]) for row in rows))


# --- Alerts, and signs of life ----------------------------------------------------------------------------------------


def tell_alerts() -> Metric:
    found = Alert.objects.filter(closed_at=None).order_by().values_list("level").annotate(count=Count("pk"))
    counts = dict(found)
    text = "Alerts that are open."
    return gauge(
        "keepsync_open_alerts", text, ("severity",), (((level,), counts.get(level, 0)) for level in Alert.Level.values)
    )


def tell_signs_of_life(now: datetime) -> Iterator[Metric]:
    beats = Heartbeat.objects.order_by("name").values_list("name", "beat_at")[:SHOWN]
    yield gauge(
        "keepsync_heartbeat_timestamp_seconds",
        "The last sign of life of what must keep running.",
        ("name",),
        (((name,), at.timestamp()) for name, at in beats),
    )
    # Of two schedules of one name the later one: names need not be unique.
    schedules = dict(Schedule.objects.exclude(repeats=0).order_by("next_run").values_list("name", "next_run")[:SHOWN])
    yield gauge(
        "keepsync_schedule_next_run_timestamp_seconds",
        "When a schedule is to run next: in the past, it is late.",
        ("schedule",),
        (((name or "",), at.timestamp()) for name, at in schedules.items() if at),
    )
    due = OrmQ.objects.filter(lock__lte=now).order_by()[:JOBS_COUNTED]
    yield gauge("keepsync_queued_jobs", "Jobs that are due, and that no worker has taken.", (), [((), due.count())])
