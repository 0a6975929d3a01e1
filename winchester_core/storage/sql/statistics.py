"""Statistics of the store and the backlog of workers."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, bindparam, func, select

from winchester_core.model.effect import EffectState
from winchester_core.model.statistics import EffectBacklog, StoreStatistics, seconds_since
from winchester_core.model.stream import (
    CLAIM_REASONS,
    HOLDING,
    REASON_STATES,
    Reason,
    StreamState,
    Trial,
    states_for_reason,
)
from winchester_core.storage.records import MAX_COUNTED, Backlog
from winchester_core.storage.sql import rejected, stream_queues
from winchester_core.storage.sql.effect_rows import endpoint_of, has_endpoint
from winchester_core.storage.sql.queries import distinct_texts
from winchester_core.storage.sql.stream_queues import in_scope, queue_query
from winchester_core.storage.sql.tables import effects, streams
from winchester_core.storage.sql.types import UtcDateTime, equals_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import BindParameter, ScalarSelect, Select

    from winchester_core.model.effect import Endpoint
    from winchester_core.storage.records import TriggerScope
    from winchester_core.storage.sql.database import Transaction
    from winchester_core.storage.sql.dialects import SqlDialect
    from winchester_core.storage.sql.stream_queues import StreamQueue


def collect(tx: Transaction, now: datetime | None, *, up_to: int | None = None) -> StoreStatistics:
    """Return the statistics at the stream time `now`; with bounded counts if `up_to` is given."""
    real_now = tx.real_time()
    return StoreStatistics(
        stream_time=now,
        streams=count_states_by_trigger(tx) if up_to is None else _count_states_up_to(tx, up_to),
        oldest_ready_seconds={
            reason: _oldest_ready_seconds(tx, reason, now, real_now) for reason in CLAIM_REASONS
        },
        oldest_unexpired_seconds=seconds_since(_oldest_active_time(tx, up_to), now),
        effects=_effect_backlogs(tx, real_now),
        rejected=rejected.LIST.count(tx, up_to=up_to),
        trials=_count_trials(tx),
        counted_up_to=up_to,
    )


def _count_trials(tx: Transaction) -> int:
    query = select(func.count()).where(
        streams.c.state.in_([reason_states.retry.value for reason_states in REASON_STATES]),
        streams.c.trial.in_([mark.value for mark in Trial]),
        streams.c.retry_at.is_not(None),  # the index has no others
    )
    return tx.execute(query).scalar_one()


def _oldest_ready_seconds(
    tx: Transaction,
    reason: Reason,
    now: datetime | None,
    real_now: datetime,
) -> float:
    reason_states = states_for_reason(reason)
    waits = [
        seconds_since(_ready_since(tx, queue), real_now)
        for queue in (
            stream_queues.retry_queue(reason_states, real_now),
            *stream_queues.trial_queues(reason_states, real_now),
        )
    ]
    if now is not None:
        first_attempt = stream_queues.first_attempt_queue(reason, now)
        waits.append(seconds_since(_ready_since(tx, first_attempt), now))
    return max(waits)


def _effect_backlogs(tx: Transaction, real_now: datetime) -> dict[Endpoint, EffectBacklog]:
    counts = _count_effects(tx)
    all_pending = sum(states.get(EffectState.PENDING, 0) for states in counts.values())
    backlogs = {}
    for endpoint, states in counts.items():
        pending = states.get(EffectState.PENDING, 0)
        oldest = (
            _oldest_pending_time(tx, endpoint, pending, all_pending - pending) if pending else None
        )
        backlogs[endpoint] = EffectBacklog(
            pending, states.get(EffectState.DEAD, 0), seconds_since(oldest, real_now)
        )
    return backlogs


def count_states(tx: Transaction) -> dict[StreamState, int]:
    """Return the number of streams in each state; zero counts are omitted."""
    query = select(streams.c.state, func.count()).group_by(streams.c.state)
    return {StreamState(state): number for state, number in tx.execute(query) if state != HOLDING}


def count_states_by_trigger(tx: Transaction) -> dict[str, dict[StreamState, int]]:
    """Return the number of streams of each trigger and state; zero counts are omitted."""
    query = select(streams.c.name, streams.c.state, func.count()).group_by(
        streams.c.name, streams.c.state
    )
    counts: dict[str, dict[StreamState, int]] = {}
    for name, state, number in tx.execute(query):
        if state == HOLDING:
            continue
        counts.setdefault(name, {})[StreamState(state)] = number
    return counts


def _count_states_up_to(tx: Transaction, up_to: int) -> dict[str, dict[StreamState, int]]:
    """Return the number of streams of each trigger and state, each at most `up_to`."""
    counts: dict[str, dict[StreamState, int]] = {}
    for name in distinct_texts(tx, streams.c.name):
        numbers = tx.execute(select(*(_count_state(tx, name, each, up_to) for each in StreamState)))
        pairs = zip(StreamState, numbers.one(), strict=True)
        if states := {state: number for state, number in pairs if number}:
            counts[name] = states
    return counts


def _count_state(tx: Transaction, name: str, state: StreamState, up_to: int) -> ScalarSelect[int]:
    is_in_state = and_(equals_text(streams.c.name, name), streams.c.state == state.value)
    query = select(streams.c.state).where(is_in_state).limit(up_to)
    found = tx.dialect.force_index(query, streams, "ix_streams_name_state_fingerprint")
    return select(func.count()).select_from(found.subquery()).scalar_subquery()


# Statements that measure backlogs. Each uses an index.
#
# Counts use covering indexes and read no rows. Times come from the first entry of an index.

OLDEST_CANDIDATES: Final = 100
"""Number of streams at the start of an index in which the oldest is searched first."""

_EARLIEST: Final = datetime(1000, 1, 1, tzinfo=UTC)
"""Earliest time of an event. A condition on the column makes every database use the index."""

_ACTIVE = streams.c.state == StreamState.ACTIVE.value
_PENDING = effects.c.state == EffectState.PENDING.value


def _ready_since(tx: Transaction, queue: StreamQueue) -> datetime | None:
    """Return when the oldest stream of a queue became due, or None if the queue is empty."""
    since, limit = (queue.order, 1) if queue.due_at is None else (queue.due_at, OLDEST_CANDIDATES)
    first = queue_query(tx.dialect, select(since.label("since")), queue, limit).subquery()
    oldest: datetime | None = tx.execute(select(func.min(first.c.since))).scalar_one()
    return oldest


def _oldest_active_time(tx: Transaction, up_to: int | None) -> datetime | None:
    """Return the time of the first event of the oldest active stream, or None.

    If completed streams are purged, the oldest streams are mostly active. If they are kept, all
    active streams are scanned; GROUP BY keeps PostgreSQL from scanning the index of times. With
    `up_to`, only as many of the oldest streams are scanned.
    """
    candidates = OLDEST_CANDIDATES if up_to is None else up_to
    oldest = (
        select(streams.c.first_event, streams.c.state)
        .where(streams.c.first_event >= _EARLIEST)
        .order_by(streams.c.first_event)
        .limit(candidates)
    )
    indexed = tx.dialect.force_index(oldest, streams, "ix_streams_first_event")
    rows = tx.execute(indexed).all()
    for row in rows:
        if row.state == StreamState.ACTIVE:
            first_event: datetime = row.first_event
            return first_event
    if len(rows) < candidates or up_to is not None:
        return None
    minimum = select(func.min(streams.c.first_event)).where(_ACTIVE).group_by(streams.c.state)
    query = tx.dialect.force_index(minimum, streams, "ix_streams_due")
    return tx.execute(query).scalar_one_or_none()


def _count_effects(tx: Transaction) -> dict[Endpoint, dict[EffectState, int]]:
    """Return the number of effects of each endpoint and state; zero counts are omitted."""
    key = effects.c["pipeline", "handler", "place", "state"]
    query = select(*key, func.count().label("number")).group_by(*key)
    counts: dict[Endpoint, dict[EffectState, int]] = {}
    for row in tx.execute(tx.dialect.force_index(query, effects, "ix_effects_due")):
        counts.setdefault(endpoint_of(row), {})[EffectState(row.state)] = row.number
    return counts


def _oldest_pending_time(
    tx: Transaction, endpoint: Endpoint, pending: int, others: int
) -> datetime | None:
    """Return the time since which the oldest pending effect of this endpoint has waited.

    Scans either the `pending` effects of this endpoint or the `others`, whichever are fewer.
    """
    if others < pending:
        query = _earliest_among_oldest(tx.dialect, endpoint, others + 1)
    else:
        minimum = select(func.min(effects.c.waiting_since)).where(_PENDING, has_endpoint(endpoint))
        query = tx.dialect.force_index(minimum.group_by(effects.c.state), effects, "ix_effects_due")
    oldest: datetime | None = tx.execute(query).scalar_one_or_none()
    return oldest


def _earliest_among_oldest(dialect: SqlDialect, endpoint: Endpoint, number: int) -> Select[Any]:
    """Select the earliest time of an endpoint among the `number` oldest pending effects.

    The limit, and a condition that all effects meet, make PostgreSQL use the index of times.
    Otherwise it estimates that the endpoint's first effect comes late, and sorts all effects.
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


