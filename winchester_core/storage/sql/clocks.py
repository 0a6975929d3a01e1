"""The event clock's row, and the database server's time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import or_, select, update

from winchester_core.storage.sql.tables import event_clock

if TYPE_CHECKING:
    from datetime import datetime

    from winchester_core.storage.sql.database import Transaction

CLOCK_ROW_ID = 1


def event_clock_time(tx: Transaction) -> datetime | None:
    """Return the event clock; None until it is first set."""
    query = select(event_clock.c.stream_time).where(event_clock.c.id == CLOCK_ROW_ID)
    return tx.execute(query).scalar_one_or_none()


def advance(tx: Transaction, moment: datetime) -> None:
    """Advance the event clock to `moment`. An earlier time changes nothing."""
    tx.execute(
        update(event_clock)
        .where(
            event_clock.c.id == CLOCK_ROW_ID,
            or_(event_clock.c.stream_time.is_(None), event_clock.c.stream_time < moment),
        )
        .values(stream_time=moment)
    )


def set_time(tx: Transaction, moment: datetime) -> None:
    """Set the event clock, forwards or backwards, for an operator."""
    tx.execute(
        update(event_clock).where(event_clock.c.id == CLOCK_ROW_ID).values(stream_time=moment)
    )
