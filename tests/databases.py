"""Databases for tests: each made empty, of its own, and removed afterwards.

Where a server is, and as whom to create databases there, is told by WINCHESTER_TEST_POSTGRESQL_URL
and WINCHESTER_TEST_MARIADB_URL (URLs of SQLAlchemy).
"""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Engine

BACKENDS = ("sqlite", "postgresql", "mariadb")

_SERVERS = {
    "postgresql": (
        "WINCHESTER_TEST_POSTGRESQL_URL",
        "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    ),
    "mariadb": ("WINCHESTER_TEST_MARIADB_URL", "mariadb+pymysql://root@127.0.0.1:3306/"),
}
_CREATE = {
    "postgresql": "CREATE DATABASE {} ENCODING 'UTF8' TEMPLATE template0",
    # the tables must not depend on what a database's own default is
    "mariadb": "CREATE DATABASE {} CHARACTER SET latin1",
}
_DROP = {
    "postgresql": "DROP DATABASE {} WITH (FORCE)",
    "mariadb": "DROP DATABASE {}",
}


@contextmanager
def temporary_database(backend: str, folder: Path) -> Iterator[str]:
    """Give the URL of a new, empty database; a file of SQLite lies in `folder`.

    The test skips where the server is absent, or fails under WINCHESTER_REQUIRE_SERVICES=1.
    """
    name = f"winchester_test_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    if backend == "sqlite":
        yield f"sqlite:///{folder / name}.db"
        return
    variable, default = _SERVERS[backend]
    admin_url = os.environ.get(variable, default)
    admin = create_engine(admin_url, isolation_level="AUTOCOMMIT")
    try:
        _run(admin, _CREATE[backend].format(name), on_absence=f"{backend} is absent ({variable})")
        try:
            url = make_url(admin_url).set(database=name)
            yield url.render_as_string(hide_password=False)
        finally:
            _run(admin, _DROP[backend].format(name))
    finally:
        admin.dispose()


def without_fsync(engine: Engine) -> None:
    """Let SQLite commit without waiting for the disk: durability is not what is tested."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")


def _run(admin: Engine, statement: str, on_absence: str | None = None) -> None:
    try:
        with admin.connect() as connection:
            connection.execute(text(statement))
    except SQLAlchemyError as error:
        if on_absence is None:
            raise
        if os.environ.get("WINCHESTER_REQUIRE_SERVICES") == "1":
            pytest.fail(f"{on_absence}: {error}")
        pytest.skip(on_absence)
