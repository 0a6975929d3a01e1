"""Ingest of single events: each call is a transaction, committed to disk before the next."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.databases import engine_manager, plain_engine
from benchmarks.figure import ENGINE, HAND_WRITTEN, NATIVE_SQL, RAW, Figure, Goal, cpu_us, rates
from benchmarks.hand_written import in_native_sql, in_sqlalchemy_core
from benchmarks.ingest_batch import add_all
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.raw import RawEvents
from benchmarks.rounds import interleave
from benchmarks.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

NAME = "ingest-single"
GOALS = (Goal(ENGINE, RAW, at_least=0.4), Goal(ENGINE, HAND_WRITTEN), Goal(ENGINE, NATIVE_SQL))
SHARE = 40
"""Divisor of the number of events: single events are slower than batches."""


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each database."""
    for backend in options.databases:
        with ExitStack() as stack:
            laps = interleave(_contestants(backend, options, stack), options.rounds)
        yield Figure(
            NAME,
            "ingest, one event per call",
            backend,
            "events/s",
            rates(laps),
            GOALS,
            cpu_us(laps),
        )


def _contestants(backend: str, options: Options, stack: ExitStack) -> dict[str, Contestant]:
    def plain() -> Any:
        return stack.enter_context(plain_engine(backend, options.folder))

    manager = stack.enter_context(engine_manager(backend, options.folder))
    return {
        ENGINE: _adding(options, lambda batches: add_all(manager, batches)),
        HAND_WRITTEN: _adding(options, in_sqlalchemy_core(plain()).add),
        NATIVE_SQL: _adding(options, in_native_sql(backend, plain()).add),
        RAW: _adding(options, RawEvents(plain()).add),
    }


def _adding(options: Options, add: Callable[[list[list[dict[str, Any]]]], object]) -> Contestant:
    number = max(1, options.events // SHARE)
    workload = Workload(options.seed)
    add(workload.batches(BATCH, BATCH))
    add(workload.batches(10, 1))

    def lap(_round: int) -> Any:
        batches = workload.batches(number, 1)
        return timed(number, lambda: add(batches))

    return lap
