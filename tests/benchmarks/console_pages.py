"""Pages and API of the console on a large PostgreSQL database, compared with an empty one."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.console_targets import targets
from benchmarks.databases import engine_url
from benchmarks.figure import Figure, Goal
from support.builders.bulk_rows import END, rows
from support.builders.console_rows import PIPELINE, TRIGGERS, BulkSite, fill_site
from support.probes.query_plans import readings
from winchester_core.bootstrap import load_settings
from winchester_core.console.app import console_application
from winchester_core.console.options import ConsoleOptions
from winchester_core.console.site import Site
from winchester_core.service.garbage_collector import tune_garbage_collector
from winchester_core.sources.http.params import ConnectionLimits
from winchester_core.sources.http.server import HttpServer, listen
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.console_targets import Target
    from benchmarks.options import Options

NAME = "console-pages"
BACKEND = "postgresql"
SMALL_EVENTS = 8_000
"""Events of the database with which pages are compared that need data; it has as much activity."""

MAX_RATIO = 10
MAX_MILLISECONDS = 200
MAX_ROWS = 20_000
MAX_BYTES = 1 << 20
EMPTY = ", empty"
LIMITS = ConnectionLimits(max_connections=16, header_timeout_seconds=60)
TIMEOUT_SECONDS = 60


def measure(options: Options) -> Iterator[Figure]:
    """Yield the figures of the pages, of the API, and of the statistics that both cache."""
    if BACKEND not in options.databases:
        return
    with ExitStack() as stack:
        large, site = stack.enter_context(_large_console(options))
        small = stack.enter_context(_small_console(options))
        empty = stack.enter_context(_empty_console(options))
        every = list(targets(site))
        equivalents = list(targets(BulkSite(SMALL_EVENTS)))
        trials = [
            Trial(target, large, other.path, small if target.needs_data else empty)
            for target, other in zip(every, equivalents, strict=True)
        ]
        tune_garbage_collector()
        for number in range(options.rounds):
            for trial in trials[number:] + trials[:number]:
                trial.run(options.console_requests)
        note = f"{site.events:,} events, {site.streams - site.streams // 10:,} streams"
        for face, is_api in (("pages", False), ("API", True)):
            chosen = [each for each in trials if each.target.is_api == is_api]
            yield from _figures(face, chosen, note)
        yield _statistics(large, options.rounds)


class Console:
    """The application on one database, served as the command serves it; its client may act."""

    def __init__(self, site: Site) -> None:
        self.site = site
        listener = listen("127.0.0.1", 0)
        site.options = replace(site.options, listen=listener.getsockname()[:2])
        self._server = HttpServer(console_application(site), listener, LIMITS)
        self._client = HTTPConnection(*self._server.address, timeout=TIMEOUT_SECONDS)
        self._server.start()

    def close(self) -> None:
        """Stop the server."""
        self._client.close()
        self._server.stop()

    def get(self, path: str) -> bytes:
        """Return the body of the response. Raises `AssertionError` if it is not a success."""
        self._client.request("GET", path)
        response = self._client.getresponse()
        body = response.read()
        assert response.status == 200, f"{path}: status {response.status}"
        return body

    def milliseconds(self, path: str, requests: int) -> float:
        """Return the 95th percentile of the times of this number of requests."""
        times = []
        self._client.close()  # the server has closed the connection if the last request is long ago
        for _ in range(requests):
            started = perf_counter()
            self.get(path)
            times.append(1000 * (perf_counter() - started))
        return sorted(times)[requests * 95 // 100 - 1]

    def rows_read(self, path: str) -> tuple[int, int]:
        """Return the rows and the entries of indexes that the database reads for a request.

        These are the smallest numbers of two requests, one of which does not renew a cache.
        """
        self._client.close()
        self.get(path)
        return min(self._rows_of_request(path), self._rows_of_request(path))

    def _rows_of_request(self, path: str) -> tuple[int, int]:
        with readings(self.site.store.database) as recorded:
            self.get(path)
        entries = sum(each.index_entries for each in recorded)
        return sum(each.rows for each in recorded) - entries, entries


@dataclass
class Trial:
    """An address on the large database and its equivalent on the other one, with their times."""

    target: Target
    large: Console
    other_path: str
    other: Console
    times: list[float] = field(default_factory=list)
    other_times: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rows, self.index_entries = self.large.rows_read(self.target.path)
        self.bytes = len(self.large.get(self.target.path))

    def run(self, requests: int) -> None:
        """Measure both once."""
        self.times.append(self.large.milliseconds(self.target.path, requests))
        self.other_times.append(self.other.milliseconds(self.other_path, requests))

    @property
    def samples(self) -> dict[str, tuple[float, ...]]:
        """The times by name."""
        path = self.target.path
        return {path: tuple(self.times), path + EMPTY: tuple(self.other_times)}


def _figures(face: str, trials: Sequence[Trial], note: str) -> Iterator[Figure]:
    paths = [each.target.path for each in trials]
    yield Figure(
        NAME,
        f"{face}, 95th percentile",
        BACKEND,
        "ms",
        {name: times for each in trials for name, times in each.samples.items()},
        tuple(Goal(path, path + EMPTY, at_most=MAX_RATIO) for path in paths),
        note=note,
    )
    slowest = max(trials, key=lambda each: sorted(each.times)[len(each.times) // 2])
    yield Figure(
        NAME,
        f"{face}, greatest 95th percentile",
        BACKEND,
        "ms",
        {slowest.target.path: tuple(slowest.times)},
        (Goal(slowest.target.path, at_most=MAX_MILLISECONDS),),
    )
    for name, unit, values, at_most in (
        ("rows read", "rows", [each.rows for each in trials], MAX_ROWS),
        (
            "index entries read without their rows",
            "entries",
            [t.index_entries for t in trials],
            None,
        ),
        ("size", "bytes", [each.bytes for each in trials], MAX_BYTES),
    ):
        yield _greatest(f"{face}, {name}", unit, dict(zip(paths, values, strict=True)), at_most)


def _greatest(name: str, unit: str, values: dict[str, int], at_most: int | None) -> Figure:
    """Return a figure of the address with the greatest value; its facts have all of them."""
    greatest = max(values, key=lambda path: values[path])
    samples = {greatest: (float(values[greatest]),)}
    goal = Goal(greatest, at_most=at_most)
    return Figure(NAME, name, BACKEND, unit, samples, (goal,), facts={"all": values})


def _statistics(console: Console, rounds: int) -> Figure:
    """Return the time of reading the cached statistics, which a request does now and then."""
    store, now = console.site.store, console.site.current_time()
    times = []
    for _ in range(rounds):
        started = perf_counter()
        store.statistics(now)
        times.append(1000 * (perf_counter() - started))
    name = "reading of the statistics"
    return Figure(
        NAME,
        f"{name}, at most 1 % of the time",
        BACKEND,
        "ms",
        {name: tuple(times)},
        (Goal(name),),
    )


@contextmanager
def _large_console(options: Options) -> Iterator[tuple[Console, BulkSite]]:
    with ExitStack() as stack:
        url = options.console_url or stack.enter_context(engine_url(BACKEND, options.folder))
        with closing(Database(url)) as database:
            DatabaseSchema(database).upgrade()
            with database.engine.connect() as connection:
                is_empty = rows(connection, "events") == 0
            if is_empty:
                fill_site(database, options.console_events)
        yield stack.enter_context(_console(url)), BulkSite(options.console_events)


@contextmanager
def _small_console(options: Options) -> Iterator[Console]:
    with engine_url(BACKEND, options.folder) as url:
        with closing(Database(url)) as database:
            fill_site(database, SMALL_EVENTS)
        with _console(url) as console:
            yield console


@contextmanager
def _empty_console(options: Options) -> Iterator[Console]:
    with engine_url(BACKEND, options.folder) as url, _console(url) as console:
        console.site.store.set_event_clock(END)  # filters by age need stream time
        yield console


@contextmanager
def _console(url: str) -> Iterator[Console]:
    content: dict[str, Any] = {
        "database": {"url": url},
        "clock": "event",
        "trigger_definitions": TRIGGERS,
        "pipeline_config": {PIPELINE: ["logger"]},
    }
    with (
        closing(Site(load_settings(content), ConsoleOptions(allow_actions=True))) as site,
        closing(Console(site)) as console,
    ):
        yield console
