"""Several that begin at the same moment, each in a thread of its own."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def run_concurrently(*workers: Callable[[], int]) -> int:
    """Let every worker run in a thread of its own; return the sum of what they return."""
    together = threading.Barrier(len(workers))

    def run(worker: Callable[[], int]) -> int:
        together.wait()
        return worker()

    with ThreadPoolExecutor(len(workers)) as pool:
        return sum(pool.map(run, workers))
