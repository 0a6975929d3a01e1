"""A full or read-only database is unavailable: nothing is refused, nothing lost."""

from __future__ import annotations

import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text

from support.builders.events import NOON, VM, ingest, make_event, only_stream
from support.servers.databases import temporary_database
from winchester_core.errors import DatabaseUnavailable
from winchester_core.retry import OutageState, retry_until_stopped
from winchester_core.storage.records import Rejection
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.store import SqlStore
from winchester_core.telemetry.counters import Count, Counters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ_ONLY = {
    "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
    "postgresql": (
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    ),
    "mariadb": ("SET SESSION TRANSACTION READ ONLY", "SET SESSION TRANSACTION READ WRITE"),
}


class SessionStatement:
    """Runs a statement on every connection that is taken from the pool."""

    def __init__(self, database: Database) -> None:
        self.statement: str | None = None
        event.listen(database.engine, "checkout", self._set)

    def _set(self, connection: Any, *_: object) -> None:
        if self.statement is not None:
            cursor = connection.cursor()
            cursor.execute(self.statement)
            cursor.close()
            connection.commit()


@pytest.fixture(params=list(READ_ONLY))
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(backend: str, tmp_path: Path) -> Iterator[SqlStore]:
    with temporary_database(backend, tmp_path) as url, closing(Database(url)) as database:
        DatabaseSchema(database).upgrade()
        yield SqlStore(database)


def test_a_read_only_database_is_unavailable_until_it_is_writable(
    store: SqlStore, backend: str
) -> None:
    session = SessionStatement(store.database)
    session.statement, back = READ_ONLY[backend]
    with pytest.raises(DatabaseUnavailable):
        ingest(store, VM, make_event("1"))
    assert not store.has_event("1")  # it reads
    session.statement = back
    ingest(store, VM, make_event("1"))
    assert only_stream(store, instance="a").event_count == 1


def test_a_full_disk_is_an_outage_until_there_is_space(tmp_path: Path) -> None:
    with closing(Database(f"sqlite:///{tmp_path / 'full.db'}")) as database:
        DatabaseSchema(database).upgrade()
        store = SqlStore(database)
        session = SessionStatement(database)
        session.statement = "PRAGMA max_page_count = 1"  # no more than it has
        body = b"x" * 2**20
        rejection = Rejection("s", "event", "bad", body, len(body), b"d" * 32)
        with pytest.raises(DatabaseUnavailable, match="full"):
            store.insert_rejected([rejection])

        counters, tries = Counters(), []

        def keep() -> int:
            tries.append(NOON)
            if len(tries) == 3:
                session.statement = "PRAGMA max_page_count = 1000000"
            return store.insert_rejected([rejection])

        assert retry_until_stopped(OutageState("database", counters), threading.Event(), keep) == 1
        assert len(tries) == 3
        assert counters[Count.OUTAGES] == 1


def test_a_read_only_server_is_unavailable_for_new_sessions(tmp_path: Path) -> None:
    with temporary_database("postgresql", tmp_path) as url, closing(Database(url)) as database:
        DatabaseSchema(database).upgrade()
        store = SqlStore(database)
        name = database.engine.url.database

        def set_read_only(value: str) -> None:
            with database.engine.connect() as connection:
                connection.execute(text("SET TRANSACTION READ WRITE"))
                connection.execute(
                    text(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")
                )
                connection.commit()
            database.engine.dispose()

        set_read_only("on")
        with pytest.raises(DatabaseUnavailable, match="read-only"):
            ingest(store, VM, make_event("1"))
        set_read_only("off")
        assert ingest(store, VM, make_event("1")).stored == (True,)
