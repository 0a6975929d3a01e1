"""Handlers with a `commit`: batches of commits, and threads for handlers that wait.

Streams of eight events, claim to purge. A round of the handlers that wait fires fewer streams with
one thread, since each takes 20 ms.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from benchmarks.databases import engine_url, settings
from benchmarks.figure import Figure, Goal, cpu_us, rates
from benchmarks.ingest_batch import add_all
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.rounds import interleave
from benchmarks.worker import NoOpHandler, worker_on
from benchmarks.workload import PER_DAY, Workload
from winchester_core import TriggerManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

NAME = "parallel-runs"

WITHOUT_COMMIT = "without a commit"
IN_BATCHES = "in batches"
ONE_BY_ONE = "one by one"
THREADS = 16
ONE_THREAD = "1 thread"
MANY_THREADS = f"{THREADS} threads"
WAIT_SECONDS = 0.02

COMMIT_GOALS = (
    Goal(IN_BATCHES, WITHOUT_COMMIT, at_least=0.5),
    Goal(ONE_BY_ONE, WITHOUT_COMMIT),
)
THREAD_GOALS = (Goal(MANY_THREADS, ONE_THREAD, at_least=12),)

SHARE = 8
"""Divisor of the number of events whose streams fire in a lap."""


class CommittingHandler(NoOpHandler):
    """Has a non-empty `commit`."""

    def commit(self) -> None:
        self.params.clear()


class WaitingHandler(NoOpHandler):
    """Waits in `commit`, as for a network."""

    def commit(self) -> None:
        time.sleep(WAIT_SECONDS)


def measure(options: Options) -> Iterator[Figure]:
    """Yield two figures for each database."""
    streams = max(THREADS, options.events // SHARE // PER_DAY)
    for backend in options.databases:
        with ExitStack() as stack:

            def contestant(
                handler: type[Any], number: int, backend: str = backend, **others: Any
            ) -> Contestant:
                return _contestant(backend, options, stack, handler, number, others)

            committing = {
                WITHOUT_COMMIT: contestant(NoOpHandler, streams),
                IN_BATCHES: contestant(CommittingHandler, streams),
                ONE_BY_ONE: contestant(CommittingHandler, streams // 4, commit_batch=1),
            }
            yield _figure("handlers with a commit", backend, committing, options, COMMIT_GOALS)
            waiting = {
                ONE_THREAD: contestant(WaitingHandler, streams // THREADS),
                MANY_THREADS: contestant(WaitingHandler, streams, worker_concurrency=THREADS),
            }
            name = "handlers that wait 20 ms in commit"
            yield _figure(name, backend, waiting, options, THREAD_GOALS)


def _figure(
    name: str,
    backend: str,
    contestants: dict[str, Contestant],
    options: Options,
    goals: tuple[Goal, ...],
) -> Figure:
    laps = interleave(contestants, options.rounds)
    return Figure(NAME, f"worker, {name}", backend, "streams/s", rates(laps), goals, cpu_us(laps))


def _contestant(
    backend: str,
    options: Options,
    stack: ExitStack,
    handler: type[Any],
    streams: int,
    others: dict[str, Any],
) -> Contestant:
    url = stack.enter_context(engine_url(backend, options.folder))
    manager = stack.enter_context(TriggerManager(settings(url)))
    worker = stack.enter_context(closing(worker_on(url, handler, **others)))
    workload = Workload(options.seed, instances=streams)

    def lap(_round: int) -> Any:
        add_all(manager, workload.batches(streams * PER_DAY, BATCH))
        before = worker.counters["streams_fired"]
        timing = timed(streams, worker.run_until_idle)
        assert worker.counters["streams_fired"] - before == streams
        return timing

    return lap
