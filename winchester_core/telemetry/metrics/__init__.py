"""Metrics: which there are, where their values come from, and how they are told.

Nothing here but `exposition` needs the library of Prometheus.
"""

from winchester_core.telemetry.metrics import catalogue
from winchester_core.telemetry.metrics.catalogue import (
    COUNT_METRICS,
    LabelValues,
    Metric,
    MetricOrigin,
    MetricsCollector,
    Sample,
)

METRICS: tuple[Metric, ...] = (
    *dict.fromkeys(shown.metric for shown in COUNT_METRICS.values()),
    *catalogue.OTHER_METRICS,
)
"""Every metric, each once."""

__all__ = [
    "METRICS",
    "LabelValues",
    "Metric",
    "MetricOrigin",
    "MetricsCollector",
    "Sample",
    "catalogue",
]
