"""On SQLite, links and traits of streams become WITHOUT ROWID tables.

Each row is then stored in one B-tree fewer, for fewer writes by joining events and purges. SQLite
cannot alter this option, so both tables are copied. Other databases are unchanged.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from winchester_core.storage.sql.types import exact_string, sha256_digest

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

KEYS = {"stream_events": ("stream_id", "position"), "stream_traits": ("stream_id", "name")}
INDEXES = {"stream_events": ["event_id"], "stream_traits": ["name", "digest"]}


def upgrade() -> None:
    """Copy both tables to tables without rowid."""
    _copy(with_rowid=False)


def downgrade() -> None:
    """Copy both tables to tables with rowid."""
    _copy(with_rowid=True)


def _copy(*, with_rowid: bool) -> None:
    if op.get_context().dialect.name != "sqlite":
        return
    for table, indexed in INDEXES.items():
        copied = f"{table}_old"
        op.rename_table(table, copied)
        columns, key = COLUMNS[table](), KEYS[table]
        names, order = ", ".join(each.name for each in columns), ", ".join(key)
        primary_key = sa.PrimaryKeyConstraint(*key, name=f"pk_{table}")
        op.create_table(table, *columns, primary_key, sqlite_with_rowid=with_rowid)
        op.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM {copied} ORDER BY {order}"  # noqa: S608
        )
        op.drop_table(copied)
        op.create_index(f"ix_{table}_{'_'.join(indexed)}", table, indexed)


def _links() -> list[sa.Column[Any]]:
    return [
        sa.Column("stream_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
    ]


def _traits() -> list[sa.Column[Any]]:
    return [
        sa.Column("stream_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", exact_string(255), nullable=False),
        sa.Column("digest", sha256_digest(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
    ]


COLUMNS = {"stream_events": _links, "stream_traits": _traits}
