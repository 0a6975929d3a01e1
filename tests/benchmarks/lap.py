"""Timed operations."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from winchester_core.service.garbage_collector import tune_garbage_collector

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Lap:
    """Wall-clock time and processor time of this process for a number of operations."""

    operations: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Operations per second."""
        return self.operations / self.seconds


def timed(operations: int, work: Callable[[], object]) -> Lap:
    """Run `work` and time it as so many operations.

    For every contestant the garbage collector is configured as the engine's programs configure it,
    and earlier garbage is collected first.
    """
    tune_garbage_collector()
    cpu_started, started = process_time(), perf_counter()
    work()
    seconds, cpu_seconds = perf_counter() - started, process_time() - cpu_started
    return Lap(operations, seconds, cpu_seconds)
