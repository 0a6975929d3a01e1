"""A store on each thing that a store can lie on, empty at the start of each test."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from databases import BACKENDS, temporary_database, without_fsync
from sqlalchemy import delete, update

from winchester_core.storage.memory import MemoryStore
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema import Schema
from winchester_core.storage.sql.store import SqlStore
from winchester_core.storage.sql.tables import event_clock, metadata
from winchester_core.testing.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from winchester_core.storage.interface import Store


class Databases:
    """One database of each backend, made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Database] = {}
        self._stack = ExitStack()

    def emptied(self, backend: str) -> Database:
        """The backend's database, without rows."""
        if backend not in self._made:
            self._made[backend] = self._make(backend)
        database = self._made[backend]
        database.write(_empty)
        return database

    def close(self) -> None:
        """Remove all of them."""
        self._stack.close()

    def _make(self, backend: str) -> Database:
        url = self._stack.enter_context(temporary_database(backend, self._folder))
        database = Database(url, host_clock=FakeClock())
        self._stack.callback(database.close)
        if database.dialect.serverless:
            without_fsync(database.engine)
        Schema(database).upgrade()
        return database


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The databases of this session."""
    made = Databases(tmp_path_factory.mktemp("databases"))
    yield made
    made.close()


@pytest.fixture(params=["memory", *BACKENDS])
def store(request: pytest.FixtureRequest, databases: Databases) -> Store:
    """An empty store, in memory and on each database in turn."""
    if request.param == "memory":
        return MemoryStore(FakeClock())
    return SqlStore(databases.emptied(request.param))


@pytest.fixture(params=BACKENDS)
def sql_store(request: pytest.FixtureRequest, databases: Databases) -> SqlStore:
    """An empty store on each database in turn."""
    return SqlStore(databases.emptied(request.param))


def _empty(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        if table is event_clock:
            connection.execute(update(table).values(stream_time=None))
        else:
            connection.execute(delete(table))
