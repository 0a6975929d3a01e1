"""Latency from the commit of a fire decision to the start of an idle worker's pipeline."""

from __future__ import annotations

import random
import statistics
from contextlib import closing, contextmanager
from multiprocessing import get_context
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, event

from benchmarks.databases import engine_url, settings
from benchmarks.figure import Figure, Goal
from benchmarks.ingest_batch import add_all
from benchmarks.worker import NoOpHandler, worker_on
from benchmarks.workload import EXISTS, Workload
from winchester_core import TriggerManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.options import Options

NAME = "wake-up"
NOTIFIED = ("postgresql",)
NOTIFIED_GOALS = (Goal("p99", at_most=100.0), Goal("p50"), Goal("max"))
POLL_SECONDS = 1.0
POLLED_SHARE = 10
"""Divisor of the number of wake-ups where workers poll, since each takes up to a second."""

POLLED_GOALS = (Goal("max", at_most=1000 * POLL_SECONDS), Goal("p50"))
NOTIFIED_PAUSE_SECONDS = 0.1
SETTLING_SECONDS = 0.05
"""Time until an idle worker sleeps again; a random pause is added before the next event."""

TIMEOUT_SECONDS = 60.0


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each database."""
    for backend in options.databases:
        is_notified = backend in NOTIFIED
        number = options.wakeups if is_notified else max(1, options.wakeups // POLLED_SHARE)
        with engine_url(backend, options.folder) as url:
            pause = NOTIFIED_PAUSE_SECONDS if is_notified else POLL_SECONDS
            latencies = sorted(_latencies(url, number, pause, options.seed))
        kind = "notified by the server" if is_notified else f"polling every {POLL_SECONDS:g} s"
        yield Figure(
            NAME,
            f"from the commit of a fire decision to its pipeline, a worker {kind}",
            backend,
            "ms",
            {
                "p50": (statistics.median(latencies),),
                "p99": (latencies[min(len(latencies) - 1, len(latencies) * 99 // 100)],),
                "max": (latencies[-1],),
            },
            NOTIFIED_GOALS if is_notified else POLLED_GOALS,
            facts={"wake-ups": number},
        )


def _latencies(url: str, number: int, pause_seconds: float, seed: int) -> Iterator[float]:
    """Yield the milliseconds of each wake-up."""
    rng = random.Random(seed)
    workload = Workload(seed, instances=number + 1)
    with _worker(url) as started, TriggerManager(settings(url)) as manager, _commits() as commits:
        for place in range(number + 1):
            fires = {**workload.any_event(place), "event_type": EXISTS}
            commits.clear()
            add_all(manager, [[fires]])
            committed = commits[0]
            if not started.poll(TIMEOUT_SECONDS):
                raise TimeoutError(f"no pipeline started within {TIMEOUT_SECONDS} s")
            if place:  # the worker is still starting for the first one
                yield 1000 * (started.recv() - committed)
            else:
                started.recv()
            sleep(SETTLING_SECONDS + rng.uniform(0, pause_seconds))


@contextmanager
def _worker(url: str) -> Iterator[Any]:
    """Yield a pipe on which a worker in its own process sends the start times of its pipelines."""
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=work, args=(url, there), daemon=True)
    process.start()
    there.close()
    try:
        yield here
    finally:
        process.terminate()
        process.join(TIMEOUT_SECONDS)


def work(url: str, started: Any) -> None:
    """Run a worker until the process is terminated."""

    class StartRecorder(NoOpHandler):
        def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
            started.send(perf_counter())
            return events

    with closing(worker_on(url, StartRecorder, pipeline_worker_delay=POLL_SECONDS)) as worker:
        worker.run()


@contextmanager
def _commits() -> Iterator[list[float]]:
    """Yield a list that records the start of each commit of this process."""
    moments: list[float] = []

    def note(_connection: Any) -> None:
        moments.append(perf_counter())

    event.listen(Engine, "commit", note)
    try:
        yield moments
    finally:
        event.remove(Engine, "commit", note)
