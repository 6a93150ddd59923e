"""The page of metrics: what the processes have counted, and what the database says at that moment."""

import os
from collections.abc import Iterator

from django.db.models import Count, Sum
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from integrations.models import ChangeCount, Connection, Effect, Token

# Where the processes of one host count together: the variable is prometheus-client's own.
SHARED_COUNTS = "PROMETHEUS_MULTIPROC_DIR"


def write_metrics() -> bytes:
    """Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(Installation())
    if SHARED_COUNTS in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry)
    return generate_latest(REGISTRY) + generate_latest(registry)


class Installation(Collector):
    """The same on every host: it comes from the database."""

    def collect(self) -> Iterator[Metric]:
        yield show_expiries()
        yield show_waiting()
        yield from show_changes()


def show_expiries() -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "keepsync_token_expiry_timestamp_seconds",
        "When a connection's access token runs out. None where its provider does not say.",
        labels=["connection"],
    )
    used = Token.objects.exclude(connection__status=Connection.Status.DISABLED).order_by("pk")
    for slug, expires_at in used.values_list("connection__slug", "expires_at"):
        if expires_at:
            family.add_metric([slug], expires_at.timestamp())
    return family


def show_waiting() -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "keepsync_waiting_effects", "Effects that wait for their connection or for a person.", labels=["connection"]
    )
    waiting = Effect.objects.filter(status=Effect.Status.WAITING).order_by()
    for slug, count in waiting.values_list("connection__slug").annotate(count=Count("pk")):
        family.add_metric([slug], count)
    return family


def show_changes() -> Iterator[CounterMetricFamily]:
    checked = CounterMetricFamily(
        "keepsync_checked_changes", "Changes that reconciliations have looked at.", labels=["connection"]
    )
    missed = CounterMetricFamily(
        "keepsync_missed_changes", "Those of them that no webhook had told.", labels=["connection"]
    )
    sums = ChangeCount.objects.order_by().values_list("connection__slug")
    for slug, all_checked, all_missed in sums.annotate(checked=Sum("checked"), missed=Sum("missed")):
        checked.add_metric([slug], all_checked)
        missed.add_metric([slug], all_missed)
    yield checked
    yield missed
