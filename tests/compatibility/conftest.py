"""A program that embeds the library, for the rules on which programs of the older system rely."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from support.scenes.embedding import EmbeddingProgram, create_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with all tables, to be copied."""
    return create_database(tmp_path_factory.mktemp("embedded") / "empty.db")


@pytest.fixture
def program(empty_database: Path, tmp_path: Path) -> Iterator[EmbeddingProgram]:
    """A program with an empty database."""
    database = shutil.copy(empty_database, tmp_path / "program.db")
    with EmbeddingProgram(database) as embedding:
        yield embedding
