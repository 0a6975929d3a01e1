"""Exposition of samples in the formats of Prometheus, with prometheus_client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import make_wsgi_app
from prometheus_client.registry import Collector

from winchester_core.telemetry.counters import BOUNDS_SECONDS, Distribution
from winchester_core.telemetry.metrics.catalogue import MetricKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from winchester_core.telemetry.metrics.catalogue import Metric, MetricsCollector, Sample


def metrics_application(collectors: Sequence[MetricsCollector]) -> Any:
    """Return a WSGI application that collects and exposes samples at every request.

    Collectors may be added to `collectors` later. The library's own collectors for process,
    platform and garbage collection are included.
    """
    registry = CollectorRegistry()
    registry.register(_SampleCollector(collectors))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return make_wsgi_app(registry, disable_compression=True)


class _SampleCollector(Collector):
    def __init__(self, collectors: Sequence[MetricsCollector]) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Any]:
        """Return the metric families of all samples."""
        return metric_families(
            sample for collector in list(self._collectors) for sample in collector()
        )


def metric_families(samples: Iterable[Sample]) -> Iterator[Any]:
    """Yield the library's metric families for `samples`, one per metric."""
    by_metric: dict[Metric, Any] = {}
    for sample in samples:
        metric = sample.metric
        family = by_metric.get(metric) or by_metric.setdefault(metric, _family(metric))
        if isinstance(sample.value, Distribution):
            buckets = zip(BOUNDS_SECONDS, sample.value.cumulative, strict=True)
            family.add_metric(
                sample.labels,
                buckets=[
                    *((str(bound), number) for bound, number in buckets),
                    ("+Inf", sample.value.number),
                ],
                sum_value=sample.value.seconds,
            )
        else:
            family.add_metric(sample.labels, sample.value)
    yield from by_metric.values()


def _family(metric: Metric) -> Any:
    meaning = metric.meaning.replace("`", "")
    match metric.kind:
        case MetricKind.COUNTER:
            return CounterMetricFamily(metric.name, meaning, labels=metric.labels)
        case MetricKind.GAUGE:
            return GaugeMetricFamily(metric.name, meaning, labels=metric.labels)
        case MetricKind.HISTOGRAM:
            return HistogramMetricFamily(metric.name, meaning, labels=metric.labels)
        case _:
            assert_never(metric.kind)
