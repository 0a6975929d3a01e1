"""Connections with limits: their number, the time of queries, and servers that may be read only."""

from __future__ import annotations

import threading
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from support.builders.events import VM, ingest, make_event
from support.probes.time_limits import BOUND_SECONDS
from support.servers.databases import BACKENDS, temporary_database
from support.servers.pgbouncer import transaction_pooler
from winchester_core.clock import monotonic, sleep
from winchester_core.errors import DatabaseUnavailable, QueryTimeout
from winchester_core.storage.database_limits import DatabaseLimits
from winchester_core.storage.sql import database as database_module
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.dialects import base
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

SERVERS = ("postgresql", "mariadb")
SHORT = DatabaseLimits(pool_size=2, pool_timeout_seconds=0.05, statement_timeout_seconds=0.3)
COUNTING = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) "
ENDLESS = {
    "sqlite": COUNTING + "SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(600)",
    "mariadb": "SELECT sleep(600)",
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def url(backend: str, tmp_path: Path) -> Iterator[str]:
    with temporary_database(backend, tmp_path) as temporary_url:
        with closing(Database(temporary_url)) as database:
            DatabaseSchema(database).upgrade()
        yield temporary_url


def scalar(database: Database, statement: str) -> Any:
    return database.read(lambda connection: connection.execute(text(statement)).scalar_one())


def use_connection(connection: Connection) -> None:
    connection.execute(text("SELECT 1"))


def test_a_query_that_takes_too_long_is_cancelled(url: str, backend: str) -> None:
    with closing(SqlStore(Database(url, limits=SHORT))) as store:
        started = monotonic()
        with pytest.raises(QueryTimeout):
            scalar(store.database, ENDLESS[backend])
        assert 0.2 < monotonic() - started < BOUND_SECONDS
        for number in range(3):  # the connections can still be used
            ingest(store, VM, make_event(f"e{number}"))
        assert store.count_events() == 3


def test_a_write_that_takes_too_long_changes_nothing(url: str, backend: str) -> None:
    with closing(SqlStore(Database(url, limits=SHORT))) as store:
        ingest(store, VM, make_event("1"))

        def delete_slowly(connection: Connection) -> None:
            connection.execute(text("DELETE FROM events"))
            connection.execute(text(ENDLESS[backend]))

        with pytest.raises(QueryTimeout):
            store.database.write(delete_slowly)
        assert store.has_event("1")


def test_without_limits_a_cancelled_query_may_be_retried_later(
    tmp_path: Path,
) -> None:
    with (
        temporary_database("postgresql", tmp_path) as url,
        closing(Database(f"{url}?options=-c%20statement_timeout%3D50ms")) as database,
        pytest.raises(DatabaseUnavailable),
    ):
        scalar(database, ENDLESS["postgresql"])


def test_the_url_does_not_lift_the_limits(tmp_path: Path) -> None:
    options = "-c%20statement_timeout%3D0%20-c%20idle_in_transaction_session_timeout%3D0"
    with (
        temporary_database("postgresql", tmp_path) as url,
        closing(Database(f"{url}?options={options}", limits=DatabaseLimits())) as database,
    ):
        assert scalar(database, "SHOW statement_timeout") == "5s"
        assert scalar(database, "SHOW idle_in_transaction_session_timeout") == "30s"


def test_a_pooler_of_transactions_keeps_the_limits_of_each_transaction(tmp_path: Path) -> None:
    with (
        temporary_database("postgresql", tmp_path) as url,
        transaction_pooler(url) as pooled_url,
        closing(Database(pooled_url, transaction_pooling=True, limits=SHORT)) as limited,
        closing(Database(pooled_url, transaction_pooling=True)) as other,
    ):
        for _ in range(3):
            assert scalar(limited, "SHOW statement_timeout") == "300ms"
            assert scalar(other, "SHOW statement_timeout") == "0"
        with pytest.raises(QueryTimeout):
            scalar(limited, ENDLESS["postgresql"])


def test_mariadb_sessions_have_the_limits(tmp_path: Path) -> None:
    with (
        temporary_database("mariadb", tmp_path) as url,
        closing(Database(url, limits=DatabaseLimits())) as database,
    ):
        assert scalar(database, "SELECT @@max_statement_time") == 5
        assert scalar(database, "SELECT @@idle_transaction_timeout") == 30
        assert scalar(database, "SELECT @@net_write_timeout") == 30


def test_a_client_that_does_not_read_a_result_holds_no_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "IDLE_TRANSACTION_TIMEOUT_SECONDS", 1)
    large = "SELECT repeat('x', 1000000) FROM generate_series(1, 3000)"
    open_transactions = f"SELECT count(*) FROM pg_stat_activity WHERE query = $${large}$$"
    with (
        temporary_database("postgresql", tmp_path) as url,
        closing(Database(url)) as other,
        closing(Database(url, limits=SHORT)) as database,
        closing(database.engine.raw_connection()) as connection,
        connection.driver_connection.cursor() as cursor,  # type: ignore[union-attr]
    ):
        rows = cursor.stream(large)
        next(rows)  # the others are not read, as by a paused process
        assert scalar(other, open_transactions) == 1
        ends_at = monotonic() + BOUND_SECONDS
        while scalar(other, open_transactions):
            assert monotonic() < ends_at
            sleep(0.05)
        with pytest.raises(database.engine.dialect.loaded_dbapi.OperationalError):
            deque(rows, maxlen=0)


