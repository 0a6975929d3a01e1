"""Cost of an event as the number of triggers grows, one of which matches it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.databases import engine_url, settings
from benchmarks.growth import Growth, powers
from benchmarks.ingest_batch import add_all
from benchmarks.lap import timed
from benchmarks.matching import triggers
from benchmarks.options import BATCH
from benchmarks.workload import Workload
from winchester_core import TriggerManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.figure import Figure
    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

NAME = "growth-triggers"
GROWTH = Growth(NAME, "cost of an event as triggers grow", "triggers")
MOST = 1_000
SHARE = 16


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each database."""
    for backend in options.databases:
        with ExitStack() as stack:
            yield _figure(backend, options, stack)


def _figure(backend: str, options: Options, stack: ExitStack) -> Figure:
    sizes = powers(1, min(MOST, options.max_size))
    return GROWTH.figure(
        backend, options, sizes, lambda size: _adding(backend, size, options, stack)
    )


def _adding(backend: str, size: int, options: Options, stack: ExitStack) -> Contestant:
    url = stack.enter_context(engine_url(backend, options.folder))
    content = settings(url, trigger_definitions=triggers(size))
    manager = stack.enter_context(TriggerManager(content))
    workload = Workload(options.seed)
    add_all(manager, workload.batches(BATCH, BATCH))
    number = max(1, options.events // SHARE)

    def lap(_round: int) -> Any:
        batches = workload.batches(number, BATCH)
        return timed(number, lambda: add_all(manager, batches))

    return lap
