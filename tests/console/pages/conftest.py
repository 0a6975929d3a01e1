"""Consoles on an empty SQLite database."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from support.scenes.api_console import database_settings
from support.scenes.guarded_console import VIEWER
from support.scenes.page_console import PageConsole
from support.servers.databases import Databases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from winchester_core.config import Settings


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    """The databases of this session."""
    created = Databases(tmp_path_factory.mktemp("databases"))
    yield created
    created.close()


@pytest.fixture
def settings(databases: Databases) -> Settings:
    """Settings with an empty database."""
    url = databases.emptied("sqlite").engine.url.render_as_string(hide_password=False)
    return database_settings(url)


@pytest.fixture
def console(settings: Settings) -> Iterator[PageConsole]:
    """A console without tokens that allows actions."""
    made = PageConsole(settings)
    with closing(made.site):
        yield made


@pytest.fixture
def viewer(settings: Settings) -> Iterator[PageConsole]:
    """A console on the same database, used by a viewer."""
    made = PageConsole(settings, VIEWER)
    with closing(made.site):
        yield made


@pytest.fixture
def read_only(settings: Settings) -> Iterator[PageConsole]:
    """A console on the same database that allows no actions."""
    made = PageConsole(settings, allow_actions=False)
    with closing(made.site):
        yield made
