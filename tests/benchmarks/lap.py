"""One timed piece of work."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import TYPE_CHECKING

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
    """Do `work`, which comes to so many operations; rubbish of what was before is gone by then."""
    gc.collect()
    cpu_started, started = process_time(), perf_counter()
    work()
    seconds, cpu_seconds = perf_counter() - started, process_time() - cpu_started
    return Lap(operations, seconds, cpu_seconds)
