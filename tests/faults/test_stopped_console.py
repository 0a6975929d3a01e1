"""A console that is stopped or killed in the middle of requests harms nobody."""

from __future__ import annotations

import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

import pytest
from sqlalchemy import NullPool, create_engine, text

from support.builders.bulk_rows import rows
from support.probes.time_limits import BOUND_SECONDS
from support.scenes.console_program import start_console
from support.scenes.program_groups import program_group
from support.scenes.sites import Site, task_events, wait_until
from support.servers.databases import BACKENDS, temporary_database
from winchester_core.model.process import PERIODS_UNTIL_GONE, ProcessKind
from winchester_core.storage.sql.tables import metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from support.scenes.console_program import RunningConsole

MAX_SECONDS = 30.0
"""Maximum time for which a stopped console has a transaction."""

SLACK_SECONDS = 20.0
"""Time that a slow machine may take to notice; MariaDB looks once a second."""

PAGE = "/streams"


@dataclass(frozen=True)
class Server:
    """Statements of the administrator: sessions of the database, and a lock on its streams."""

    lock: str
    unlock: str
    sessions: str
    waiting: str
    idle_in_transaction: str


SERVERS = {
    "postgresql": Server(
        "LOCK TABLE streams IN ACCESS EXCLUSIVE MODE",
        "ROLLBACK",
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()",
        " AND wait_event_type = 'Lock'",
        " AND state LIKE 'idle in transaction%'",
    ),
    "mariadb": Server(
        "LOCK TABLES streams WRITE",
        "UNLOCK TABLES",
        "SELECT count(*) FROM information_schema.processlist AS p WHERE db = database()"
        " AND id <> connection_id()",
        " AND state LIKE 'Waiting for table%'",
        " AND command = 'Sleep' AND EXISTS (SELECT * FROM information_schema.innodb_trx"
        " WHERE trx_mysql_thread_id = p.id)",
    ),
}


class Administrator:
    """Sessions of an administrator in a database."""

    def __init__(self, engine: Engine, server: Server) -> None:
        self._engine, self._server = engine, server

    def sessions(self, condition: str = "") -> int:
        """Return the number of other sessions."""
        with self._engine.connect() as connection:
            query = text(self._server.sessions + condition)
            return int(connection.execute(query).scalar_one())

    def has_waiting(self) -> bool:
        """Return whether a session waits for the lock."""
        return self.sessions(self._server.waiting) > 0

    def has_idle_transaction(self) -> bool:
        """Return whether a session is in a transaction without executing a statement."""
        # InnoDB refreshes its table only when nobody has read it for a tenth of a second
        time.sleep(0.15)
        return self.sessions(self._server.idle_in_transaction) > 0

    @contextmanager
    def streams_locked(self) -> Iterator[None]:
        """Lock the table of streams, also for reading."""
        with self._engine.connect() as connection:
            connection.execution_options(isolation_level="READ COMMITTED")
            connection.exec_driver_sql(self._server.lock)
            yield
            connection.exec_driver_sql(self._server.unlock)


@contextmanager
def administrator(url: str, server: Server) -> Iterator[Administrator]:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        yield Administrator(engine, server)
    finally:
        engine.dispose()


@contextmanager
def console_site(backend: str, folder: Path) -> Iterator[Site]:
    """Yield a site with an open stream."""
    with temporary_database(backend, folder) as url:
        site = Site(folder, url)
        site.migrate()
        events = site.write_events("events.jsonl", task_events("a", ends=False))
        added = site.run("winchester", "ingest", "-c", site.config, "--file", events)
        assert added.returncode == 0, added.stderr
        yield site


def status_of(console: RunningConsole, path: str = PAGE) -> int:
    try:
        with urllib.request.urlopen(console.url + path, timeout=BOUND_SECONDS) as response:
            return int(response.status)
    except HTTPError as error:
        return error.code


def in_background(console: RunningConsole, statuses: list[Any]) -> threading.Thread:
    """Request a page in a thread; add its status, or the error, to `statuses`."""

    def request() -> None:
        try:
            statuses.append(status_of(console))
        except OSError as error:
            statuses.append(error)

    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    return thread


def test_a_stopped_console_has_no_transaction_for_long(server: str, tmp_path: Path) -> None:
    statements = SERVERS[server]
    with (
        console_site(server, tmp_path) as site,
        administrator(site.url, statements) as admin,
        program_group(site) as programs,
    ):
        console = start_console(programs)
        assert status_of(console) == HTTPStatus.OK
        statuses: list[Any] = []
        with admin.streams_locked():
            thread = in_background(console, statuses)
            wait_until(admin.has_waiting)
            console.program.stop()
            stopped_at = time.monotonic()
        wait_until(admin.has_idle_transaction)
        wait_until(lambda: not admin.has_idle_transaction(), MAX_SECONDS + SLACK_SECONDS)
        assert time.monotonic() - stopped_at < MAX_SECONDS + SLACK_SECONDS
        console.program.resume()
        thread.join(BOUND_SECONDS)
        assert statuses in ([HTTPStatus.OK], [HTTPStatus.SERVICE_UNAVAILABLE])
        assert status_of(console) == HTTPStatus.OK
        assert console.program.end() == 0


def test_a_killed_console_has_no_session_and_no_lock(server: str, tmp_path: Path) -> None:
    with (
        console_site(server, tmp_path) as site,
        administrator(site.url, SERVERS[server]) as admin,
        program_group(site) as programs,
    ):
        console = start_console(programs)
        with admin.streams_locked():
            thread = in_background(console, [])
            wait_until(admin.has_waiting)
            console.program.kill()
            thread.join(BOUND_SECONDS)
        wait_until(lambda: admin.sessions() == 0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_killed_console_leaves_only_its_row(backend: str, tmp_path: Path) -> None:
    with console_site(backend, tmp_path) as site, program_group(site) as programs:
        before = row_counts(site)
        console = start_console(programs)
        with site.store() as store:
            wait_until(store.find_processes)
            threads = [in_background(console, []) for _ in range(20)]
            assert status_of(console) == HTTPStatus.OK
            console.program.kill()
            for thread in threads:
                thread.join(BOUND_SECONDS)
            (process,) = store.find_processes()
            assert process.kind is ProcessKind.CONSOLE
            silence = timedelta(seconds=PERIODS_UNTIL_GONE * process.period_seconds + 1)
            assert process.is_gone(process.seen_at + silence)
        assert row_counts(site) == before | {"processes": 1}
        other = start_console(programs)
        assert status_of(other) == HTTPStatus.OK
        assert other.program.end() == 0


def row_counts(site: Site) -> dict[str, int]:
    """Return the numbers of rows by table."""

    def read(connection: Connection) -> dict[str, int]:
        return {table.name: rows(connection, table.name) for table in metadata.sorted_tables}

    with site.store() as store:
        return store.database.read(read)
