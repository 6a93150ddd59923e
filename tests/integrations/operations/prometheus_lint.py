"""What `promtool check metrics` looks at, and some more: names, units, texts, labels, histograms, and doubles."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_open_metrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

NAME = re.compile(r"(keepsync|python|process)(_[a-z0-9]+)+")
LABEL = re.compile(r"[a-z][a-z_]*")
# Prometheus' own: a label of this name would be renamed by the server.
RESERVED = {"job", "instance"}
# Parts of a name that stand for what is no base unit, or belong to no name at all.
WRONG_UNITS = re.compile(r"_(ms|milliseconds|microseconds|minutes|hours|days|percent|kb|mb|kilobytes|info_total)(_|$)")
TIMES = re.compile(r"_(age|lag|expiry|timestamp|duration|latency|time)(_|$)")
LONGEST_VALUE = 64
MOST_VALUES = 120


def parse(text: str, *, is_open: bool = False) -> dict[str, Metric]:
    """The families by their names, of counters with `_total`."""
    families = (parse_open_metrics if is_open else parse_plain)(text)
    return {family.name + ("_total" if family.type == "counter" else ""): family for family in families}


def lint(text: str, *, is_open: bool = False) -> list[str]:
    """Everything that is wrong with a page of metrics; empty where it is well."""
    families = parse(text, is_open=is_open)
    problems = [*find_doubles(text), *(problem for name in families for problem in lint_family(name, families[name]))]
    if is_open != text.endswith("# EOF\n"):
        problems.append("the end is another format's")
    return problems


def find_doubles(text: str) -> Iterator[str]:
    """Families that are told of twice, and series that stand there twice."""
    for pattern in (r"^# (?:HELP|TYPE) \S+", r"^(?!#)\S+?(?:\{.*?\})?(?= )"):
        lines = re.findall(pattern, text, re.MULTILINE)
        yield from (f"{line} is there twice" for line in sorted({line for line in lines if lines.count(line) > 1}))


def lint_family(name: str, family: Metric) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield f"{name} is no good name"
    if not family.documentation.strip():
        yield f"{name} has no HELP"
    if family.type in ("unknown", "untyped"):
        yield f"{name} has no TYPE"
    if family.type == "gauge" and name.endswith(("_total", "_count", "_sum", "_bucket")):
        yield f"{name} is a gauge with the name of something else"
    if WRONG_UNITS.search(name):
        yield f"{name} is in no base unit"
    if (TIMES.search(name) or family.type == "histogram") and not name.endswith(("_seconds", "_bytes")):
        yield f"{name} names no unit"
    if family.type == "histogram":
        yield from lint_histogram(name, family)
    yield from lint_labels(name, family)


def lint_histogram(name: str, family: Metric) -> Iterator[str]:
    series: dict[Any, dict[str, float]] = {}
    for sample in family.samples:
        key = tuple(sorted((label, value) for label, value in sample.labels.items() if label != "le"))
        series.setdefault(key, {})[sample.labels.get("le") or sample.name.rpartition("_")[2]] = sample.value
    for found in series.values():
        buckets = [found[edge] for edge in sorted((key for key in found if is_edge(key)), key=float)]
        if buckets != sorted(buckets) or found.get("+Inf") != found.get("count") or "sum" not in found:
            yield f"{name} does not add up"


def is_edge(key: str) -> bool:
    return key not in ("count", "sum", "created")


def lint_labels(name: str, family: Metric) -> Iterator[str]:
    for label, values in list_values(family).items():
        if not LABEL.fullmatch(label) or label in RESERVED:
            yield f"{name} has a label {label}"
        if len(values) > MOST_VALUES or any(len(value) > LONGEST_VALUE for value in values):
            yield f"{name} has too much in {label}"


def list_values(family: Metric) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    for sample in family.samples:
        for label, value in sample.labels.items():
            found.setdefault(label, set()).add(value)
    return found
