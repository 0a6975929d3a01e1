"""Consoles on an empty database of each backend."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from support.scenes.api_console import ApiConsole, database_settings
from support.servers.databases import BACKENDS, Databases

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The databases of this session."""
    created = Databases(tmp_path_factory.mktemp("databases"))
    yield created
    created.close()


def console_on(databases: Databases, backend: str) -> ApiConsole:
    """Return a console on an empty database."""
    url = databases.emptied(backend).engine.url.render_as_string(hide_password=False)
    return ApiConsole(database_settings(url))


@pytest.fixture(params=BACKENDS)
def console(request: pytest.FixtureRequest, databases: Databases) -> Iterator[ApiConsole]:
    """A console on an empty database of each backend."""
    made = console_on(databases, request.param)
    with closing(made.site):
        yield made


@pytest.fixture
def sqlite_console(databases: Databases) -> Iterator[ApiConsole]:
    """A console on an empty SQLite database."""
    made = console_on(databases, "sqlite")
    with closing(made.site):
        yield made