def test_the_number_of_connections_is_limited(url: str) -> None:
    with closing(Database(url, limits=SHORT)) as database:
        connections = [database.engine.raw_connection() for _ in range(2)]
        started = monotonic()
        with pytest.raises(DatabaseUnavailable, match="all connections are in use"):
            database.read(use_connection)
        assert monotonic() - started < BOUND_SECONDS
        for each in connections:
            each.close()
        database.read(use_connection)


def test_a_write_on_sqlite_waits_for_another_for_a_limited_time(tmp_path: Path) -> None:
    with (
        temporary_database("sqlite", tmp_path) as url,
        closing(Database(url)) as other,
        closing(SqlStore(Database(url, limits=SHORT))) as store,
    ):
        DatabaseSchema(other).upgrade()
        has_begun, ends = threading.Event(), threading.Event()

        def hold(connection: Connection) -> None:
            use_connection(connection)
            has_begun.set()
            assert ends.wait(BOUND_SECONDS)

        thread = threading.Thread(target=other.write, args=(hold,))
        thread.start()
        assert has_begun.wait(BOUND_SECONDS)
        with pytest.raises(DatabaseUnavailable, match="locked"):
            ingest(store, VM, make_event("1"))
        assert store.count_events() == 0  # reading needs no lock
        ends.set()
        thread.join(BOUND_SECONDS)
        ingest(store, VM, make_event("1"))


SESSION_ID = {"postgresql": "SELECT pg_backend_pid()", "mariadb": "SELECT connection_id()"}


@pytest.mark.parametrize("backend", SERVERS, indirect=True)
@pytest.mark.parametrize("read_only_allowed", [False, True])
def test_a_server_that_accepts_no_writes_is_read_if_this_is_allowed(
    url: str, backend: str, monkeypatch: pytest.MonkeyPatch, read_only_allowed: bool
) -> None:
    monkeypatch.setattr(database_module, "CHECK_INTERVAL_SECONDS", 0)
    database = Database(url, read_only_allowed=read_only_allowed)
    with closing(SqlStore(database)) as store:
        sessions = [scalar(database, SESSION_ID[backend])]
        answers = iter([False])  # of the first server; the next one accepts writes
        monkeypatch.setattr(
            database.dialect, "accepts_writes", lambda _connection: next(answers, True)
        )
        assert store.count_streams() == 0
        sessions.append(scalar(database, SESSION_ID[backend]))
        assert (sessions[0] == sessions[1]) is read_only_allowed
