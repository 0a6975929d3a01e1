"""Statements that find streams in error as they were when somebody looked at them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from winchester_core.model.stream import REASON_STATES, ReasonStates
from winchester_core.storage.sql.pages import pages
from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.records import StreamVersion

_BY_STATE = {lane.failed.value: lane for lane in REASON_STATES}


def lock_unchanged(
    connection: Connection, dialect: SqlDialect, versions: Sequence[StreamVersion]
) -> dict[int, ReasonStates]:
    """Lock those that are in error and as they were, by id; return the lane of each."""
    found: dict[int, ReasonStates] = {}
    for page in pages(sorted(versions, key=lambda version: version.stream_id)):
        query = (
            select(streams.c.id, streams.c.state)
            .where(
                dialect.among(streams.c.id, [version.stream_id for version in page]),
                dialect.among_pairs(
                    (streams.c.id, streams.c.state_serial_no),
                    [(version.stream_id, version.serial) for version in page],
                ),
                streams.c.state.in_(list(_BY_STATE)),
            )
            .order_by(streams.c.id)
        )
        indexed = dialect.through_index(query, streams, "PRIMARY")
        rows = connection.execute(dialect.lock_rows(indexed))
        found.update((row.id, _BY_STATE[row.state]) for row in rows)
    return found
