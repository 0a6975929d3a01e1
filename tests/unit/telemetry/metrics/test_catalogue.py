"""Metrics follow the conventions, expose every count, and have bounded labels only."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from support.builders.events import NOON
from winchester_core.model.effect import Endpoint
from winchester_core.model.process import ProcessKind
from winchester_core.model.statistics import EffectBacklog, StoreStatistics
from winchester_core.model.stream import Reason, StreamState
from winchester_core.telemetry.counters import Count, Counters
from winchester_core.telemetry.metrics import METRICS, LabelValues, Metric, MetricOrigin, catalogue
from winchester_core.telemetry.metrics.catalogue import COUNT_METRICS, MetricKind, count_samples
from winchester_core.telemetry.metrics.collectors import ProcessMetricsCollector, store_samples
from winchester_core.telemetry.watchdog import Watchdog

UNITS = {
    *("seconds", "messages", "streams", "effects", "components", "events", "threads"),
    "differences",
    *("info", "up"),  # no units, but the names that everybody gives such metrics
}
LABELS = {
    *("outcome", "reason", "state", "program", "version", "python"),
    *("source", "trigger", "pipeline", "handler", "difference"),
}
"""Labels of the program, and those of the configuration."""

MAIL, FAX = Endpoint("fire", "mail"), Endpoint("fire", "fax")
SECOND_FAX = Endpoint("fire", "fax", 1)
NAMES = LabelValues(
    frozenset({"vm", "idle"}), frozenset({"fire"}), frozenset({MAIL, FAX, SECOND_FAX})
)


@pytest.mark.parametrize("metric", METRICS, ids=lambda each: each.name)
def test_metric_names_and_labels_follow_the_conventions(metric: Metric) -> None:
    assert re.fullmatch(r"winchester(_[a-z]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is MetricKind.COUNTER)
    if metric.kind is not MetricKind.COUNTER:
        assert metric.name.rpartition("_")[2] in UNITS
    assert set(metric.labels) <= LABELS
    assert len(set(metric.labels)) == len(metric.labels)
    assert metric.meaning
    assert not metric.meaning.endswith(".")


def test_every_metric_is_exposed_once() -> None:
    assert [name for name, n in Counter(each.name for each in METRICS).items() if n > 1] == []
    bases = [each.name.removesuffix("_total") for each in METRICS]
    assert len(set(bases)) == len(bases), "OpenMetrics names a counter without its _total"
    defined = {each for each in vars(catalogue).values() if isinstance(each, Metric)}
    assert defined == set(catalogue.OTHER_METRICS)


def test_every_count_has_a_metric() -> None:
    assert set(COUNT_METRICS) == set(Count)
    shown = [(each.metric.name, each.labels) for each in COUNT_METRICS.values()]
    assert len(set(shown)) == len(shown)
    assert all(len(each.labels) == len(each.metric.labels) for each in COUNT_METRICS.values())


@pytest.mark.parametrize("count", Count)
def test_a_count_is_exposed_by_the_process_that_counts_it(count: Count) -> None:
    counters = Counters()
    counters.add(count, 3, label="vm.update")
    samples = [each for each in count_samples(counters, list(MetricOrigin)) if each.value]
    (sample,) = samples
    assert (sample.metric, sample.labels) == (
        COUNT_METRICS[count].metric,
        COUNT_METRICS[count].labels,
    )
    assert sample.value == 3
    others = set(MetricOrigin) - {sample.metric.origin}
    assert [each for each in count_samples(counters, others) if each.value] == []


def statistics(**changes: object) -> StoreStatistics:
    facts = {
        "stream_time": NOON,
        "streams": {"vm": {StreamState.ACTIVE: 4}, "gone": {StreamState.ACTIVE: 2}},
        "oldest_ready_seconds": {Reason.FIRE: 7.0, Reason.EXPIRE: 0.0},
        "oldest_unexpired_seconds": 60.0,
        "effects": {MAIL: EffectBacklog(2, 1, 30.0), SECOND_FAX: EffectBacklog(5, 0, 2.0)},
        "rejected": 9,
    }
    return StoreStatistics(**{**facts, **changes})  # type: ignore[arg-type]


def shown(
    metric: Metric, given: StoreStatistics, names: LabelValues = NAMES
) -> dict[tuple[str, ...], object]:
    samples = [each for each in store_samples(given, names) if each.metric is metric]
    values = {each.labels: each.value for each in samples}
    assert len(values) == len(samples), "a sample is exposed twice"
    return values


def test_configured_triggers_have_every_state_and_all_others_share_one_label() -> None:
    more = {"old": {StreamState.ERROR: 1, StreamState.ACTIVE: 1}}
    streams = shown(catalogue.STORE_STREAMS, statistics(streams={**statistics().streams, **more}))
    assert {label for label, _ in streams} == {"vm", "idle", "(other)"}
    assert len(streams) == 3 * len(StreamState)
    assert {labels: n for labels, n in streams.items() if n} == {
        ("vm", "active"): 4,
        ("(other)", "active"): 3,
        ("(other)", "error"): 1,
    }


def test_labels_do_not_grow_with_removed_triggers() -> None:
    many = {f"gone {i}": {StreamState.ACTIVE: 1} for i in range(1000)}
    assert shown(catalogue.STORE_STREAMS, statistics(streams=many))["(other)", "active"] == 1000
    effects = {Endpoint("fire", f"gone {i}"): EffectBacklog(1, 1, i) for i in range(1000)}
    given = statistics(effects=effects)
    assert shown(catalogue.STORE_EFFECTS, given)["(other)", "(other)", "dead"] == 1000
    assert shown(catalogue.STORE_OLDEST_EFFECT, given)["(other)", "(other)"] == 999
    assert len(shown(catalogue.STORE_OLDEST_EFFECT, given)) == 4


def test_each_endpoint_has_its_backlog() -> None:
    assert shown(catalogue.STORE_OLDEST_EFFECT, statistics()) == {
        ("fire", "mail"): 30.0,
        ("fire", "fax"): 0.0,
        ("fire", "fax (2)"): 2.0,
    }
    effects = shown(catalogue.STORE_EFFECTS, statistics())
    assert {labels: n for labels, n in effects.items() if n} == {
        ("fire", "mail", "pending"): 2,
        ("fire", "mail", "dead"): 1,
        ("fire", "fax (2)", "pending"): 5,
    }


def test_a_process_without_pipelines_exposes_no_effects() -> None:
    names = LabelValues(frozenset({"vm"}))
    assert shown(catalogue.STORE_EFFECTS, statistics(), names) == {}
    assert shown(catalogue.STORE_OLDEST_EFFECT, statistics(), names) == {}


def test_stream_time_is_exposed_once_known() -> None:
    assert shown(catalogue.STORE_STREAM_TIME, statistics()) == {(): NOON.timestamp()}
    assert shown(catalogue.STORE_STREAM_TIME, statistics(stream_time=None)) == {}


def test_run_seconds_are_limited_to_configured_pipelines() -> None:
    counters = Counters()
    counters.run_seconds.observe("fire", 3)
    counters.run_seconds.observe("unknown pipeline", 3)
    names = LabelValues(frozenset(), frozenset({"fire", "idle"}))
    probe = ProcessMetricsCollector(ProcessKind.WORKER, counters, Watchdog(), lambda: names)
    runs = {each.labels: each for each in probe() if each.metric is catalogue.RUN_SECONDS}
    assert runs.keys() == {("fire",), ("idle",)}
    assert runs["fire",].value.number == 1  # type: ignore[union-attr]


def test_ingest_exposes_no_worker_metrics() -> None:
    probe = ProcessMetricsCollector(ProcessKind.INGEST, Counters(), Watchdog(), lambda: NAMES)
    assert {each.metric.origin for each in probe()} == {MetricOrigin.INGEST, MetricOrigin.PROCESS}
