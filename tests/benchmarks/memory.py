"""Memory of an ingester and of a worker over time, and of firing a huge stream.

Each is measured in its own process.
"""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import timedelta
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from benchmarks.databases import engine_url, settings
from benchmarks.figure import Figure, Goal
from benchmarks.ingest_batch import add_all
from benchmarks.options import BATCH
from benchmarks.resident import MIB, peak_mib, reset_peak, resident_mib
from benchmarks.worker import NoOpHandler, run_until_idle, worker_on
from benchmarks.workload import EXISTS, PER_DAY, Workload, today
from winchester_core import TriggerManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.options import Options

NAME = "memory"
STEPS = 20
PEAK, HANDLER_LIST = "peak of firing", "list handed to the handler"
FLAT = 1.1
INSTANCES = 2_000
"""Few instances: the event generator needs little memory, and the events span several days."""

SAMPLE_EVENTS = 1_000
"""Number of events whose size is measured: measuring all of them would double the memory."""

TIMEOUT_SECONDS = 7200.0


def measure(options: Options) -> Iterator[Figure]:
    """Yield figures of an ingester, a worker and a huge stream, on each database."""
    for backend in options.databases:
        for name, program in (("ingester", ingest), ("worker", work)):
            with engine_url(backend, options.folder) as url:
                yield _flat(backend, name, _run_in_process(program, url, options))
        with engine_url(backend, options.folder) as url:
            yield _peak(backend, url, options)


def _flat(backend: str, name: str, series: list[tuple[int, float]]) -> Figure:
    """Return the figure of a series of (events so far, MiB); caches are full halfway through."""
    events = series[-1][0]
    samples = {f"at {number:,}": (mib,) for number, mib in series}
    half, end = series[len(series) // 2 - 1][0], series[-1][0]
    return Figure(
        NAME,
        f"memory of the {name}",
        backend,
        "MiB",
        samples,
        (Goal(f"at {end:,}", f"at {half:,}", at_most=FLAT),),
        facts={"curve": {"axis": "events", "scale": "linear", "sizes": [at for at, _ in series]}},
        note=f"memory of the {name} is resident memory, over {events:,} events",
    )


def _peak(backend: str, url: str, options: Options) -> Figure:
    fill_one_stream(url, options)
    peak, list_mib = _run_in_process(fire_one_stream, url, options)
    return Figure(
        NAME,
        "memory of firing a large stream",
        backend,
        "MiB",
        {PEAK: (peak,), HANDLER_LIST: (list_mib,)},
        (Goal(PEAK, HANDLER_LIST, at_most=2),),
        note=f"{PEAK}: increase of resident memory; {options.large_stream:,} events",
    )


def _run_in_process(
    program: Callable[[str, Options, Any], None], url: str, options: Options
) -> Any:
    """Run `program` in its own process; return its result."""
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=program, args=(url, options, there))
    process.start()
    there.close()
    try:
        return here.recv()
    finally:
        process.join(TIMEOUT_SECONDS)


def ingest(url: str, options: Options, connection: Any) -> None:
    """Add events; send this process's memory at each step."""
    series = []
    step = max(1, options.memory_events // STEPS)
    with TriggerManager(settings(url)) as manager:
        workload = Workload(options.seed, instances=INSTANCES)
        for number in range(1, STEPS + 1):
            for start in range(0, step, BATCH):
                add_all(manager, [workload.take(min(BATCH, step - start))])
            series.append((number * step, resident_mib()))
    connection.send(series)


def work(url: str, options: Options, connection: Any) -> None:
    """Process streams that another process fills; send this process's memory at each step."""
    series = []
    streams = max(1, options.memory_events // STEPS // PER_DAY)
    context = get_context("spawn")
    orders, theirs = context.Pipe()
    filler = context.Process(target=_fill, args=(url, options.seed, streams, theirs))
    filler.start()
    theirs.close()
    with closing(worker_on(url, NoOpHandler)) as worker:
        for number in range(1, STEPS + 1):
            orders.send(True)
            orders.recv()
            done = run_until_idle(worker)
            assert done == streams, f"{done} of {streams} streams fired"
            series.append((number * streams * PER_DAY, resident_mib()))
    orders.send(False)
    filler.join(TIMEOUT_SECONDS)
    connection.send(series)


def _fill(url: str, seed: int, streams: int, orders: Any) -> None:
    """On each order, make the streams of one day ready to fire."""
    with TriggerManager(settings(url)) as manager:
        workload = Workload(seed, instances=streams)
        while orders.recv():
            add_all(manager, workload.batches(streams * PER_DAY, BATCH))
            orders.send(None)


def fill_one_stream(url: str, options: Options) -> None:
    """Fill one stream with many events; the last one makes it fire."""
    with TriggerManager(settings(url)) as manager:
        workload = Workload(options.seed, instances=1)
        event = workload.any_event(0)
        for start in range(0, options.large_stream, BATCH):
            numbers = range(start, min(options.large_stream, start + BATCH))
            add_all(manager, [[_later(workload, event, n, options) for n in numbers]])


def _later(workload: Workload, event: dict[str, Any], number: int, options: Options) -> Any:
    moment = today() + timedelta(microseconds=number)
    kind = EXISTS if number == options.large_stream - 1 else event["event_type"]
    return {
        **event,
        "message_id": workload.new_id(),
        "request_id": workload.new_id(),
        "event_type": kind,
        "timestamp": moment,
    }


class SizeRecorder(NoOpHandler):
    """Measures the size of the list that it receives."""

    list_mib = 0.0

    def handle_events(self, events: list[Any], env: dict[str, Any]) -> list[Any]:
        sample = events[:: max(1, len(events) // SAMPLE_EVENTS)]
        SizeRecorder.list_mib = deep_size_bytes(sample) / MIB * len(events) / len(sample)
        return events


def deep_size_bytes(events: list[dict[str, Any]]) -> int:
    """Return the bytes of a list of events with its contents; shared objects count once."""
    seen: dict[int, int] = {id(events): sys.getsizeof(events)}
    for event in events:
        seen[id(event)] = sys.getsizeof(event)
        for part in (*event.keys(), *event.values()):
            seen[id(part)] = sys.getsizeof(part)
    return sum(seen.values())


def fire_one_stream(url: str, options: Options, connection: Any) -> None:
    """Fire the stream; send the growth of this process's memory, and the size of the list."""
    with closing(worker_on(url, SizeRecorder)) as worker:
        assert worker.process_ready_streams(1, expire=True) == 0  # connect
        reset_peak()
        before = resident_mib()
        assert worker.process_ready_streams(1) == 1
        connection.send((peak_mib() - before, SizeRecorder.list_mib))
