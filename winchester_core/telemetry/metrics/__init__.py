"""Metrics: catalogue, collectors and exposition.

Only `exposition` needs prometheus_client.
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
    *dict.fromkeys(each.metric for each in COUNT_METRICS.values()),
    *catalogue.OTHER_METRICS,
)
"""All metrics, without duplicates."""

__all__ = [
    "METRICS",
    "LabelValues",
    "Metric",
    "MetricOrigin",
    "MetricsCollector",
    "Sample",
    "catalogue",
]
