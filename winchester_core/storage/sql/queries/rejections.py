"""Statements on the table of rejected messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from winchester_core.storage.records import RejectedMessage
from winchester_core.storage.sql.tables import rejected_messages

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.records import Rejection


def keep(
    connection: Connection, dialect: SqlDialect, rejection: Rejection, received_at: datetime
) -> bool:
    """Keep a rejected message; False when this source has given it before."""
    known = select(rejected_messages.c.id).where(
        rejected_messages.c.source == rejection.source,
        rejected_messages.c.digest == rejection.digest,
    )
    if connection.execute(dialect.lock_rows(known)).first() is not None:
        return False
    connection.execute(
        rejected_messages.insert().values(
            source=rejection.source,
            digest=rejection.digest,
            kind=rejection.kind,
            reason=rejection.reason,
            received_at=received_at,
            body=rejection.body,
            body_length=rejection.body_length,
        )
    )
    return True


def find(connection: Connection, mark: int, limit: int) -> list[RejectedMessage]:
    """Up to `limit` rejected messages past the id `mark`, by id."""
    query = (
        select(rejected_messages)
        .where(rejected_messages.c.id > mark)
        .order_by(rejected_messages.c.id)
        .limit(limit)
    )
    return [
        RejectedMessage(
            id=row.id,
            source=row.source,
            kind=row.kind,
            reason=row.reason,
            received_at=row.received_at,
            body=bytes(row.body),
            body_length=row.body_length,
            digest=bytes(row.digest),
        )
        for row in connection.execute(query)
    ]
