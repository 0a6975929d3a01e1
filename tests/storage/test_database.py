"""What the errors of a database become, and that its connections recover."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from support.builders.events import ingest, make_event, make_trigger
from winchester_core.errors import (
    ConcurrentChange,
    ConfigurationError,
    DatabaseUnavailable,
    DataRefused,
    StorageError,
)
from winchester_core.storage.records import EventFilter, StreamFilter
from winchester_core.storage.sql import database as database_module
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore
from winchester_core.telemetry.counters import Count

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

    from support.servers.databases import Databases

VM = make_trigger()
SERVERS = ["postgresql", "mariadb"]
KILL = {
    "postgresql": ("SELECT pg_backend_pid()", "SELECT pg_terminate_backend({})"),
    "mariadb": ("SELECT connection_id()", "KILL {}"),
}


class TestUrl:
    """A URL that cannot be used is a fault of the configuration, and shows no password."""

    @pytest.mark.parametrize("url", ["", "nonsense", "oracle://u:hunter2@h/d"])
    def test_one_that_is_not_supported_is_refused(self, url: str) -> None:
        with pytest.raises(ConfigurationError, match=r"database\.url") as told:
            Database(url)
        assert "hunter2" not in str(told.value)

    @pytest.mark.parametrize(
        ("url", "driver"),
        [
            ("postgresql://u@h/d", "postgresql+psycopg"),
            ("postgres://u@h/d", "postgresql+psycopg"),
            ("postgresql+psycopg://u@h/d", "postgresql+psycopg"),
            ("mysql://u@h/d", "mariadb+pymysql"),
            ("mysql+pymysql://u@h/d", "mariadb+pymysql"),
            ("mariadb://u@h/d", "mariadb+pymysql"),
            ("sqlite:///d", "sqlite"),
        ],
    )
    def test_the_driver_is_spelt_out(self, url: str, driver: str) -> None:
        with closing(Database(url)) as database:
            assert database.engine.url.drivername == driver

    def test_what_is_shown_is_masked(self) -> None:
        with closing(Database("postgresql://u:hunter2@h/d")) as database:
            assert database.masked_url == "postgresql+psycopg://u:***@h/d"


class TestFaults:
    """Callers can tell apart: try later, never try again, others were first."""

    @pytest.mark.parametrize("scheme", SERVERS)
    def test_a_server_that_is_not_there_is_unavailable(self, scheme: str) -> None:
        with (
            closing(Database(f"{scheme}://nobody:hunter2@127.0.0.1:1/none")) as database,
            pytest.raises(DatabaseUnavailable) as told,
        ):
            SqlStore(database).event_clock()
        assert "hunter2" not in str(told.value)

    def test_a_folder_that_is_not_there_is_unavailable(self, tmp_path: Path) -> None:
        with (
            closing(Database(f"sqlite:///{tmp_path / 'none' / 'events.db'}")) as database,
            pytest.raises(DatabaseUnavailable, match="unable to open"),
        ):
            SqlStore(database).event_clock()

    def test_a_missing_table_is_a_fault_of_the_schema(self, tmp_path: Path) -> None:
        with closing(Database(f"sqlite:///{tmp_path / 'events.db'}")) as database:
            with pytest.raises(StorageError, match="no such table") as told:
                SqlStore(database).event_clock()
            assert type(told.value) is StorageError

    @pytest.mark.parametrize("backend", SERVERS)
    def test_content_that_is_refused_refuses_the_whole_batch(
        self, databases: Databases, backend: str
    ) -> None:
        store = SqlStore(databases.emptied(backend))
        with pytest.raises(DataRefused):
            ingest(store, VM, make_event("good"), make_event("x" * 256), make_event("other"))
        assert store.count_events(EventFilter()) == 0
        assert store.count_streams(StreamFilter()) == 0

    def test_what_the_driver_refuses_is_refused(self, databases: Databases) -> None:
        store = SqlStore(databases.emptied("postgresql"))
        with pytest.raises(DataRefused, match="NUL"):
            store.get_event_by_message_id("\0")

    def test_what_a_row_cannot_hold_is_refused(self, databases: Databases) -> None:
        store = SqlStore(databases.emptied("postgresql"))
        with pytest.raises(DataRefused, match="0x00"):
            ingest(store, VM, make_event("\0"))

    @pytest.mark.parametrize("backend", SERVERS)
    def test_a_connection_that_breaks_is_unavailable_and_the_next_one_works(
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
    """A transaction that others were faster than starts anew."""

    def test_it_is_tried_again_from_its_start(self, sql_store: SqlStore) -> None:
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

    def test_at_last_it_is_given_up(
        self, databases: Databases, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database_module, "MAX_RETRY_SECONDS", 0.0)

        def work(_connection: Connection) -> None:
            raise ConcurrentChange("another was first")

        with pytest.raises(ConcurrentChange):
            databases.emptied("sqlite").write(work)


def test_a_database_in_memory_is_shared_by_threads() -> None:
    with closing(Database("sqlite://")) as database:
        DatabaseSchema(database).upgrade()
        store = SqlStore(database)

        def work(name: int) -> bool:
            ingest(store, VM, make_event(f"{name}", instance=name))
            return store.has_event(f"{name}")

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(40)))
        assert store.count_streams(StreamFilter()) == 40


def test_an_sqlite_database_is_created_for_its_owner_and_group_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    with closing(Database(f"sqlite:///{path}")) as database:
        DatabaseSchema(database).upgrade()
        database.read(lambda connection: connection.execute(text("SELECT 1")))
        modes = {each.name: each.stat().st_mode & 0o777 for each in tmp_path.iterdir()}
    assert modes["new.db"] & ~0o640 == 0
    assert all(mode & ~0o640 == 0 for mode in modes.values()), modes
