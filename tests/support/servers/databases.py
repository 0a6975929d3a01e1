"""Databases for tests: created empty, one per test or session, and removed afterwards.

WINCHESTER_TEST_POSTGRESQL_URL and WINCHESTER_TEST_MARIADB_URL (SQLAlchemy URLs) name the servers,
with a user that may create databases. WINCHESTER_TEST_MARIADB_DRIVER=mysqldb uses mysqlclient for
MariaDB. WINCHESTER_TEST_POOLER=1 puts a PgBouncer before PostgreSQL.
"""

from __future__ import annotations

import os
import uuid
from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import create_engine, delete, event, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from support.servers.database_servers import MARIADB_DRIVER
from support.servers.pgbouncer import transaction_pooler
from winchester_core.storage.sql.database import Database
from winchester_core.storage.sql.schema_migration import DatabaseSchema
from winchester_core.storage.sql.tables import event_clock, metadata
from winchester_core.testing.builders import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection, Engine

BACKENDS = ("sqlite", "postgresql", "mariadb")

SERVERS = {
    "postgresql": (
        "WINCHESTER_TEST_POSTGRESQL_URL",
        "postgresql+psycopg://postgres@127.0.0.1:5432/postgres",
    ),
    "mariadb": ("WINCHESTER_TEST_MARIADB_URL", "mariadb+pymysql://root@127.0.0.1:3306/"),
}
PROBES = 3
PROBE_SECONDS = 30
"""Time limit for a server that neither accepts nor refuses a connection."""

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
    """Yield the URL of a new, empty database; an SQLite file is in `folder`.

    Skips the test without the server, or fails it under WINCHESTER_REQUIRE_SERVICES=1.
    """
    name = f"winchester_test_{os.getpid()}_{uuid.uuid4().hex[:8]}"
    if backend == "sqlite":
        yield f"sqlite:///{folder / name}.db"
        return
    variable, default = SERVERS[backend]
    admin_url = os.environ.get(variable, default)
    if backend == "mariadb":
        admin_url = with_driver(admin_url, MARIADB_DRIVER)
    if (reason := _absence(admin_url)) is not None:
        if os.environ.get("WINCHESTER_REQUIRE_SERVICES") == "1":
            pytest.fail(f"{backend} is absent ({variable}): {reason}")
        pytest.skip(f"{backend} is absent ({variable})")
    admin = create_engine(admin_url, isolation_level="AUTOCOMMIT")
    try:
        _run(admin, _CREATE[backend].format(name))
        try:
            url = make_url(admin_url).set(database=name)
            yield url.render_as_string(hide_password=False)
        finally:
            _run(admin, _DROP[backend].format(name))
    finally:
        admin.dispose()


def with_driver(url: str, driver: str) -> str:
    """Return the URL of a MariaDB with another driver."""
    changed = make_url(url).set(drivername=f"mariadb+{driver}")
    return changed.render_as_string(hide_password=False)


def without_fsync(engine: Engine) -> None:
    """Let SQLite commit without fsync: durability is not tested here."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")


class Databases:
    """A database for each backend, created on first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Database] = {}
        self._stack = ExitStack()

    def emptied(self, backend: str) -> Database:
        """Return the backend's database without rows."""
        if backend not in self._made:
            self._made[backend] = self._make(backend)
        database = self._made[backend]
        database.write(_empty)
        return database

    def close(self) -> None:
        """Remove all of them."""
        self._stack.close()

    def _make(self, backend: str) -> Database:
        url = self._stack.enter_context(temporary_database(backend, self._folder))
        is_pooled = backend == "postgresql" and os.environ.get("WINCHESTER_TEST_POOLER") == "1"
        if is_pooled:
            url = self._stack.enter_context(transaction_pooler(url))
        database = Database(url, transaction_pooling=is_pooled, host_clock=FakeClock())
        self._stack.callback(database.close)
        if database.dialect.embedded:
            without_fsync(database.engine)
        DatabaseSchema(database).upgrade()
        return database


def _empty(connection: Connection) -> None:
    for table in metadata.sorted_tables:
        if table is event_clock:
            connection.execute(update(table).values(stream_time=None))
        else:
            connection.execute(delete(table))


@cache
def _absence(admin_url: str) -> str | None:
    """Return why a server refuses a connection, or None; each process tries once."""
    engine = create_engine(admin_url, connect_args={"connect_timeout": PROBE_SECONDS})
    reason = ""
    try:
        for _ in range(PROBES):
            try:
                with engine.connect():
                    return None
            except SQLAlchemyError as error:  # of a server under load, too
                reason = str(error)
    finally:
        engine.dispose()
    return reason


def _run(admin: Engine, statement: str) -> None:
    with admin.connect() as connection:
        connection.execute(text(statement))
