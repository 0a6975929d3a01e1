"""What changes a stream's state adds to the history in its row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Text, case, func, literal

from winchester_core.model.stream import REASON_STATES, StreamState
from winchester_core.storage.history import LONGEST, rest_of_line
from winchester_core.storage.sql.queries import clocks
from winchester_core.storage.sql.tables import streams

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from winchester_core.storage.dialects import SqlDialect


def appended(
    dialect: SqlDialect, state: StreamState, worker: str | None = None
) -> ColumnElement[str]:
    """The history with a line for a change into `state`, claimed by `worker` if it was."""
    return _with(dialect, literal(rest_of_line(state, worker), Text()))


def appended_retry(dialect: SqlDialect) -> ColumnElement[str]:
    """The history with a line for a change into the retry state of a stream's lane.

    MariaDB, where an assignment sees those before it, may show the new state for the old one.
    """
    lines = [
        (
            streams.c.state.in_([lane.working.value, lane.retry.value]),
            literal(rest_of_line(lane.retry), Text()),
        )
        for lane in REASON_STATES
    ]
    return _with(dialect, case(*lines))


def _with(dialect: SqlDialect, rest: ColumnElement[str]) -> ColumnElement[str]:
    before = func.coalesce(streams.c.history, literal("", Text()), type_=Text())
    return dialect.last_characters(before + clocks.real_time_text(dialect) + rest, LONGEST)
