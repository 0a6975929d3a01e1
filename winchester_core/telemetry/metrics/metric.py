"""What a metric is, and a sample of one: plain values, whatever may carry them to a monitor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from winchester_core.telemetry.histogram import Distribution


class Kind(StrEnum):
    """How the values of a metric go on."""

    COUNTER = "counter"
    """Up, from 0 at the start of the process."""
    GAUGE = "gauge"
    """Up and down."""
    HISTOGRAM = "histogram"
    """Counters by upper bounds."""


class Origin(StrEnum):
    """Of what a metric tells, and so how those of several processes go together."""

    INGEST = "ingest"
    WORKER = "worker"
    PROCESS = "process"
    TABLES = "tables"
    """The same in every process that shows it: the greatest is taken, never the sum."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: `name` is the whole one, with its unit and ``_total`` for a counter."""

    name: str
    kind: Kind
    origin: Origin
    meaning: str
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A value of a metric, with the values of its labels in their order."""

    metric: Metric
    value: float | Distribution
    labels: tuple[str, ...] = ()


Probe: TypeAlias = "Callable[[], Iterable[Sample]]"
"""What is asked for samples at each scrape, in the scrape's own thread."""
