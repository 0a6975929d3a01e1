"""A database of each kind, with real servers, for concurrent programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.scenes.sites import Site
from support.scenes.worker_settings import BOTH_SETTINGS, WorkerSettings
from support.servers.databases import BACKENDS, temporary_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of each database in turn."""
    name: str = request.param
    return name


@pytest.fixture(params=BOTH_SETTINGS, ids=str)
def worker_settings(request: pytest.FixtureRequest) -> WorkerSettings:
    """Settings of workers: one run after the other, and many in parallel."""
    settings: WorkerSettings = request.param
    return settings


@pytest.fixture
def site(backend: str, tmp_path: Path) -> Iterator[Site]:
    """A directory with a configuration, and an empty database on each server."""
    with temporary_database(backend, tmp_path) as url:
        site = Site(tmp_path, url)
        site.migrate()
        yield site
