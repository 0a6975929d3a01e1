"""Databases for runs that Hypothesis generates."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from support.scenes.sql_stores import SqlStores

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "mariadb"])
def stores(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SqlStores]:
    """Stores on each database."""
    with closing(SqlStores(tmp_path_factory.mktemp("stores"), request.param)) as stores:
        yield stores


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStores]:
    """Stores on SQLite."""
    with closing(SqlStores(tmp_path_factory.mktemp("sqlite"), "sqlite")) as stores:
        yield stores


@pytest.fixture(scope="module")
def other_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStores]:
    """Stores on another database of SQLite."""
    with closing(SqlStores(tmp_path_factory.mktemp("other_sqlite"), "sqlite")) as stores:
        yield stores
