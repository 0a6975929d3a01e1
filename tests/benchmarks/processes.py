"""Several ingesting processes compared with one, and the server's share of the processors."""

from __future__ import annotations

import os
import statistics
from contextlib import closing
from multiprocessing import get_context
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import make_url

from benchmarks.databases import engine_url, settings
from benchmarks.figure import Figure, Goal, cpu_us, rates
from benchmarks.ingest_batch import add_all
from benchmarks.lap import Lap
from benchmarks.options import BATCH
from benchmarks.rounds import interleave
from benchmarks.server_load import ServerLoad
from benchmarks.workload import Workload
from winchester_core import TriggerManager

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from benchmarks.options import Options

NAME = "processes"
SERVERS = ("postgresql", "mariadb")
SHARE = 4
TIMEOUT_SECONDS = 600.0


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure for each server; SQLite has one writer at a time."""
    for backend in SERVERS:
        if backend in options.databases:
            with engine_url(backend, options.folder) as url:
                yield _figure(backend, url, options)


def _figure(backend: str, url: str, options: Options) -> Figure:
    groups = {
        _named(number): ProcessGroup(backend, url, number, options)
        for number in (1, options.processes)
    }
    laps = interleave({name: group.lap for name, group in groups.items()}, options.rounds)
    goal = Goal(_named(options.processes), _named(1))
    shares = {name: group.server_shares for name, group in groups.items()}
    return Figure(
        NAME,
        "ingest by several processes, batches of 1,000",
        backend,
        "events/s",
        rates(laps),
        (goal,),
        cpu_us(laps),
        {"server_share_of_processors": shares},
        _shares_note(shares),
    )


def _shares_note(shares: Mapping[str, Sequence[float | None]]) -> str:
    parts = []
    for name, samples in shares.items():
        known = [share for share in samples if share is not None]
        text = f"{statistics.median(known):.0%}" if known else "unknown"
        parts.append(f"{text} with {name}")
    return f"the server's share of {os.cpu_count()} processors: {', '.join(parts)}"


def _named(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


class ProcessGroup:
    """Processes that ingest concurrently, each for its own instances."""

    def __init__(self, backend: str, url: str, number: int, options: Options) -> None:
        self.server_shares: list[float | None] = []
        self._url = url
        self._number = number
        self._events = max(1, options.events // SHARE // number)
        self._seed = options.seed + 1_000 * number
        self._load = ServerLoad(backend, make_url(url).database or "")

    def lap(self, round_: int) -> Lap:
        """Measure the time from the start of the first process to the end of the last."""
        context = get_context("spawn")
        barrier, answers = context.Barrier(self._number + 1), context.Queue()
        processes = [
            context.Process(
                target=ingest,
                args=(self._url, self._seed + 100 * round_ + n, self._events, barrier, answers),
            )
            for n in range(self._number)
        ]
        for each in processes:
            each.start()
        barrier.wait(TIMEOUT_SECONDS)  # all are ready
        before = self._load.seconds()
        barrier.wait(TIMEOUT_SECONDS)
        spans = [answers.get(timeout=TIMEOUT_SECONDS) for _ in processes]
        spent = self._load.since(before)
        barrier.wait(TIMEOUT_SECONDS)  # processes may close their connections now
        for each in processes:
            each.join(TIMEOUT_SECONDS)
        seconds = max(end for _, end, _ in spans) - min(start for start, _, _ in spans)
        share = None if spent is None else spent / seconds / (os.cpu_count() or 1)
        self.server_shares.append(share)
        return Lap(self._events * self._number, seconds, sum(cpu for _, _, cpu in spans))


def ingest(url: str, seed: int, events: int, barrier: Any, answers: Any) -> None:
    """Connect, wait for the other processes, ingest, and send the times."""
    workload = Workload(seed)
    with closing(TriggerManager(settings(url))) as manager:
        add_all(manager, workload.batches(BATCH, BATCH))  # connect and compile the statements
        batches = workload.batches(events, BATCH)
        barrier.wait(TIMEOUT_SECONDS)
        barrier.wait(TIMEOUT_SECONDS)
        cpu_started, started = process_time(), perf_counter()
        add_all(manager, batches)
        answers.put((started, perf_counter(), process_time() - cpu_started))
        barrier.wait(TIMEOUT_SECONDS)
