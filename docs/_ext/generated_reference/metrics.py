"""Tables of all metrics, from the catalogue, by origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from generated_reference.markdown import code, table
from winchester_core.telemetry.metrics import METRICS, MetricOrigin
from winchester_core.telemetry.metrics.catalogue import COUNT_METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.telemetry.metrics import Metric
    from winchester_core.telemetry.metrics.catalogue import CountMetric

TITLES: Final = {
    MetricOrigin.INGEST: "Ingest",
    MetricOrigin.WORKER: "Workers",
    MetricOrigin.PROCESS: "All processes",
    MetricOrigin.TABLES: "Database tables",
}


def render() -> str:
    """Render one table for each origin."""
    return "\n\n".join(part for origin in MetricOrigin for part in _section(origin))


def render_counts() -> str:
    """Render the table from counts to metrics and their labels."""
    rows = (
        (code(count), code(shown.metric.name), _pairs(shown))
        for count, shown in COUNT_METRICS.items()
    )
    return table(["count", "metric", "label"], rows)


def _pairs(shown: CountMetric) -> str:
    pairs = zip(shown.metric.labels, shown.labels, strict=True)
    return ", ".join(code(f'{label}="{value}"') for label, value in pairs)


def _section(origin: MetricOrigin) -> Iterator[str]:
    yield f"## {TITLES[origin]}"
    rows = (_row(each) for each in METRICS if each.origin is origin)
    yield table(["metric", "kind", "labels", "meaning"], rows)


def _row(metric: Metric) -> tuple[str, str, str, str]:
    labels = ", ".join(map(code, metric.labels))
    return code(metric.name), metric.kind.value, labels, metric.meaning
