"""The schema revision of a database, read without alembic.

Importing alembic takes half a second, and every command checks the revision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Column, MetaData, String, Table, inspect, select

from winchester_core.errors import SchemaMismatch

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from winchester_core.storage.sql.database import Database

SCHEMA_REVISION = "0011"
"""The newest revision under `migrations`. This program requires it."""

alembic_version = Table("alembic_version", MetaData(), Column("version_num", String(32)))
"""The table in which alembic keeps the revision."""


def current_revision(database: Database) -> str | None:
    """Return the revision of the database, or None if it has no tables yet."""
    return database.read(_revision)


def check_schema_revision(database: Database) -> None:
    """Raise `SchemaMismatch` unless the database has the revision that this program requires."""
    found = current_revision(database)
    if found != SCHEMA_REVISION:
        raise SchemaMismatch(found, SCHEMA_REVISION, database.masked_url)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(alembic_version.name):
        return None
    return connection.execute(select(alembic_version.c.version_num)).scalars().first()
