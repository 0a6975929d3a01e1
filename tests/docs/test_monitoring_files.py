"""Alerts and dashboard use only existing metrics, labels and label values."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.probes.promql import grouped, selections
from support.servers.private_servers import require_programs
from winchester_core.ingest.runner import TOTALS_BY_OUTCOME
from winchester_core.model.effect import EffectState
from winchester_core.model.stream import Reason, StreamState
from winchester_core.telemetry.metrics import METRICS, Metric, MetricOrigin
from winchester_core.telemetry.metrics.catalogue import COUNT_METRICS, MetricKind

MONITORING = Path(__file__).resolve().parents[2] / "etc" / "monitoring"
RULES = [
    rule
    for group in yaml.safe_load((MONITORING / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = {
    **{rule["alert"]: [rule["expr"]] for rule in RULES},
    **{panel["title"]: [each["expr"] for each in panel["targets"]] for panel in PANELS},
}

BY_NAME = {metric.name: metric for metric in METRICS}
SUFFIXES = ("_bucket", "_sum", "_count")
SCRAPE_METRICS = {"job", "instance"}
THIRD_PARTY_METRICS = {"up", "process_resident_memory_bytes"}
"""Metrics of Prometheus and of its client library."""

VALUES = {
    "state": {*StreamState, *EffectState},
    "reason": set(Reason),
    "outcome": {
        *TOTALS_BY_OUTCOME,
        *(value for shown in COUNT_METRICS.values() for value in shown.labels),
    },
    "program": {MetricOrigin.INGEST, MetricOrigin.WORKER},
}


def metric_of(name: str) -> Metric:
    """Return the metric of a series name; series of a histogram have a suffix."""
    if name in BY_NAME:
        assert BY_NAME[name].kind is not MetricKind.HISTOGRAM, f"{name} has no series of its own"
        return BY_NAME[name]
    for suffix in SUFFIXES:
        base = BY_NAME.get(name.removesuffix(suffix))
        if name.endswith(suffix) and base is not None and base.kind is MetricKind.HISTOGRAM:
            return base
    raise AssertionError(f"there is no metric {name}")


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_an_expression_uses_existing_metrics_and_labels(place: str) -> None:
    for expression in EXPRESSIONS[place]:
        selected = selections(expression)
        assert selected, f"{expression} selects nothing"
        known: set[str] = set()
        for each in selected:
            if each.name in THIRD_PARTY_METRICS:
                continue
            metric = metric_of(each.name)
            labels = {*metric.labels, *(["le"] if each.name.endswith("_bucket") else [])}
            known |= labels
            assert set(each.matchers) <= labels | SCRAPE_METRICS
            for label, values in each.matchers.items():
                assert label in SCRAPE_METRICS or set(values) <= VALUES[label], (label, values)
        assert grouped(expression) <= known | SCRAPE_METRICS


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_metrics_equal_in_all_processes_are_never_summed(place: str) -> None:
    for expression in EXPRESSIONS[place]:
        without_greatest = re.sub(r"max( by \([^)]*\))? \(?[^()]*\)|max\([^()]*\)", "", expression)
        for each in selections(without_greatest):
            metric = BY_NAME.get(each.name)
            assert metric is None or metric.origin is not MetricOrigin.TABLES, expression


@pytest.mark.parametrize("place", EXPRESSIONS)
def test_counters_are_queried_as_rates(place: str) -> None:
    for expression in EXPRESSIONS[place]:
        rates = re.findall(r"(?:rate|increase)\((\w+)", expression)
        counters = [each.name for each in selections(expression) if _counts(each.name)]
        assert sorted(rates) == sorted(counters)


def _counts(name: str) -> bool:
    return name not in THIRD_PARTY_METRICS and metric_of(name).kind is not MetricKind.GAUGE


def test_annotations_and_legends_use_labels_of_the_results() -> None:
    for rule in RULES:
        labels = grouped(rule["expr"]) or {*SCRAPE_METRICS, "source"}
        for named in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert named in labels, rule["alert"]
    for panel in PANELS:
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert named <= grouped(target["expr"]) | SCRAPE_METRICS, panel["title"]


def test_exactly_the_existing_alerts_are_explained(checkout: Path) -> None:
    page = (checkout / "docs" / "how-to" / "monitor.md").read_text()
    assert {rule["alert"] for rule in RULES} == set(re.findall(r"`(Winchester\w+)`", page))
    assert len({rule["alert"] for rule in RULES}) == len(RULES)


def test_panels_have_descriptions_and_do_not_overlap() -> None:
    assert all(panel["description"] for panel in PANELS)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    covered: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place: dict[str, Any] = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not covered & cells, panel["title"]
        covered |= cells


@pytest.mark.parametrize(
    "arguments", [("rules", "alerts.yaml"), ("config", "prometheus.yaml")], ids=lambda each: each[0]
)
def test_promtool_accepts_the_rules(arguments: tuple[str, str]) -> None:
    require_programs(["promtool"])
    checked = subprocess.run(
        ["promtool", "check", *arguments],
        cwd=MONITORING,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_an_unknown_metric_is_found() -> None:
    assert [each.matchers for each in selections('a(winchester_x{state=~"a|b", c!="d"}[5m])')] == [
        {"state": ["a", "b"], "c": ["d"]}
    ]
    assert grouped("sum by (a, b) (x) / on(c) y") == {"a", "b", "c"}
    with pytest.raises(AssertionError, match="there is no metric winchester_events_bucket"):
        metric_of("winchester_events_bucket")
    with pytest.raises(ValueError, match="not understood"):
        selections("winchester_x{state=a}")
