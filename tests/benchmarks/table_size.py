"""Cost of an event as the table of events and its indexes grow."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.databases import engine_url, settings
from benchmarks.growth import Growth, powers
from benchmarks.ingest_batch import add_all
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.workload import Workload
from winchester_core import TriggerManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.figure import Figure
    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

NAME = "growth-table-size"
GROWTH = Growth(NAME, "cost of an event as the table of events grows", "events stored")
SHARE = 16


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each database."""
    for backend in options.databases:
        with ExitStack() as stack:
            yield _figure(backend, options, stack)


def _figure(backend: str, options: Options, stack: ExitStack) -> Figure:
    sizes = powers(min(BATCH, options.max_size // 10), options.max_size)
    return GROWTH.figure(
        backend, options, sizes, lambda size: _adding(backend, size, options, stack)
    )


def _adding(backend: str, size: int, options: Options, stack: ExitStack) -> Contestant:
    url = stack.enter_context(engine_url(backend, options.folder))
    stored = Workload(options.seed + 1)
    with TriggerManager(settings(url, trigger_definitions=[])) as manager:
        for start in range(0, size, BATCH):
            add_all(manager, stored.batches(min(BATCH, size - start), BATCH))
    workload = Workload(options.seed)
    manager = stack.enter_context(TriggerManager(settings(url)))
    number = max(1, options.events // SHARE)
    add_all(manager, workload.batches(BATCH, BATCH))

    def lap(_round: int) -> Any:
        batches = workload.batches(number, BATCH)
        return timed(number, lambda: add_all(manager, batches))

    return lap
