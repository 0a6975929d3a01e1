"""The supported databases and their differences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from winchester_core.errors import ConfigurationError
from winchester_core.storage.sql.dialects.base import DatabaseErrorKind, SqlDialect

if TYPE_CHECKING:
    from winchester_core.clock import Clock

SUPPORTED = ("sqlite", "postgresql", "mysql", "mariadb")


def dialect_for(url: str, host_clock: Clock) -> SqlDialect:
    """Return the dialect for a database URL. Raises `ConfigurationError` if unsupported."""
    try:
        backend, _, driver = make_url(url).drivername.partition("+")
    except (ArgumentError, ValueError):  # ValueError: the port is not a number
        raise ConfigurationError(["database.url: not a database URL"]) from None
    if backend == "sqlite":
        from winchester_core.storage.sql.dialects.sqlite import SqliteDialect

        is_private = make_url(url).database in (None, "", ":memory:", "file:")
        return SqliteDialect(host_clock, is_private=is_private)
    if backend in ("postgresql", "postgres"):
        from winchester_core.storage.sql.dialects.postgresql import PostgresqlDialect

        return PostgresqlDialect(host_clock)
    if backend in ("mysql", "mariadb"):
        from winchester_core.storage.sql.dialects.mariadb import MariadbDialect

        return MariadbDialect(host_clock, driver) if driver else MariadbDialect(host_clock)
    raise ConfigurationError(
        [f"database.url: {backend!r} is not supported; use one of {', '.join(SUPPORTED)}"]
    )


__all__ = [
    "DatabaseErrorKind",
    "SqlDialect",
    "dialect_for",
]