def backlog(tx: Transaction, now: datetime | None, scope: TriggerScope | None = None) -> Backlog:
    """Return the backlog at the stream time `now` (None: unknown)."""
    real_now = tx.real_time()
    has_stream_time = now is not None
    counted_queues = _counted_queues(has_stream_time=has_stream_time)
    times = {"now": now, "real_now": real_now} if has_stream_time else {"real_now": real_now}
    if scope is not None and scope.skipped:
        query = _make_backlog_query(tx.dialect, scope, has_stream_time=has_stream_time)
    else:
        query = _backlog_query(tx.dialect, has_stream_time=has_stream_time)
    values = list(tx.execute(query, times).one())
    counts = {
        name: min(sum(_take(values, len(each))), MAX_COUNTED)
        for name, each in counted_queues.items()
    }
    next_retry = _earliest(_take(values, 2))
    next_trial = _earliest(_take(values, len(_trial_queues())))
    next_due = _earliest(_take(values, 2))
    (oldest_effect,) = values
    return Backlog(
        **counts,
        next_retry_seconds=(next_retry - real_now).total_seconds() if next_retry else None,
        next_trial_seconds=(next_trial - real_now).total_seconds() if next_trial else None,
        next_due=next_due,
        oldest_effect_seconds=(real_now - oldest_effect).total_seconds() if oldest_effect else None,
    )


