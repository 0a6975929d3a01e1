"""What a benchmark found: samples by name, and the goals that they are held against."""

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
PAST_CORE = "hand-written, without Core"


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the middle and the greatest of some samples."""

    least: float
    median: float
    greatest: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Spread:
        """Raises `ValueError` when there are none."""
        if not samples:
            raise ValueError("no samples")
        return cls(min(samples), statistics.median(samples), max(samples))


@dataclass(frozen=True, slots=True)
class Goal:
    """What the samples named `of`, divided by those named `to`, shall come to.

    Without `to` it is the samples themselves; without a bound it is only reported.
    """

    of: str
    to: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def target(self) -> str:
        """The bound in words; empty when there is none."""
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return f"<= {self.at_most:g}" if self.at_most is not None else ""

    def is_reached(self, value: float) -> bool | None:
        """Tell whether `value` keeps within the bound; None when there is none."""
        if self.at_least is not None:
            return value >= self.at_least
        return value <= self.at_most if self.at_most is not None else None


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing measured, on one database where it needs one; samples of one round line up.

    `facts` are for programs, `note` is for readers. `cpu_us` holds the processor time of the
    measuring process for one operation, in microseconds.
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
        """The middle of the samples of this name."""
        return statistics.median(self.samples[name])

    def spread(self, goal: Goal) -> Spread:
        """The ratio of each round that `goal` is about, or the samples where it names one."""
        measured = self.samples[goal.of]
        if goal.to is None:
            return Spread.of(measured)
        beside = self.samples[goal.to]
        return Spread.of([one / other for one, other in zip(measured, beside, strict=True)])

    def is_reached(self, goal: Goal) -> bool | None:
        """Tell by the median whether `goal` is reached; None when it has no bound."""
        return goal.is_reached(self.spread(goal).median)


def rates(laps: Laps) -> dict[str, tuple[float, ...]]:
    """Operations a second of each lap."""
    return {name: tuple(lap.per_second for lap in each) for name, each in laps.items()}


def cpu_us(laps: Laps) -> dict[str, tuple[float, ...]]:
    """Processor time for one operation of each lap, in microseconds."""
    return {
        name: tuple(1e6 * lap.cpu_seconds / lap.operations for lap in each)
        for name, each in laps.items()
    }
