"""Threads that start at the same moment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def run_concurrently(*workers: Callable[[], int]) -> int:
    """Run each worker in its own thread; return the sum of their results."""
    together = threading.Barrier(len(workers))

    def run(worker: Callable[[], int]) -> int:
        together.wait()
        return worker()

    with ThreadPoolExecutor(len(workers)) as pool:
        return sum(pool.map(run, workers))
