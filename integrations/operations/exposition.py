"""The page of metrics: what the processes of this host have counted, and what the database says at this moment."""

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from integrations.operations.facts import Installation
from integrations.operations.shared_counts import find_folder, reading


@dataclass(frozen=True, slots=True)
class TextFormat:
    content_type: str
    write: Callable[[Collector], bytes]


PLAIN = TextFormat(CONTENT_TYPE_PLAIN_0_0_4, generate_latest)
OPEN_METRICS = TextFormat("application/openmetrics-text; version=1.0.0; charset=utf-8", openmetrics.generate_latest)


def choose_format(accept: str) -> TextFormat:
    """OpenMetrics for who asks for it, as a Prometheus server does; else Prometheus' text format."""
    return OPEN_METRICS if "application/openmetrics-text" in accept else PLAIN


def write_metrics(text_format: TextFormat = PLAIN) -> bytes:
    registry = CollectorRegistry()
    registry.register(Installation())
    with reading():
        if find_folder():
            MultiProcessCollector(registry)
        else:
            registry.register(REGISTRY)
        return text_format.write(registry)
