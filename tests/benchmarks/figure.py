"""Result of a benchmark: samples by name, and goals."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.rounds import Laps

ENGINE = "engine"
RAW = "raw"
HAND_WRITTEN = "hand-written"
NATIVE_SQL = "hand-written, without Core"


@dataclass(frozen=True, slots=True)
class Spread:
    """Minimum, median and maximum of samples."""

    minimum: float
    median: float
    maximum: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Return the spread of samples. Raises `ValueError` if there are none."""
        if not samples:
            raise ValueError("no samples")
        return cls(min(samples), statistics.median(samples), max(samples))


@dataclass(frozen=True, slots=True)
class Goal:
    """Bound for the ratio of the samples named `of` to those named `to`.

    Without `to` it applies to the samples themselves; without a bound the value is only reported.
    """

    of: str
    to: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def target(self) -> str:
        """The bound as text; empty without a bound."""
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return f"<= {self.at_most:g}" if self.at_most is not None else ""

    def is_reached(self, value: float) -> bool | None:
        """Return whether `value` is within the bound; None without a bound."""
        if self.at_least is not None:
            return value >= self.at_least
        return value <= self.at_most if self.at_most is not None else None


@dataclass(frozen=True, slots=True)
class Figure:
    """Measurement, for one database or none; samples are in the order of the rounds.

    `facts` are for programs, `note` is for readers. `cpu_us` is the processor time of the
    measuring process per operation, in microseconds.
    """

    benchmark: str
    name: str
    database: str | None
    unit: str
    samples: Mapping[str, tuple[float, ...]]
    goals: tuple[Goal, ...] = ()
    cpu_us: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""

    def median(self, name: str) -> float:
        """Return the median of the samples of this name."""
        return statistics.median(self.samples[name])

    def spread(self, goal: Goal) -> Spread:
        """Return the spread of the rounds' ratios of `goal`, or of its samples without `to`."""
        measured = self.samples[goal.of]
        if goal.to is None:
            return Spread.of(measured)
        baseline = self.samples[goal.to]
        return Spread.of([one / other for one, other in zip(measured, baseline, strict=True)])

    def is_reached(self, goal: Goal) -> bool | None:
        """Return whether the median reaches `goal`; None without a bound."""
        return goal.is_reached(self.spread(goal).median)


def rates(laps: Laps) -> dict[str, tuple[float, ...]]:
    """Return the operations per second of each lap."""
    return {name: tuple(lap.per_second for lap in each) for name, each in laps.items()}


def cpu_us(laps: Laps) -> dict[str, tuple[float, ...]]:
    """Return the processor time per operation of each lap, in microseconds."""
    return {
        name: tuple(1e6 * lap.cpu_seconds / lap.operations for lap in each)
        for name, each in laps.items()
    }
