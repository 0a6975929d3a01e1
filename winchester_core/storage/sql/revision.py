"""Which revision of the schema a database is at, told without loading alembic.

Alembic takes half a second to import, and every command asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, String, Table, inspect, select

from winchester_core.errors import SchemaMismatch

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from winchester_core.storage.sql.database import Database

HEAD = "0007"
"""The newest revision under `migrations`, which this program works with."""

alembic_version = Table("alembic_version", MetaData(), Column("version_num", String(32)))
"""The table in which alembic keeps the revision."""


def revision_of(database: Database) -> str | None:
    """The revision that the database is at; None when it has no tables yet."""
    return database.read(_revision)


def check_revision(database: Database) -> None:
    """Raise `SchemaMismatch` unless the database is at the program's revision."""
    found = revision_of(database)
    if found != HEAD:
        raise SchemaMismatch(found, HEAD, database.masked_url)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(alembic_version.name):
        return None
    return connection.execute(select(alembic_version.c.version_num)).scalars().first()
