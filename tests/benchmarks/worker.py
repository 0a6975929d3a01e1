"""Streams of eight events: claimed, run through a no-op handler, and purged."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

from benchmarks.databases import engine_url, plain_engine, settings
from benchmarks.figure import ENGINE, HAND_WRITTEN, NATIVE_SQL, Figure, Goal, cpu_us, rates
from benchmarks.hand_written import in_native_sql, in_sqlalchemy_core
from benchmarks.ingest_batch import add_all
from benchmarks.lap import timed
from benchmarks.options import BATCH
from benchmarks.rounds import interleave
from benchmarks.workload import PER_DAY, Workload
from winchester_core import TriggerManager
from winchester_core.bootstrap import load_settings, make_worker, open_store, stream_clock
from winchester_core.bootstrap.definitions import worker_options
from winchester_core.interfaces import PipelineHandler
from winchester_core.pipelines import HandlerSpec, PipelineDefinition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant
    from winchester_core.worker import Worker

NAME = "worker"
GOALS = (Goal(ENGINE, HAND_WRITTEN, at_least=0.6), Goal(ENGINE, NATIVE_SQL))
RATE_GOALS = {"postgresql": Goal(ENGINE, at_least=3_000)}
SHARE = 4
"""Divisor of the number of events whose streams fire in a lap."""


class NoOpHandler(PipelineHandler):
    """Does nothing."""

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        return events


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each database."""
    for backend in options.databases:
        with ExitStack() as stack:
            laps = interleave(_contestants(backend, options, stack), options.rounds)
        yield Figure(
            NAME,
            f"worker, streams of {PER_DAY} events, claim to purge",
            backend,
            "streams/s",
            rates(laps),
            (
                *GOALS,
                RATE_GOALS.get(backend, Goal(ENGINE)),
            ),
            cpu_us(laps),
        )


def _contestants(backend: str, options: Options, stack: ExitStack) -> dict[str, Contestant]:
    core = in_sqlalchemy_core(stack.enter_context(plain_engine(backend, options.folder)))
    native = in_native_sql(backend, stack.enter_context(plain_engine(backend, options.folder)))
    return {
        ENGINE: _engine(backend, options, stack, NoOpHandler),
        HAND_WRITTEN: working(options, core.add, lambda: core.work(BATCH)),
        NATIVE_SQL: working(options, native.add, lambda: native.work(BATCH)),
    }


def _engine(backend: str, options: Options, stack: ExitStack, handler: type[Any]) -> Contestant:
    url = stack.enter_context(engine_url(backend, options.folder))
    manager = stack.enter_context(TriggerManager(settings(url)))
    worker = stack.enter_context(closing(worker_on(url, handler)))
    return working(
        options, lambda batches: add_all(manager, batches), lambda: run_until_idle(worker)
    )


def worker_on(url: str, handler: type[Any], **others: Any) -> Worker:
    """Return a worker with default settings whose only pipeline has this handler."""
    content = settings(url, pipeline_config={"bill": ["logger"]}, **others)
    loaded, store = load_settings(content), open_store(content)
    pipelines = {"bill": PipelineDefinition("bill", (HandlerSpec("handler", handler),))}
    clock, options = stream_clock(loaded, store), worker_options(loaded)
    return make_worker(loaded, store, clock, pipelines=pipelines, options=options)


def run_until_idle(worker: Worker) -> int:
    """Run the worker until no stream is ready; return the number of claimed streams."""
    total = 0
    while claimed := worker.run_once():
        total += claimed
    return total


def working(options: Options, add: Callable[[Any], object], work: Callable[[], int]) -> Contestant:
    """Return a contestant that fires whole days, stored before the lap is timed."""
    streams = max(1, options.events // SHARE // PER_DAY)
    workload = Workload(options.seed, instances=streams)
    add(workload.batches(streams * PER_DAY, BATCH))
    work()

    def lap(_round: int) -> Any:
        add(workload.batches(streams * PER_DAY, BATCH))
        done: list[int] = []
        timing = timed(streams, lambda: done.append(work()))
        assert done == [streams], f"{done} of {streams} streams fired"
        return timing

    return lap
