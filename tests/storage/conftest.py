"""Fixtures of stores on every backend, empty at the start of each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from oracle import MemoryStore
from support.servers.databases import BACKENDS, Databases
from winchester_core.storage.sql.store import SqlStore
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.storage.interface import Store


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The databases of this session."""
    created = Databases(tmp_path_factory.mktemp("databases"))
    yield created
    created.close()


@pytest.fixture(params=["memory", *BACKENDS])
def store(request: pytest.FixtureRequest, databases: Databases) -> Store:
    """An empty store: in memory, then on each database."""
    if request.param == "memory":
        return MemoryStore(FakeClock())
    return SqlStore(databases.emptied(request.param))


@pytest.fixture(params=BACKENDS)
def sql_store(request: pytest.FixtureRequest, databases: Databases) -> SqlStore:
    """An empty store on each database."""
    return SqlStore(databases.emptied(request.param))
