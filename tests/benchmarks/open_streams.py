"""Cost of an event as the number of open streams grows."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.figure import PAST_CORE
from benchmarks.growth import Growth, powers
from benchmarks.hand_written import past_core
from benchmarks.ingest_batch import add_all
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.places import engine_manager, plain_engine
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
BY_HAND = replace(GROWTH, name=f"the same, {PAST_CORE}", at_most=None)
BUFFERED = 200_000
"""So many open streams, with what belongs to them, fit into a server's buffers as it comes."""

SHARE = 16
"""Of the events of a large round, one in so many joins an open stream here."""


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each database."""
    for backend in options.databases:
        growth = GROWTH if options.most <= BUFFERED else BEYOND_BUFFERS
        for what, made in ((growth, _engine), (BY_HAND, _by_hand)):
            with ExitStack() as stack:
                yield _figure(what, backend, options, partial(made, backend, options, stack))


def _engine(backend: str, options: Options, stack: ExitStack) -> Add:
    manager = stack.enter_context(engine_manager(backend, options.folder))
    return lambda batches: add_all(manager, batches)


def _by_hand(backend: str, options: Options, stack: ExitStack) -> Add:
    return past_core(backend, stack.enter_context(plain_engine(backend, options.folder))).add


def _figure(growth: Growth, backend: str, options: Options, new: Callable[[], Add]) -> Figure:
    sizes = powers(min(BATCH, options.most // 10), options.most)
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
