"""The history of a stream's states: when it came into each, and who claimed it.

One nullable column, which every database adds without touching a row. Streams that are there have
no history until their state changes. A column that is there already is taken as it is: on MariaDB,
which commits each change by itself, an upgrade that was cut short can be started again.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from winchester_core.storage.sql.types import long_text

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COMMENT = "its latest changes of state, in lines"


def upgrade() -> None:
    """Add the column."""
    if not _is_there():
        op.add_column("streams", sa.Column("history", long_text(), nullable=True, comment=COMMENT))


def downgrade() -> None:
    """Forget the histories."""
    op.drop_column("streams", "history")


def _is_there() -> bool:
    """Whether the column is there; statements that are only printed are for a database without."""
    if op.get_context().as_sql:
        return False
    return any(
        each["name"] == "history" for each in sa.inspect(op.get_bind()).get_columns("streams")
    )
