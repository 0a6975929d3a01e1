"""The event clock's row, and the database server's time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, literal, or_, select, update

from winchester_core.storage.records import history_time
from winchester_core.storage.sql.tables import event_clock

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from winchester_core.storage.sql.dialects import SqlDialect

CLOCK_ROW_ID = 1


def real_time(connection: Connection, dialect: SqlDialect) -> datetime:
    """Return the database server's time, aware UTC; the host's for an embedded database."""
    if dialect.embedded:
        return dialect.host_clock.now()
    return connection.execute(select(dialect.real_time())).scalar_one()


def real_time_text(dialect: SqlDialect) -> ColumnElement[str]:
    """Return an expression of the same time as text, which saves a round trip to read it first."""
    if dialect.embedded:
        return literal(history_time(dialect.host_clock.now()), Text())
    return dialect.real_time_text()


def event_clock_time(connection: Connection) -> datetime | None:
    """Return the event clock; None until it is first set."""
    query = select(event_clock.c.stream_time).where(event_clock.c.id == CLOCK_ROW_ID)
    return connection.execute(query).scalar_one_or_none()


def advance(connection: Connection, moment: datetime) -> None:
    """Move the event clock forward to `moment`; an earlier time changes nothing."""
    connection.execute(
        update(event_clock)
        .where(
            event_clock.c.id == CLOCK_ROW_ID,
            or_(event_clock.c.stream_time.is_(None), event_clock.c.stream_time < moment),
        )
        .values(stream_time=moment)
    )


def set_time(connection: Connection, moment: datetime) -> None:
    """Set the event clock, forwards or backwards, for an operator."""
    connection.execute(
        update(event_clock).where(event_clock.c.id == CLOCK_ROW_ID).values(stream_time=moment)
    )
