"""The exposed metrics equal the samples, in both formats of Prometheus."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from support.servers.private_servers import require_programs
from winchester_core.telemetry.counters import Histogram
from winchester_core.telemetry.metrics import METRICS, Sample, catalogue
from winchester_core.telemetry.metrics.catalogue import COUNT_METRICS, MetricKind
from winchester_core.telemetry.metrics.exposition import metric_families, metrics_application

if TYPE_CHECKING:
    from winchester_core.telemetry.metrics import MetricsCollector

OPENMETRICS = "application/openmetrics-text"


def scrape(*probes: MetricsCollector, accept: str = "text/plain") -> str:
    """Return the body of one response."""
    environ: dict[str, Any] = {"HTTP_ACCEPT": accept}
    setup_testing_defaults(environ)
    return b"".join(metrics_application(probes)(environ, lambda *_: None)).decode()


def one_of_each() -> list[Sample]:
    histogram = Histogram()
    histogram.observe("x", 0.02)
    value = histogram.snapshot()["x"]
    return [
        Sample(
            each, value if each.kind is MetricKind.HISTOGRAM else 1, tuple("x" for _ in each.labels)
        )
        for each in METRICS
    ]


@pytest.mark.parametrize("format_name", ["text", "openmetrics"])
def test_every_metric_is_exposed_with_type_help_and_labels(format_name: str) -> None:
    if format_name == "text":
        read = list(parse_text(scrape(one_of_each)))
    else:
        text = scrape(one_of_each, accept=OPENMETRICS)
        read = list(openmetrics.text_string_to_metric_families(text))
    families = {each.name: each for each in read}
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total")]
        assert family.type == metric.kind.value
        assert family.documentation == metric.meaning.replace("`", "")
        assert all(set(each.labels) - {"le"} == set(metric.labels) for each in family.samples)


def test_samples_of_one_metric_are_grouped() -> None:
    stored, *_, outages = COUNT_METRICS.values()
    samples = [Sample(stored.metric, 1), Sample(outages.metric, 2), Sample(stored.metric, 3)]
    assert [len(each.samples) for each in metric_families(samples)] == [2, 1]


def test_a_histogram_counts_up_to_infinity() -> None:
    histogram = Histogram()
    for seconds in (0.02, 7200):
        histogram.observe("fire", seconds)
    taken = histogram.snapshot()["fire"]
    (family,) = metric_families([Sample(catalogue.RUN_SECONDS, taken, ("fire",))])
    buckets = {each.labels.get("le"): each.value for each in family.samples}
    assert (buckets["0.01"], buckets["0.025"], buckets["3600.0"], buckets["+Inf"]) == (0, 1, 1, 2)


def test_process_and_python_metrics_are_exposed() -> None:
    text = scrape()
    assert "python_info{" in text
    assert "process_resident_memory_bytes" in text


def test_a_probe_added_later_is_included() -> None:
    probes: list[MetricsCollector] = []
    application = metrics_application(probes)
    probes.append(lambda: [Sample(catalogue.STORE_UP, 1)])
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    assert b"winchester_store_up 1.0" in b"".join(application(environ, lambda *_: None))


def test_promtool_accepts_the_output() -> None:
    require_programs(["promtool"])
    checked = subprocess.run(
        ["promtool", "check", "metrics"],
        input=scrape(one_of_each),
        text=True,
        capture_output=True,
        check=False,
    )
    problems = [line for line in checked.stderr.splitlines() if "winchester" in line]
    assert problems == []
