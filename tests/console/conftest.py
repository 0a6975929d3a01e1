"""Prepared sites, made once per session and database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.scenes.prepared_site import PreparedSite
from support.servers.database_servers import free_port
from support.servers.databases import temporary_database

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def prepared_site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PreparedSite]:
    """Yield the prepared site on each database; tests that change it repair one of its problems."""
    folder = tmp_path_factory.mktemp(f"site-{request.param}")
    with temporary_database(request.param, folder) as url:
        site = PreparedSite(folder, url, ingest_port=free_port(), alarm_port=free_port())
        site.fill()
        yield site
