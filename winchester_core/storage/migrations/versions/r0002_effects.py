"""The outbox: effects pending delivery."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from winchester_core.storage.sql.types import UtcDateTime, exact_string, long_text, surrogate_key

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ENDPOINT = ["pipeline", "handler", "place"]


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "effects",
        sa.Column(
            "id",
            surrogate_key(),
            autoincrement=True,
            nullable=False,
            comment="order of the effects",
        ),
        sa.Column(
            "effect_id", exact_string(36), nullable=False, comment="the id that put() returned"
        ),
        sa.Column("stream_id", sa.BigInteger(), nullable=False),
        sa.Column("stream_name", exact_string(255), nullable=False, comment="the trigger's name"),
        sa.Column("pipeline", exact_string(255), nullable=False),
        sa.Column(
            "handler",
            exact_string(255),
            nullable=False,
            comment="name of the handler in the pipeline",
        ),
        sa.Column(
            "place",
            sa.Integer(),
            nullable=False,
            comment="number among the handlers with this name in the pipeline, from 0",
        ),
        sa.Column("payload", long_text(), nullable=False, comment="JSON"),
        sa.Column("payload_length", sa.Integer(), nullable=False, comment="in bytes"),
        sa.Column("state", exact_string(16), nullable=False, comment="pending, dead or discarded"),
        sa.Column("serial_no", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "created_at", UtcDateTime(), nullable=False, comment="the database server's time"
        ),
        sa.Column(
            "waiting_since", UtcDateTime(), nullable=False, comment="the age is counted from here"
        ),
        sa.Column(
            "due_at",
            UtcDateTime(),
            nullable=True,
            comment="when it may be claimed; null while an earlier effect blocks it, or when dead",
        ),
        sa.Column("worker", exact_string(255), nullable=True),
        sa.Column("last_error", long_text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_effects"),
        sa.UniqueConstraint("effect_id", name="uq_effects_effect_id"),
        sqlite_autoincrement=True,
        mariadb_charset="utf8mb4",
        mariadb_engine="InnoDB",
    )
    op.create_index("ix_effects_due", "effects", [*ENDPOINT, "state", "due_at", "id"])
    op.create_index("ix_effects_lane", "effects", ["stream_id", *ENDPOINT, "state", "id"])
    op.create_index("ix_effects_state_waiting_since", "effects", ["state", "waiting_since"])
    op.create_index("ix_effects_state_id", "effects", ["state", "id"])


def downgrade() -> None:
    """Remove the table, including undelivered effects."""
    op.drop_table("effects", if_exists=True)
