"""Samples in the formats that Prometheus reads, through its own library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.exposition import make_wsgi_app
from prometheus_client.registry import Collector

from winchester_core.telemetry.counters import BOUNDS_SECONDS, Distribution
from winchester_core.telemetry.metrics.catalogue import MetricKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from winchester_core.telemetry.metrics.catalogue import Metric, MetricsCollector, Sample


def exposition(probes: Sequence[MetricsCollector]) -> Any:
    """A WSGI application that answers with what `probes` tell at that moment.

    `probes` may grow later. What the library tells of the process and of Python is added.
    """
    registry = CollectorRegistry()
    registry.register(_SampleCollector(probes))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return make_wsgi_app(registry, disable_compression=True)


class _SampleCollector(Collector):
    def __init__(self, probes: Sequence[MetricsCollector]) -> None:
        self._probes = probes

    def collect(self) -> Iterator[Any]:
        """The samples in families, one for each metric."""
        return families(sample for probe in list(self._probes) for sample in probe())


def families(samples: Iterable[Sample]) -> Iterator[Any]:
    """The library's objects for `samples`, each metric's together."""
    made: dict[Metric, Any] = {}
    for sample in samples:
        family = made.get(sample.metric) or made.setdefault(sample.metric, _family(sample.metric))
        if isinstance(sample.value, Distribution):
            buckets = zip(BOUNDS_SECONDS, sample.value.within, strict=True)
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
    yield from made.values()


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