@cache
def _counted_queues(*, has_stream_time: bool) -> dict[str, list[StreamQueue]]:
    """Return the queues that each count of `Backlog` covers."""
    ready = [stream_queues.retry_queue(states, _REAL_NOW) for states in REASON_STATES]
    if has_stream_time:
        ready += [stream_queues.first_attempt_queue(reason, _NOW) for reason in CLAIM_REASONS]
    return {
        "ready": ready,
        "claimed": [stream_queues.claimed_queue(states) for states in REASON_STATES],
        "retrying": _future_retry_queues(),
        "lease_expired": [
            stream_queues.expired_lease_queue(_REAL_NOW, states) for states in REASON_STATES
        ],
    }


def _future_retry_queues() -> list[StreamQueue]:
    return [stream_queues.retry_queue(states, _REAL_NOW, due=False) for states in REASON_STATES]


@cache
def _backlog_query(dialect: SqlDialect, *, has_stream_time: bool) -> Select[Any]:
    """Return the query of `backlog`. Cached: building it takes longer than running it."""
    return _make_backlog_query(dialect, None, has_stream_time=has_stream_time)


def _trial_queues() -> list[StreamQueue]:
    return [queue for states in REASON_STATES for queue in stream_queues.trial_queues(states)]


def _make_backlog_query(
    dialect: SqlDialect, scope: TriggerScope | None, *, has_stream_time: bool
) -> Select[Any]:
    counted_queues = _counted_queues(has_stream_time=has_stream_time).values()
    first = [
        *_future_retry_queues(),
        *_trial_queues(),
        stream_queues.fire_queue(),
        stream_queues.expire_queue(),
    ]
    columns: list[ScalarSelect[Any]] = [
        _count_queue(dialect, in_scope(dialect, each, scope)) for each in chain(*counted_queues)
    ]
    columns += [_earliest_queue_time(dialect, in_scope(dialect, each, scope)) for each in first]
    return select(*columns, _oldest_effect_time(dialect))


def _take(values: list[Any], number: int) -> list[Any]:
    taken = values[:number]
    del values[:number]
    return taken


def _earliest(times: Sequence[datetime | None]) -> datetime | None:
    return min((time for time in times if time is not None), default=None)


def _count_queue(dialect: SqlDialect, queue: StreamQueue) -> ScalarSelect[int]:
    """Count the streams of a queue, up to `MAX_COUNTED`."""
    found = stream_queues.queue_query(dialect, select(streams.c.id), queue, MAX_COUNTED)
    return select(func.count()).select_from(found.subquery()).scalar_subquery()


def _earliest_queue_time(dialect: SqlDialect, queue: StreamQueue) -> ScalarSelect[datetime]:
    """Select the time of the first stream of a queue; no other stream in it is due earlier."""
    query = select(queue.order)
    return stream_queues.queue_query(dialect, query, queue, limit=1).scalar_subquery()


def _oldest_effect_time(dialect: SqlDialect) -> ScalarSelect[datetime]:
    """Select the time since which the oldest pending effect has waited."""
    query = (
        select(effects.c.waiting_since)
        .where(effects.c.state == EffectState.PENDING.value)
        .order_by(effects.c.waiting_since)
        .limit(1)
    )
    indexed = dialect.force_index(query, effects, "ix_effects_state_waiting_since")
    return indexed.scalar_subquery()
