"""Cost of an event as the number of open streams grows."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.databases import engine_manager, plain_engine
from benchmarks.figure import NATIVE_SQL
from benchmarks.growth import Growth, powers
from benchmarks.hand_written import in_native_sql
from benchmarks.ingest_batch import add_all
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.figure import Figure
    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

    Add = Callable[[list[list[dict[str, Any]]]], object]

NAME = "growth-open-streams"
GROWTH = Growth(NAME, "cost of an event as open streams grow", "open streams", 1.3)
BEYOND_BUFFERS = replace(GROWTH, at_most=2.0)
HAND_WRITTEN_GROWTH = replace(GROWTH, name=f"the same, {NATIVE_SQL}", at_most=None)
MAX_BUFFERED_STREAMS = 200_000
"""Open streams that fit, with their events, into the default buffers of a server."""

SHARE = 16
"""Divisor of the number of events that join open streams in a lap."""


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each database."""
    for backend in options.databases:
        growth = GROWTH if options.max_size <= MAX_BUFFERED_STREAMS else BEYOND_BUFFERS
        for curve, make_engine in ((growth, _engine), (HAND_WRITTEN_GROWTH, _hand_written)):
            with ExitStack() as stack:
                yield _figure(
                    curve, backend, options, partial(make_engine, backend, options, stack)
                )


def _engine(backend: str, options: Options, stack: ExitStack) -> Add:
    manager = stack.enter_context(engine_manager(backend, options.folder))
    return lambda batches: add_all(manager, batches)


def _hand_written(backend: str, options: Options, stack: ExitStack) -> Add:
    return in_native_sql(backend, stack.enter_context(plain_engine(backend, options.folder))).add


def _figure(growth: Growth, backend: str, options: Options, new: Callable[[], Add]) -> Figure:
    sizes = powers(min(BATCH, options.max_size // 10), options.max_size)
    return growth.figure(
        backend, options, sizes, lambda size: _joining(new(), size, sizes[0], options)
    )


def _joining(add: Add, size: int, smallest: int, options: Options) -> Contestant:
    """Return a contestant whose batches join the same number of streams, drawn from all."""
    workload = Workload(options.seed, instances=size)
    batch = min(BATCH, smallest)
    for start in range(0, size, batch):
        numbers = range(start, min(size, start + batch))
        add([[workload.any_event(number) for number in numbers]])

    def lap(_round: int) -> Any:
        batches = [
            [workload.any_event(number) for number in workload.sample(batch)]
            for _ in range(max(1, options.events // SHARE // batch))
        ]
        return timed(len(batches) * batch, lambda: add(batches))

    return lap
