"""Metrics: which there are, where their values come from, and how they are told.

Nothing here but `exposition` needs the library of Prometheus.
"""

from winchester_core.telemetry.metrics import catalogue
from winchester_core.telemetry.metrics.counts import COUNT_METRICS
from winchester_core.telemetry.metrics.metric import Metric, Origin, Probe, Sample
from winchester_core.telemetry.metrics.names import Names

METRICS: tuple[Metric, ...] = (
    *dict.fromkeys(shown.metric for shown in COUNT_METRICS.values()),
    *catalogue.SINGLE,
)
"""Every metric, each once."""

__all__ = ["METRICS", "Metric", "Names", "Origin", "Probe", "Sample", "catalogue"]
