"""Add tables of processes, their activity, and the actions of operators.

- `processes`: one row for each running ingester, worker and console.
- `activity`: counts by minute or hour, and by trigger or pipeline.
- `actions`: changes by operators.

All three are empty at first; no existing table changes. Idempotent: an interrupted upgrade can be
restarted. The downgrade drops the tables.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from winchester_core.storage.sql.types import UtcDateTime, exact_string, long_text, surrogate_key

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

SERVER_TIME = "the database server's time"
COUNTS = (
    *("events_stored", "events_duplicate", "messages_rejected", "streams_opened"),
    *("streams_fired", "streams_expired", "streams_cancelled", "streams_suppressed"),
    *("streams_failed", "runs"),
)
MARIADB = {"mariadb_charset": "utf8mb4", "mariadb_engine": "InnoDB"}


def upgrade() -> None:
    """Create the tables."""
    _create_processes()
    _create_activity()
    _create_actions()


def downgrade() -> None:
    """Drop the tables."""
    for name in ("actions", "activity", "processes"):
        op.execute(f"DROP TABLE IF EXISTS {name}")


def _create_processes() -> None:
    op.create_table(
        "processes",
        sa.Column("id", exact_string(255), nullable=False),
        sa.Column("kind", exact_string(16), nullable=False, comment="ingest, worker or console"),
        sa.Column("name", exact_string(255), nullable=False),
        sa.Column("host", exact_string(255), nullable=False),
        sa.Column("pid", sa.BigInteger(), nullable=False),
        sa.Column("version", exact_string(64), nullable=False, comment="of the program"),
        sa.Column("period_seconds", sa.Double(), nullable=False, comment="time between reports"),
        sa.Column("started_at", UtcDateTime(), nullable=False, comment=SERVER_TIME),
        sa.Column("seen_at", UtcDateTime(), nullable=False, comment="time of the last report"),
        sa.Column(
            "configured_at",
            UtcDateTime(),
            nullable=False,
            comment="since when the version and the fingerprints are unchanged",
        ),
        sa.Column(
            "overdue",
            long_text(),
            nullable=False,
            comment="JSON: components that missed their deadline",
        ),
        sa.Column("triggers_fingerprint", exact_string(64), nullable=True),
        sa.Column("pipelines_fingerprint", exact_string(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_processes"),
        if_not_exists=True,
        **MARIADB,
    )


def _create_activity() -> None:
    op.create_table(
        "activity",
        sa.Column(
            "period_seconds", sa.SmallInteger(), nullable=False, comment="60, 600, 3600 or 21600"
        ),
        sa.Column(
            "begins_at",
            sa.BigInteger(),
            nullable=False,
            comment="seconds since 1970, UTC, by the database server's time",
        ),
        sa.Column(
            "subject", exact_string(16), nullable=False, comment="events, trigger or pipeline"
        ),
        sa.Column("name", exact_string(255), nullable=False, comment="of the trigger or pipeline"),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTS),
        sa.Column("run_seconds", sa.Double(), nullable=False),
        sa.Column("effects_delivered", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "period_seconds", "begins_at", "subject", "name", name="pk_activity"
        ),
        if_not_exists=True,
        sqlite_with_rowid=False,
        **MARIADB,
    )


def _create_actions() -> None:
    op.create_table(
        "actions",
        sa.Column("id", surrogate_key(), autoincrement=True, nullable=False),
        sa.Column("performed_at", UtcDateTime(), nullable=False, comment=SERVER_TIME),
        sa.Column("name", exact_string(255), nullable=False, comment="the operator's name"),
        sa.Column("role", exact_string(16), nullable=False, comment="the operator's role"),
        sa.Column("address", exact_string(255), nullable=False, comment="of the request"),
        sa.Column("action", exact_string(64), nullable=False),
        sa.Column("target", long_text(), nullable=False, comment="the object, or the filter"),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="of changed objects"),
        sa.PrimaryKeyConstraint("id", name="pk_actions"),
        if_not_exists=True,
        sqlite_autoincrement=True,
        **MARIADB,
    )
    op.create_index("ix_actions_performed_at", "actions", ["performed_at"], if_not_exists=True)
