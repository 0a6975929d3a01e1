"""The cost of an event as the open streams around its own become more."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmarks.growth import Growth, powers
from benchmarks.ingest_batch import add_all
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.places import engine_manager
from benchmarks.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.figure import Figure
    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

NAME = "growth-open-streams"
GROWTH = Growth(NAME, "cost of an event as open streams grow", "open streams", 1.3)
BEYOND_BUFFERS = replace(GROWTH, at_most=2.0)
BUFFERED = 200_000
"""So many open streams, with what belongs to them, fit into a server's buffers as it comes."""

SHARE = 16
"""Of the events of a large round, one in so many joins an open stream here."""


def measure(options: Options) -> Iterator[Figure]:
    """One figure for each database."""
    for backend in options.databases:
        with ExitStack() as stack:
            yield _figure(backend, options, stack)


def _figure(backend: str, options: Options, stack: ExitStack) -> Figure:
    sizes = powers(min(BATCH, options.most // 10), options.most)
    growth = GROWTH if options.most <= BUFFERED else BEYOND_BUFFERS
    return growth.figure(
        backend, options, sizes, lambda size: _joining(backend, size, sizes[0], options, stack)
    )


def _joining(
    backend: str, size: int, smallest: int, options: Options, stack: ExitStack
) -> Contestant:
    """Each batch joins as many different streams, drawn from all; all sizes have like batches."""
    manager = stack.enter_context(engine_manager(backend, options.folder))
    workload = Workload(options.seed, instances=size)
    batch = min(BATCH, smallest)
    for start in range(0, size, batch):
        numbers = range(start, min(size, start + batch))
        add_all(manager, [[workload.any_event(number) for number in numbers]])

    def lap(_round: int) -> Any:
        batches = [
            [workload.any_event(number) for number in workload.sample(batch)]
            for _ in range(max(1, options.events // SHARE // batch))
        ]
        return timed(len(batches) * batch, lambda: add_all(manager, batches))

    return lap
