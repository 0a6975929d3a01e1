"""Taking a statistics of the tables."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, func, select

from winchester_core.model.effect import EffectState
from winchester_core.model.statistics import EffectBacklog, StoreStatistics, seconds_since
from winchester_core.model.stream import REASON_STATES, Reason, StreamState, states_for_reason
from winchester_core.storage.records import ANY_REJECTED, MAX_COUNTED, Backlog
from winchester_core.storage.sql import claim_rows, clocks, rejected
from winchester_core.storage.sql.claim_rows import queue_query
from winchester_core.storage.sql.effect_rows import endpoint_of, has_endpoint
from winchester_core.storage.sql.tables import effects, streams
from winchester_core.storage.sql.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import BindParameter, Connection, ScalarSelect, Select

    from winchester_core.model.effect import Endpoint
    from winchester_core.storage.sql.claim_rows import StreamQueue
    from winchester_core.storage.sql.dialects import SqlDialect


def collect(connection: Connection, dialect: SqlDialect, now: datetime | None) -> StoreStatistics:
    """The statistics at the stream time `now`."""
    real_now = clocks.real_time(connection, dialect)
    return StoreStatistics(
        stream_time=now,
        streams=count_states_by_trigger(connection),
        oldest_ready_seconds={
            reason: _oldest_ready_seconds(connection, dialect, reason, now, real_now)
            for reason in Reason
        },
        oldest_unexpired_seconds=seconds_since(_oldest_active_time(connection, dialect), now),
        effects=_effect_backlogs(connection, dialect, real_now),
        rejected=rejected.count(connection, ANY_REJECTED),
    )


def _oldest_ready_seconds(
    connection: Connection,
    dialect: SqlDialect,
    reason: Reason,
    now: datetime | None,
    real_now: datetime,
) -> float:
    retry = claim_rows.retry_queue(states_for_reason(reason), real_now)
    waits = [seconds_since(_ready_since(connection, dialect, retry), real_now)]
    if now is not None:
        first_try = claim_rows.first_attempt_queue(reason, now)
        waits.append(seconds_since(_ready_since(connection, dialect, first_try), now))
    return max(waits)


def _effect_backlogs(
    connection: Connection, dialect: SqlDialect, real_now: datetime
) -> dict[Endpoint, EffectBacklog]:
    numbers = _count_effects(connection, dialect)
    waiting = sum(states.get(EffectState.PENDING, 0) for states in numbers.values())
    backlogs = {}
    for endpoint, states in numbers.items():
        pending = states.get(EffectState.PENDING, 0)
        oldest = (
            _oldest_pending_time(connection, dialect, endpoint, pending, waiting - pending)
            if pending
            else None
        )
        backlogs[endpoint] = EffectBacklog(
            pending, states.get(EffectState.DEAD, 0), seconds_since(oldest, real_now)
        )
    return backlogs


def count_states(connection: Connection) -> dict[StreamState, int]:
    """How many streams are in each state."""
    query = select(streams.c.state, func.count()).group_by(streams.c.state)
    return {StreamState(state): number for state, number in connection.execute(query)}


def count_states_by_trigger(connection: Connection) -> dict[str, dict[StreamState, int]]:
    """How many streams of each trigger are in each state."""
    query = select(streams.c.name, streams.c.state, func.count()).group_by(
        streams.c.name, streams.c.state
    )
    counts: dict[str, dict[StreamState, int]] = {}
    for name, state, number in connection.execute(query):
        counts.setdefault(name, {})[StreamState(state)] = number
    return counts


# Statements that measure what waits, each through an index.
#
# Numbers are counted in an index that has all they need, so that what is counted is not read. Times
# are the first of an index.

OLDEST_CANDIDATES: Final = 100
"""How many of the first streams of an index are looked at for the oldest."""

_EARLIEST: Final = datetime(1000, 1, 1, tzinfo=UTC)
"""No event is older. With a bound, every database goes by the index."""

_ACTIVE = streams.c.state == StreamState.ACTIVE.value
_PENDING = effects.c.state == EffectState.PENDING.value


def _ready_since(
    connection: Connection, dialect: SqlDialect, queue: StreamQueue
) -> datetime | None:
    """Since when the stream of a queue that has waited longest is due; None when it is empty."""
    since, limit = (queue.order, 1) if queue.due is None else (queue.due, OLDEST_CANDIDATES)
    first = queue_query(dialect, select(since.label("since")), queue, limit).subquery()
    moment: datetime | None = connection.execute(select(func.min(first.c.since))).scalar_one()
    return moment


def _oldest_active_time(connection: Connection, dialect: SqlDialect) -> datetime | None:
    """The time of the first event of the oldest active stream; None when none is active.

    The oldest streams mostly are active, where completed ones are removed. Where those are kept,
    the active ones are gone through instead: grouped, since PostgreSQL would else go by time again.
    """
    oldest = (
        select(streams.c.first_event, streams.c.state)
        .where(streams.c.first_event >= _EARLIEST)
        .order_by(streams.c.first_event)
        .limit(OLDEST_CANDIDATES)
    )
    indexed = dialect.force_index(oldest, streams, "ix_streams_first_event")
    rows = connection.execute(indexed).all()
    for row in rows:
        if row.state == StreamState.ACTIVE:
            first_event: datetime = row.first_event
            return first_event
    if len(rows) < OLDEST_CANDIDATES:
        return None
    least = select(func.min(streams.c.first_event)).where(_ACTIVE).group_by(streams.c.state)
    through = dialect.force_index(least, streams, "ix_streams_due")
    return connection.execute(through).scalar_one_or_none()


def _count_effects(
    connection: Connection, dialect: SqlDialect
) -> dict[Endpoint, dict[EffectState, int]]:
    """How many effects of each endpoint are in each state; neither is named where none is."""
    key = effects.c["pipeline", "handler", "place", "state"]
    query = select(*key, func.count().label("number")).group_by(*key)
    numbers: dict[Endpoint, dict[EffectState, int]] = {}
    for row in connection.execute(dialect.force_index(query, effects, "ix_effects_due")):
        numbers.setdefault(endpoint_of(row), {})[EffectState(row.state)] = row.number
    return numbers


def _oldest_pending_time(
    connection: Connection, dialect: SqlDialect, endpoint: Endpoint, pending: int, others: int
) -> datetime | None:
    """Since when the effect of this endpoint that has waited longest waits.

    `pending` effects wait for this endpoint and `others` for others: whichever are fewer are gone
    through.
    """
    if others < pending:
        query = _earliest_among_oldest(dialect, endpoint, others + 1)
    else:
        least = select(func.min(effects.c.waiting_since)).where(_PENDING, has_endpoint(endpoint))
        query = dialect.force_index(least.group_by(effects.c.state), effects, "ix_effects_due")
    moment: datetime | None = connection.execute(query).scalar_one_or_none()
    return moment


def _earliest_among_oldest(dialect: SqlDialect, endpoint: Endpoint, number: int) -> Select[Any]:
    """The least time of an endpoint among so many that have waited longest of all.

    Their number is told, and a bound that all are within, so that PostgreSQL goes by the index: it
    would guess that the first of the endpoint comes late, and sort them all.
    """
    columns = effects.c["pipeline", "handler", "place", "waiting_since"]
    since = effects.c.waiting_since
    first = select(*columns).where(_PENDING, since >= _EARLIEST).order_by(since).limit(number)
    found = dialect.force_index(first, effects, "ix_effects_state_waiting_since").subquery()
    return select(func.min(found.c.waiting_since)).where(
        found.c.pipeline == endpoint.pipeline,
        found.c.handler == endpoint.handler,
        found.c.place == endpoint.place,
    )


_NOW: BindParameter[datetime] = bindparam("now", type_=UtcDateTime())
_REAL_NOW: BindParameter[datetime] = bindparam("real_now", type_=UtcDateTime())


def backlog(
    connection: Connection, dialect: SqlDialect, now: datetime | None, real_now: datetime
) -> Backlog:
    """What waits at the stream time `now` and the real time `real_now`."""
    counted_queues = _counted_queues(timed=now is not None)
    times = {"now": now, "real_now": real_now} if now is not None else {"real_now": real_now}
    values = list(connection.execute(_backlog_query(dialect, timed=now is not None), times).one())
    numbers = {
        name: min(sum(_take(values, len(each))), MAX_COUNTED)
        for name, each in counted_queues.items()
    }
    next_retry, next_due = _earliest(_take(values, 2)), _earliest(_take(values, 2))
    (oldest_effect,) = values
    return Backlog(
        **numbers,
        next_retry_seconds=(next_retry - real_now).total_seconds() if next_retry else None,
        next_due=next_due,
        oldest_effect_seconds=(real_now - oldest_effect).total_seconds() if oldest_effect else None,
    )


@cache
def _counted_queues(*, timed: bool) -> dict[str, list[StreamQueue]]:
    """The queues that are counted; without a stream time, there are only retries."""
    ready = [claim_rows.retry_queue(lane, _REAL_NOW) for lane in REASON_STATES]
    if timed:
        ready += [claim_rows.first_attempt_queue(reason, _NOW) for reason in Reason]
    return {
        "ready": ready,
        "claimed": [claim_rows.claimed_queue(lane) for lane in REASON_STATES],
        "retrying": _future_retry_queues(),
        "lease_expired": [
            claim_rows.expired_lease_queue(_REAL_NOW, lane) for lane in REASON_STATES
        ],
    }


def _future_retry_queues() -> list[StreamQueue]:
    return [claim_rows.retry_queue(lane, _REAL_NOW, due=False) for lane in REASON_STATES]


@cache
def _backlog_query(dialect: SqlDialect, *, timed: bool) -> Select[Any]:
    """The look, made once: to make it, and to find out that it was made before, takes longer."""
    counted_queues = _counted_queues(timed=timed).values()
    first = [*_future_retry_queues(), claim_rows.fire_queue(), claim_rows.expire_queue()]
    columns: list[ScalarSelect[Any]] = [
        _count_queue(dialect, each) for each in chain(*counted_queues)
    ]
    columns += [_earliest_queue_time(dialect, each) for each in first]
    return select(*columns, _oldest_effect_time(dialect))


def _take(values: list[Any], number: int) -> list[Any]:
    """The first answers, which are taken out."""
    taken = values[:number]
    del values[:number]
    return taken


def _earliest(moments: Sequence[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _count_queue(dialect: SqlDialect, queue: StreamQueue) -> ScalarSelect[int]:
    """How many streams a queue has; no more are counted than are worth it."""
    found = claim_rows.queue_query(dialect, select(streams.c.id), queue, MAX_COUNTED)
    return select(func.count()).select_from(found.subquery()).scalar_subquery()


def _earliest_queue_time(dialect: SqlDialect, queue: StreamQueue) -> ScalarSelect[datetime]:
    """The time of the first stream of a queue; none of it is due before."""
    query = select(queue.order)
    return claim_rows.queue_query(dialect, query, queue, limit=1).scalar_subquery()


def _oldest_effect_time(dialect: SqlDialect) -> ScalarSelect[datetime]:
    """Since when the effect that has waited longest waits."""
    query = (
        select(effects.c.waiting_since)
        .where(effects.c.state == EffectState.PENDING.value)
        .order_by(effects.c.waiting_since)
        .limit(1)
    )
    indexed = dialect.force_index(query, effects, "ix_effects_state_waiting_since")
    return indexed.scalar_subquery()
