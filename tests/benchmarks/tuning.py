"""The effect of single settings, for the page "Tune": each value beside the default, in one run."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from benchmarks.databases import engine_manager, engine_url, settings
from benchmarks.figure import Figure, Goal, cpu_us, rates
from benchmarks.ingest_batch import add_all
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.parallel_runs import CommittingHandler, WaitingHandler
from benchmarks.rounds import interleave
from benchmarks.worker import NoOpHandler, worker_on
from benchmarks.workload import PER_DAY, Workload
from winchester_core import TriggerManager
from winchester_core.interfaces import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

NAME = "tuning"

INGEST_SHARE = 16
WORKER_SHARE = 16
"""Divisors of the number of events in a lap."""

REQUEST_SECONDS = 0.005


class DeliveringHandler(NoOpHandler):
    """Queues an effect for each stream. A request takes 5 ms, for any number of effects."""

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        env["outbox"].put({"stream": env["stream_id"]})
        return events

    def deliver(self, effects: list[Any]) -> list[Any]:
        time.sleep(REQUEST_SECONDS)
        return [Delivered() for _ in effects]


WORKER_CASES: Sequence[tuple[str, type[Any], str, tuple[int, ...]]] = (
    ("handlers without a commit", NoOpHandler, "pipeline_worker_batch_size", (1000, 100, 10)),
    ("handlers with a commit", CommittingHandler, "commit_batch", (100, 10, 1)),
    ("handlers that wait 20 ms", WaitingHandler, "worker_concurrency", (1, 4, 16, 32)),
    ("effects, 5 ms a request", DeliveringHandler, "outbox_batch_size", (100, 10, 1)),
)
"""Workload, handler, setting, and its values: the default first."""

BATCH_SIZES = (1000, 100, 10, 1)


def measure(options: Options) -> Iterator[Figure]:
    """Yield figures for each database."""
    for backend in options.databases:
        yield _ingest_figure(backend, options)
        for name, handler, setting, values in WORKER_CASES:
            yield _worker_figure(backend, options, (name, handler, setting, values))


def _ingest_figure(backend: str, options: Options) -> Figure:
    """Compare sizes of batches."""
    with ExitStack() as stack:
        contestants = {}
        for size in BATCH_SIZES:
            manager = stack.enter_context(engine_manager(backend, options.folder))
            contestants[f"ingest_batch_size {size}"] = _adding(manager, options, size)
        return _figure(backend, "ingest", contestants, options)


def _adding(manager: TriggerManager, options: Options, size: int) -> Contestant:
    workload = Workload(options.seed)
    # as many transactions with small batches as show their cost
    number = max(BATCH, options.events // INGEST_SHARE) if size >= 100 else BATCH // 2
    add_all(manager, workload.batches(BATCH, BATCH))

    def lap(_round: int) -> Any:
        batches = workload.batches(number, size)
        return timed(number, lambda: add_all(manager, batches))

    return lap


def _worker_figure(
    backend: str, options: Options, case: tuple[str, type[Any], str, tuple[int, ...]]
) -> Figure:
    """Compare values of one setting of workers."""
    name, handler, setting, values = case
    with ExitStack() as stack:
        contestants = {}
        for value in values:
            url = stack.enter_context(engine_url(backend, options.folder))
            manager = stack.enter_context(TriggerManager(settings(url)))
            others: dict[str, Any] = {setting: value, "pipeline_worker_delay": 0.05}
            worker = stack.enter_context(closing(worker_on(url, handler, **others)))
            streams = max(64, options.events // WORKER_SHARE // PER_DAY)
            if value == 1:
                streams //= 4
            contestants[f"{setting} {value}"] = _running(
                manager, worker.run_until_idle, options, streams
            )
        return _figure(backend, name, contestants, options)


def _running(
    manager: TriggerManager, run: Callable[[], None], options: Options, streams: int
) -> Contestant:
    workload = Workload(options.seed, instances=streams)

    def lap(_round: int) -> Any:
        add_all(manager, workload.batches(streams * PER_DAY, BATCH))
        return timed(streams, run)

    return lap


def _figure(
    backend: str, name: str, contestants: Mapping[str, Contestant], options: Options
) -> Figure:
    default, *others = contestants
    laps = interleave(contestants, options.rounds)
    unit = "events/s" if name == "ingest" else "streams/s"
    goals = tuple(Goal(each, default) for each in others)
    return Figure(NAME, f"tuning, {name}", backend, unit, rates(laps), goals, cpu_us(laps))
