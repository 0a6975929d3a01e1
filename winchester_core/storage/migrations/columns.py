"""Idempotent changes of columns.

MariaDB commits each DDL statement, and some revisions run outside transactions. So if a migration
is interrupted, a part of its changes may exist when it is repeated. Printed SQL assumes that a
migration is not repeated.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def add_column(table: str, column: sa.Column[object]) -> None:
    """Add a column unless it exists."""
    if op.get_context().as_sql or column.name not in _names(table):
        op.add_column(table, column)


def drop_column(table: str, name: str) -> None:
    """Remove a column if it exists."""
    if op.get_context().as_sql or name in _names(table):
        op.drop_column(table, name)


def _names(table: str) -> set[str]:
    return {each["name"] for each in sa.inspect(op.get_bind()).get_columns(table)}
