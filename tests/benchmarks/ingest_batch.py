"""Batches of 1,000 events through `TriggerManager.add_events`, with durable commits."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from benchmarks.databases import engine_manager, plain_engine
from benchmarks.figure import ENGINE, HAND_WRITTEN, NATIVE_SQL, RAW, Figure, Goal, cpu_us, rates
from benchmarks.hand_written import in_native_sql, in_sqlalchemy_core
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.raw import RawEvents
from benchmarks.rounds import interleave
from benchmarks.workload import Workload

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant
    from winchester_core import TriggerManager

NAME = "ingest-batch"
COPY = "raw, COPY"
GOALS = (
    Goal(ENGINE, HAND_WRITTEN, at_least=0.8),
    Goal(ENGINE, NATIVE_SQL),
    Goal(ENGINE, RAW, at_least=0.5),
)
COPY_GOALS = {"postgresql": (Goal(ENGINE, COPY),)}

Batches = list[list[dict[str, Any]]]


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each database."""
    for backend in options.databases:
        with ExitStack() as stack:
            laps = interleave(_contestants(backend, options, stack), options.rounds)
        yield Figure(
            NAME,
            f"ingest, batches of {BATCH:,}",
            backend,
            "events/s",
            rates(laps),
            (*GOALS, *COPY_GOALS.get(backend, ())),
            cpu_us(laps),
        )


def add_all(manager: TriggerManager, batches: Sequence[Sequence[dict[str, Any]]]) -> None:
    """Add the batches to the engine. Raises `AssertionError` if an event was not stored."""
    for batch in batches:
        stored = manager.add_events(batch).stored
        assert stored == len(batch), f"{stored} of {len(batch)} events were stored"


def _contestants(backend: str, options: Options, stack: ExitStack) -> dict[str, Contestant]:
    def plain() -> Any:
        return stack.enter_context(plain_engine(backend, options.folder))

    manager = stack.enter_context(engine_manager(backend, options.folder))
    contestants = {
        ENGINE: adding(options, lambda batches: add_all(manager, batches)),
        HAND_WRITTEN: adding(options, in_sqlalchemy_core(plain()).add),
        NATIVE_SQL: adding(options, in_native_sql(backend, plain()).add),
        RAW: adding(options, RawEvents(plain()).add),
    }
    if backend == "postgresql":
        contestants[COPY] = adding(options, RawEvents(plain()).copy)
    return contestants


def adding(options: Options, add: Callable[[Batches], object]) -> Contestant:
    """Return a contestant. All have the same events, which continue from round to round."""
    workload = Workload(options.seed)
    add(workload.batches(BATCH, BATCH))  # connect and compile the statements

    def lap(_round: int) -> Any:
        batches = workload.batches(options.events, BATCH)
        return timed(options.events, lambda: add(batches))

    return lap
