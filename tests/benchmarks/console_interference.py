"""Ingest and worker while many clients load pages of a console on the same database.

The console and its clients are processes of the lowest priority.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections import Counter
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from benchmarks.databases import engine_url, settings
from benchmarks.figure import Figure, Goal, cpu_us, rates
from benchmarks.ingest_batch import add_all, adding
from benchmarks.rounds import interleave
from benchmarks.worker import NoOpHandler, run_until_idle, worker_on, working
from benchmarks.workload import PER_DAY, TRIGGER
from support.scenes.console_program import start_console
from support.scenes.program_groups import program_group
from support.scenes.sites import Site
from winchester_core import TriggerManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

NAME = "console-interference"
BACKENDS = ("sqlite", "postgresql")
ALONE = "without clients"
LOADED = "with clients"
GOALS = (Goal(LOADED, ALONE, at_least=0.9),)
CLIENTS = 200
PAUSE_SECONDS = 1.0
"""Time between a response and the next request of a client."""

WORKER_FACTOR = 4
"""Factor for the events of a lap of the worker, which would be short compared with a request."""

LOWEST_PRIORITY = 19
TIMEOUT_SECONDS = 120.0
PATHS = (
    *("/", "/triggers", f"/triggers/{TRIGGER['name']}", "/streams", "/streams?state=active"),
    *("/events", "/rejected", "/outbox", "/site", "/api/v1/streams", "/api/v1/events"),
)


def measure(options: Options) -> Iterator[Figure]:
    """Yield a figure of ingest and one of the worker for each database."""
    for backend in BACKENDS:
        if backend in options.databases:
            yield _figure("ingest, batches of 1,000", "events/s", backend, options, _ingest)
            name = f"worker, streams of {PER_DAY} events, claim to purge"
            yield _figure(name, "streams/s", backend, options, _work)


def _figure(
    name: str,
    unit: str,
    backend: str,
    options: Options,
    make_contestant: Callable[[str, Options, ExitStack], Contestant],
) -> Figure:
    loads: list[Load] = []
    with ExitStack() as stack:
        url = stack.enter_context(engine_url(backend, options.folder))
        contestant = make_contestant(url, options, stack)
        console_url = stack.enter_context(_console(url, options.folder))

        def loaded(round_: int) -> Any:
            with clients_of(console_url) as load:
                loads.append(load)
                return contestant(round_)

        laps = interleave({ALONE: contestant, LOADED: loaded}, options.rounds)
    statuses = sum((load.statuses for load in loads), Counter())
    seconds = sum(load.seconds for load in loads)
    return Figure(
        NAME,
        f"{name}, {CLIENTS} clients of a console",
        backend,
        unit,
        rates(laps),
        GOALS,
        cpu_us(laps),
        {"statuses": {str(key): number for key, number in sorted(statuses.items())}},
        f"{statuses[200] / seconds:.0f} pages and {statuses[503] / seconds:.0f} refusals a second",
    )


def _ingest(url: str, options: Options, stack: ExitStack) -> Contestant:
    manager = stack.enter_context(TriggerManager(settings(url)))
    return adding(options, lambda batches: add_all(manager, batches))


def _work(url: str, options: Options, stack: ExitStack) -> Contestant:
    manager = stack.enter_context(TriggerManager(settings(url)))
    worker = stack.enter_context(closing(worker_on(url, NoOpHandler)))
    long = replace(options, events=WORKER_FACTOR * options.events)
    return working(long, lambda batches: add_all(manager, batches), lambda: run_until_idle(worker))


@contextmanager
def _console(url: str, folder: Path) -> Iterator[str]:
    """Yield the URL of a console on a database; it has the lowest priority."""
    site = Site(Path(mkdtemp(dir=folder)), url)
    site.write("triggers.yaml", json.dumps([TRIGGER]))
    site.write("pipelines.yaml", "bill: [logger]\n")
    with program_group(site) as programs:
        console = start_console(programs)
        for task in Path(f"/proc/{console.program.pid}/task").iterdir():
            os.setpriority(os.PRIO_PROCESS, int(task.name), LOWEST_PRIORITY)
        yield console.url


class Load:
    """Responses that the clients have received, once they have ended."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.statuses: Counter[int] = Counter()


@contextmanager
def clients_of(url: str) -> Iterator[Load]:
    """Let `CLIENTS` clients load pages, in another process of the lowest priority."""
    context, load = get_context("spawn"), Load()
    here, there = context.Pipe()
    process = context.Process(target=run_clients, args=(url, there), daemon=True)
    process.start()
    try:
        _receive(here)  # every client has had a response
        started = perf_counter()
        yield load
        here.send("end")
        load.statuses = _receive(here)
        load.seconds = perf_counter() - started
    finally:
        process.terminate()
        process.join(TIMEOUT_SECONDS)


def _receive(pipe: Any) -> Any:
    if not pipe.poll(TIMEOUT_SECONDS):
        raise TimeoutError(f"no report of the clients within {TIMEOUT_SECONDS} s")
    return pipe.recv()


def run_clients(url: str, pipe: Any) -> None:
    """Run the clients until `pipe` receives something; send the number of each status."""
    os.nice(LOWEST_PRIORITY)
    asyncio.run(_run_clients(url, pipe))


async def _run_clients(url: str, pipe: Any) -> None:
    statuses: Counter[int] = Counter()
    ready = asyncio.Semaphore(0)
    tasks = [
        asyncio.create_task(_client(url, number, statuses, ready)) for number in range(CLIENTS)
    ]
    for _ in tasks:
        await ready.acquire()
    statuses.clear()
    pipe.send("ready")
    await asyncio.to_thread(pipe.poll, None)
    pipe.send(statuses)


async def _client(url: str, number: int, statuses: Counter[int], ready: asyncio.Semaphore) -> None:
    """Load one page after the other."""
    place = number
    reader, writer = await _connect(url)
    while True:
        try:
            status = await _get(reader, writer, url, PATHS[place % len(PATHS)])
        except (OSError, asyncio.IncompleteReadError):  # the console has closed the connection
            reader, writer = await _connect(url)
            continue
        statuses[status] += 1
        if place == number:
            ready.release()
        place += 1
        await asyncio.sleep(PAUSE_SECONDS)


async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def _get(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, url: str, path: str
) -> int:
    """Return the status of the response. Raises `ValueError` unless it is 200 or 503."""
    host = urlsplit(url).netloc
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status_line, *lines = head.split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    await reader.readexactly(int(headers["content-length"]))
    status = int(status_line.split()[1])
    if status not in (200, 503):
        raise ValueError(f"{path}: {status_line}")
    return status
