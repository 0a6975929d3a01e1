"""Databases of the fault tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.servers.databases import Databases

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The databases of this session."""
    made = Databases(tmp_path_factory.mktemp("databases"))
    yield made
    made.close()


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> str:
    """The name of each database with a server, in turn."""
    name: str = request.param
    return name
