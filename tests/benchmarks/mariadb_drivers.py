"""Both drivers of MariaDB: the engine's ingest and worker, on the same server."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from benchmarks.databases import engine_url, settings
from benchmarks.figure import Figure, Goal, cpu_us, rates
from benchmarks.ingest_batch import add_all, adding
from benchmarks.options import BATCH
from benchmarks.rounds import interleave
from benchmarks.worker import NoOpHandler, run_until_idle, worker_on, working
from benchmarks.workload import PER_DAY
from support.servers.databases import with_driver
from winchester_core import TriggerManager

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.options import Options
    from benchmarks.rounds import Contestant

NAME = "mariadb-drivers"
BACKEND = "mariadb"
PYMYSQL = "PyMySQL"
MYSQLCLIENT = "mysqlclient"
DRIVERS = {PYMYSQL: "pymysql", MYSQLCLIENT: "mysqldb"}
"""The drivers' names in URLs."""


def measure(options: Options) -> Iterator[Figure]:
    """Yield the figures of ingest and worker, unless MariaDB is not chosen."""
    if BACKEND not in options.databases:
        return
    for title, unit, make, at_least in (
        (f"ingest, batches of {BATCH:,}", "events/s", _ingest, 1.0),
        (f"worker, streams of {PER_DAY} events, claim to purge", "streams/s", _work, 1.3),
    ):
        with ExitStack() as stack:
            contestants = {each: make(DRIVERS[each], options, stack) for each in DRIVERS}
            laps = interleave(contestants, options.rounds)
        goal = Goal(MYSQLCLIENT, PYMYSQL, at_least=at_least)
        yield Figure(
            NAME,
            f"{title}, by driver",
            BACKEND,
            unit,
            rates(laps),
            (goal,),
            cpu_us(laps),
        )


def _ingest(driver: str, options: Options, stack: ExitStack) -> Contestant:
    manager = stack.enter_context(_manager(_url(driver, options, stack)))
    return adding(options, lambda batches: add_all(manager, batches))


def _work(driver: str, options: Options, stack: ExitStack) -> Contestant:
    url = _url(driver, options, stack)
    manager = stack.enter_context(_manager(url))
    worker = stack.enter_context(closing(worker_on(url, NoOpHandler)))
    return working(
        options, lambda batches: add_all(manager, batches), lambda: run_until_idle(worker)
    )


def _manager(url: str) -> TriggerManager:
    return TriggerManager(settings(url))


def _url(driver: str, options: Options, stack: ExitStack) -> str:
    """Return the URL of a database with the engine's tables."""
    return with_driver(stack.enter_context(engine_url(BACKEND, options.folder)), driver)
