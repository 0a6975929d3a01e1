"""One timed piece of work."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter, process_time
from typing import TYPE_CHECKING

from winchester_core.service.garbage_collector import tune_garbage_collector

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Lap:
    """How long a number of operations took: by the wall clock, and in this process's processor."""

    operations: int
    seconds: float
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        """Operations a second."""
        return self.operations / self.seconds


def timed(operations: int, work: Callable[[], object]) -> Lap:
    """Do `work`, which comes to so many operations.

    The garbage collector is set as the engine's programs set it, for every contestant, and the
    rubbish of what was before is gone.
    """
    tune_garbage_collector()
    cpu_started, started = process_time(), perf_counter()
    work()
    seconds, cpu_seconds = perf_counter() - started, process_time() - cpu_started
    return Lap(operations, seconds, cpu_seconds)
