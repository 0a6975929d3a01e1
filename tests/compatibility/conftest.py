"""A program that embeds the library, for the rules on which programs of the older system rely."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.scenes.embedding import EmbeddingProgram, create_database
from support.servers.databases import SERVERS, Databases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables, to be copied."""
    return create_database(tmp_path_factory.mktemp("embedded") / "empty.db")


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The databases on servers."""
    created = Databases(tmp_path_factory.mktemp("databases"))
    yield created
    created.close()


@pytest.fixture(
    params=["sqlite", *(pytest.param(each, marks=pytest.mark.slow) for each in SERVERS)]
)
def program(
    request: pytest.FixtureRequest, empty_database: Path, databases: Databases, tmp_path: Path
) -> Iterator[EmbeddingProgram]:
    """A program with an empty database, on each kind of database."""
    if request.param == "sqlite":
        database: Path | str = shutil.copy(empty_database, tmp_path / "program.db")
    else:
        url = databases.emptied(request.param).engine.url
        database = url.render_as_string(hide_password=False)
    with EmbeddingProgram(database) as embedding:
        yield embedding
