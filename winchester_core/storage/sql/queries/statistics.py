"""Statements that measure what waits, each through an index.

Numbers are counted in an index that has all they need, so that what is counted is not read. Times
are the first of an index.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from winchester_core.model.effect import EffectState
from winchester_core.model.stream import StreamState
from winchester_core.storage.sql.queries.effects import endpoint_of, of_endpoint
from winchester_core.storage.sql.queries.queues import in_order
from winchester_core.storage.sql.tables import effects, streams

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select

    from winchester_core.model.effect import Endpoint
    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.sql.queries.queues import Queue

HEAD: Final = 100
"""How many of the first streams of an index are looked at for the oldest."""

_DAWN: Final = datetime(1000, 1, 1, tzinfo=UTC)
"""No event is older. With a bound, every database goes by the index."""

_ACTIVE = streams.c.state == StreamState.ACTIVE.value
_PENDING = effects.c.state == EffectState.PENDING.value


def ready_since(connection: Connection, dialect: SqlDialect, queue: Queue) -> datetime | None:
    """Since when the stream of a queue that has waited longest is due; None when it is empty."""
    since, limit = (queue.order, 1) if queue.due is None else (queue.due, HEAD)
    first = in_order(dialect, select(since.label("since")), queue, limit).subquery()
    moment: datetime | None = connection.execute(select(func.min(first.c.since))).scalar_one()
    return moment


def oldest_active(connection: Connection, dialect: SqlDialect) -> datetime | None:
    """The time of the first event of the oldest active stream; None when none is active.

    The oldest streams mostly are active, where completed ones are removed. Where those are kept,
    the active ones are gone through instead: grouped, since PostgreSQL would else go by time again.
    """
    oldest = (
        select(streams.c.first_event, streams.c.state)
        .where(streams.c.first_event >= _DAWN)
        .order_by(streams.c.first_event)
        .limit(HEAD)
    )
    indexed = dialect.through_index(oldest, streams, "ix_streams_first_event")
    rows = connection.execute(indexed).all()
    for row in rows:
        if row.state == StreamState.ACTIVE:
            first_event: datetime = row.first_event
            return first_event
    if len(rows) < HEAD:
        return None
    least = select(func.min(streams.c.first_event)).where(_ACTIVE).group_by(streams.c.state)
    through = dialect.through_index(least, streams, "ix_streams_due")
    return connection.execute(through).scalar_one_or_none()


def effect_numbers(
    connection: Connection, dialect: SqlDialect
) -> dict[Endpoint, dict[EffectState, int]]:
    """How many effects of each endpoint are in each state; neither is named where none is."""
    key = effects.c["pipeline", "handler", "place", "state"]
    query = select(*key, func.count().label("number")).group_by(*key)
    numbers: dict[Endpoint, dict[EffectState, int]] = {}
    for row in connection.execute(dialect.through_index(query, effects, "ix_effects_due")):
        numbers.setdefault(endpoint_of(row), {})[EffectState(row.state)] = row.number
    return numbers


def oldest_pending(
    connection: Connection, dialect: SqlDialect, endpoint: Endpoint, pending: int, others: int
) -> datetime | None:
    """Since when the effect of this endpoint that has waited longest waits.

    `pending` effects wait for this endpoint and `others` for others: whichever are fewer are gone
    through.
    """
    if others < pending:
        query = _least_of_first(dialect, endpoint, others + 1)
    else:
        least = select(func.min(effects.c.waiting_since)).where(_PENDING, of_endpoint(endpoint))
        query = dialect.through_index(least.group_by(effects.c.state), effects, "ix_effects_due")
    moment: datetime | None = connection.execute(query).scalar_one_or_none()
    return moment


def _least_of_first(dialect: SqlDialect, endpoint: Endpoint, number: int) -> Select[Any]:
    """The least time of an endpoint among so many that have waited longest of all.

    Their number is told, and a bound that all are within, so that PostgreSQL goes by the index: it
    would guess that the first of the endpoint comes late, and sort them all.
    """
    columns = effects.c["pipeline", "handler", "place", "waiting_since"]
    since = effects.c.waiting_since
    first = select(*columns).where(_PENDING, since >= _DAWN).order_by(since).limit(number)
    found = dialect.through_index(first, effects, "ix_effects_state_waiting_since").subquery()
    return select(func.min(found.c.waiting_since)).where(
        found.c.pipeline == endpoint.pipeline,
        found.c.handler == endpoint.handler,
        found.c.place == endpoint.place,
    )
