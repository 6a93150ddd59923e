"""The Grafana dashboard and the alert rules: well-formed, and of metrics that exist."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils import timezone
from prometheus_client.metrics import MetricWrapperBase

from integrations.models import ChangeCount, Connection, Drain, Heartbeat
from integrations.operations import exposition, metrics
from integrations.operations.exposition import write_metrics
from tests.factories import make_connection, make_delivery
from tests.integrations.admin.support import make_effect
from tests.integrations.operations.prometheus_lint import list_values, parse

pytestmark = pytest.mark.django_db

FOLDER = Path(exposition.__file__).parent
DASHBOARD = json.loads((FOLDER / "grafana_dashboard.json").read_text())
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "prometheus_rules.yml").read_text())["groups"] for rule in group["rules"]
]
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [
    *(target["expr"] for panel in PANELS for target in panel["targets"]),
    *(rule["expr"] for rule in RULES),
]
UNITS = {"short", "s", "reqps", "ops", "percentunit"}
DURATION = re.compile("[1-9][0-9]*[mh]")
# Of the server, of histograms, of alerts.
OTHER_LABELS = {"job", "instance", "le"}


def find_unknown(expression: str, labels: dict[str, set[str]]) -> Iterator[str]:
    """Metrics and labels of an expression that the page does not have."""
    names = re.findall(r"keepsync_\w+", expression)
    if not names:
        yield "no metric at all"
    known: set[str] = set(OTHER_LABELS)
    for name in names:
        if (family := find_family(name, labels)) is None:
            yield name
        else:
            known |= labels[family]
    used = {word for inner in re.findall(r"\bby \(([^)]*)\)", expression) for word in re.findall(r"\w+", inner)}
    used |= {word for inner in re.findall(r"\{([^}]*)\}", expression) for word in re.findall(r"(\w+)\s*=", inner)}
    yield from sorted(used - known)


def find_family(name: str, labels: dict[str, set[str]]) -> str | None:
    """Also of a histogram's own series."""
    base = re.sub("_seconds_(bucket|sum|count)$", "_seconds", name)
    return next((found for found in (name, base) if found in labels), None)


@pytest.fixture
def labels(calendar_live: Connection) -> dict[str, set[str]]:
    """Family → its labels: of what is counted as declared, of the database's facts as they are told."""
    make_connection("zoom", provider="zoom", options={"access_token": "t", "expires_in": "3600"})
    make_delivery(calendar_live, {"id": "dlv_1"}, status="dead", cause="bug")
    make_effect(calendar_live, status="pending")
    Drain.objects.create(connection=calendar_live, calls_left=1, counted_at=timezone.now())
    ChangeCount.objects.create(connection=calendar_live, day=timezone.now().date(), checked=1)
    Heartbeat.objects.create(name="worker", beat_at=timezone.now())
    found = {name: set(list_values(family)) for name, family in parse(write_metrics().decode()).items()}
    declared = [each for each in vars(metrics).values() if isinstance(each, MetricWrapperBase)]
    for metric in declared:
        found[metric._name if metric._type != "counter" else f"{metric._name}_total"] |= set(metric._labelnames)
    return found


def test_every_metric_and_label_of_the_files_exists(labels: dict[str, set[str]]) -> None:
    unknown = {expression: list(find_unknown(expression, labels)) for expression in EXPRESSIONS}
    assert {expression: found for expression, found in unknown.items() if found} == {}
    assert len(EXPRESSIONS) > 40


@pytest.mark.parametrize(
    "expression",
    [
        "sum(keepsync_gone_total)",
        "sum by (colour) (keepsync_deliveries_total)",
        'max(keepsync_backlog_effects{conection="x"})',
        "keepsync_deliveries_total_bucket",
        "up == 0",
    ],
)
def test_an_expression_that_is_wrong_is_found(expression: str, labels: dict[str, set[str]]) -> None:
    assert list(find_unknown(expression, labels))


def test_brackets_of_every_expression_close() -> None:
    for expression in EXPRESSIONS:
        counts = Counter(expression)
        assert (counts["("], counts["{"], counts["["]) == (counts[")"], counts["}"], counts["]"]), expression


def test_each_family_stands_in_the_dashboard_or_in_a_rule(labels: dict[str, set[str]]) -> None:
    used = {find_family(name, labels) for each in EXPRESSIONS for name in re.findall(r"keepsync_\w+", each)}
    unused = {name for name in labels if name.startswith("keepsync_")} - used
    assert unused == {"keepsync_connections", "keepsync_job_seconds", "keepsync_backlog_effects"}


def test_facts_of_the_database_are_never_added_up_over_hosts() -> None:
    """They are the same on every host: a sum of theirs is over their labels, of one host's largest."""
    facts = re.findall(r'"(keepsync_\w+)"', (FOLDER / "facts.py").read_text())
    for expression in EXPRESSIONS:
        for name in facts:
            assert not re.search(rf"sum[^(]*(\([^)]*\) )?\((increase|rate)?\(?{name}\b", expression), expression


def test_panels_have_ids_of_their_own_units_legends_and_the_chosen_source() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    variables = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    for panel in PANELS:
        assert panel["title"], panel["id"]
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]
        for target in panel["targets"]:
            assert target["legendFormat"], panel["title"]
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= {*variables, "__rate_interval"}, panel["title"]


def test_panels_do_not_overlap() -> None:
    taken: Counter[tuple[int, int]] = Counter()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = ((x, y) for x in range(place["w"]) for y in range(place["h"]))
        taken.update((place["x"] + x, place["y"] + y) for x, y in cells)
    assert max(taken.values()) == 1


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_a_rule_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]) -> None:
    assert re.fullmatch("Keepsync[A-Z][A-Za-z]+", rule["alert"])
    assert DURATION.fullmatch(rule["for"])
    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "description"}
    assert len(rule["annotations"]["description"]) > 60
    named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    kept = {word for inner in re.findall(r"by \(([^)]*)\)", rule["expr"]) for word in re.findall(r"\w+", inner)}
    assert named <= kept


def test_rules_have_names_of_their_own() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
