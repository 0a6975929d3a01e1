"""Translation of database errors, and recovery of connections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import bindparam, select, text

from support.builders.events import VM, ingest, make_event
from winchester_core.errors import (
    ConcurrentChange,
    ConfigurationError,
    DatabaseUnavailable,
    DataRefused,
    StorageError,
)
from winchester_core.storage.filters import EventFilter, StreamFilter
from winchester_core.storage.sql import database as database_module
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import events
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from support.servers.databases import Databases

SERVERS = ["postgresql", "mariadb"]
KILL = {
    "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
    "mariadb": ("SELECT connection_id()", "KILL {}"),
}


class TestUrl:
    """An invalid URL is a configuration error, and shows no password."""

    @pytest.mark.parametrize("url", ["", "nonsense", "oracle://u:hunter2@h/d"])
    def test_an_unsupported_url_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match=r"database\.url") as raised:
            Database(url)
        assert "hunter2" not in str(raised.value)

    @pytest.mark.parametrize(
        ("url", "driver"),
        [
            ("postgresql://u@h/d", "postgresql+psycopg"),
            ("postgres://u@h/d", "postgresql+psycopg"),
            ("postgresql+psycopg://u@h/d", "postgresql+psycopg"),
            ("mysql://u@h/d", "mariadb+pymysql"),
            ("mysql+pymysql://u@h/d", "mariadb+pymysql"),
            ("mariadb://u@h/d", "mariadb+pymysql"),
            ("mysql+mysqldb://u@h/d", "mariadb+mysqldb"),
            ("mariadb+mysqldb://u@h/d", "mariadb+mysqldb"),
            ("sqlite:///d", "sqlite"),
        ],
    )
    def test_the_driver_becomes_explicit(self, url: str, driver: str) -> None:
        if "mysqldb" in driver:
            pytest.importorskip("MySQLdb", reason="the extra 'mysqlclient' is not installed")
        with closing(Database(url)) as database:
            assert database.engine.url.drivername == driver

    @pytest.mark.parametrize("driver", ["asyncmy", "mysqlclient", "mariadbconnector"])
    def test_another_driver_of_mariadb_is_refused(self, driver: str) -> None:
        known = r"mysql\+pymysql and mysql\+mysqldb"
        with pytest.raises(ConfigurationError, match=known) as raised:
            Database(f"mysql+{driver}://u:hunter2@h/d")
        assert "hunter2" not in str(raised.value)

    def test_the_password_is_masked(self) -> None:
        with closing(Database("postgresql://u:hunter2@h/d")) as database:
            assert database.masked_url == "postgresql+psycopg://u:***@h/d"


class TestErrors:
    """Errors are unavailable (retry later), refused (never retry) or a conflict."""

    @pytest.mark.parametrize("scheme", SERVERS)
    def test_an_unreachable_server_is_unavailable(self, scheme: str) -> None:
        with (
            closing(Database(f"{scheme}://nobody:hunter2@127.0.0.1:1/none")) as database,
            pytest.raises(DatabaseUnavailable) as raised,
        ):
            SqlStore(database).event_clock()
        assert "hunter2" not in str(raised.value)

    def test_a_missing_directory_is_unavailable(self, tmp_path: Path) -> None:
        with (
            closing(Database(f"sqlite:///{tmp_path / 'none' / 'events.db'}")) as database,
            pytest.raises(DatabaseUnavailable, match="unable to open"),
        ):
            SqlStore(database).event_clock()

    def test_a_missing_table_is_a_schema_error(self, tmp_path: Path) -> None:
        with closing(Database(f"sqlite:///{tmp_path / 'events.db'}")) as database:
            with pytest.raises(StorageError, match="no such table") as raised:
                SqlStore(database).event_clock()
            assert type(raised.value) is StorageError

    @pytest.mark.parametrize("backend", SERVERS)
    def test_refused_content_rejects_the_whole_batch(
        self, databases: Databases, backend: str
    ) -> None:
        store = SqlStore(databases.emptied(backend))
        with pytest.raises(DataRefused):
            ingest(store, VM, make_event("good"), make_event("x" * 256), make_event("other"))
        assert store.count_events(EventFilter()) == 0
        assert store.count_streams(StreamFilter()) == 0

    def test_a_value_that_the_driver_refuses_is_refused(self, databases: Databases) -> None:
        database = databases.emptied("postgresql")
        query = select(events.c.id).where(events.c.message_id == "\0")
        with pytest.raises(DataRefused, match="NUL"):
            database.read(lambda connection: connection.execute(query))

    def test_a_missing_parameter_is_no_refused_value(self, databases: Databases) -> None:
        database = databases.emptied("sqlite")
        query = select(events.c.id).where(events.c.message_id == bindparam("absent"))
        with pytest.raises(StorageError, match="absent") as raised:
            database.read(lambda connection: connection.execute(query))
        assert not isinstance(raised.value, DataRefused)

    def test_a_value_that_the_server_refuses_is_refused(self, databases: Databases) -> None:
        store = SqlStore(databases.emptied("postgresql"))
        with pytest.raises(DataRefused, match="0x00"):
            ingest(store, VM, make_event("\0"))

    @pytest.mark.parametrize("backend", SERVERS)
    def test_a_broken_connection_is_unavailable_and_the_next_one_works(
        self, databases: Databases, backend: str
    ) -> None:
        database = databases.emptied(backend)
        who, kill = KILL[backend]

        def work(connection: Connection) -> None:
            number = connection.execute(text(who)).scalar_one()
            with database.engine.connect() as other:
                other.execute(text(kill.format(number)))
            connection.execute(text("SELECT 1"))

        with pytest.raises(DatabaseUnavailable):
            database.write(work)
        store = SqlStore(database)
        assert ingest(store, VM, make_event("1")).stored == (True,)


class TestConflicts:
    """A transaction in conflict with others is retried from its start."""

    def test_it_is_retried_from_its_start(self, sql_store: SqlStore) -> None:
        database = sql_store.database
        before = database.counters[Count.TRANSACTIONS_RETRIED]
        tries: list[int] = []

        def work(connection: Connection) -> str:
            connection.execute(text("UPDATE event_clock SET id = id"))
            tries.append(len(tries))
            if len(tries) < 4:
                raise ConcurrentChange("another was first")
            return "done"

        assert database.write(work) == "done"
        assert len(tries) == 4
        assert database.counters[Count.TRANSACTIONS_RETRIED] - before == 3

    def test_retries_end_at_the_time_limit(
        self, databases: Databases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database_module, "MAX_RETRY_SECONDS", 0.0)

        def work(_connection: Connection) -> None:
            raise ConcurrentChange("another was first")

        with pytest.raises(ConcurrentChange):
            databases.emptied("sqlite").write(work)


def test_threads_share_an_in_memory_database() -> None:
    with closing(Database("sqlite://")) as database:
        DatabaseSchema(database).upgrade()
        store = SqlStore(database)

        def work(name: int) -> bool:
            ingest(store, VM, make_event(f"{name}", instance=name))
            return store.has_event(f"{name}")

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(40)))
        assert store.count_streams(StreamFilter()) == 40


def test_an_sqlite_file_is_accessible_only_to_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with closing(Database(f"sqlite:///{path}")) as database:
        DatabaseSchema(database).upgrade()
        database.read(lambda connection: connection.execute(text("SELECT 1")))
        modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
    assert modes["new.db"] & ~0o640 == 0
    assert all(mode & ~0o640 == 0 for mode in modes.values()), modes
