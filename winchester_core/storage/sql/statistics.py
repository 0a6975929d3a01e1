"""Taking a statistics of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from winchester_core.model.effect import EffectState
from winchester_core.model.statistics import EffectBacklog, StoreStatistics, seconds_since
from winchester_core.model.stream import Reason, states_for_reason
from winchester_core.storage.records import ANY_REJECTED
from winchester_core.storage.sql.queries import (
    clocks,
    queues,
    rejections,
    statistics,
    stored_streams,
)

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from winchester_core.model.effect import Endpoint
    from winchester_core.storage.dialects import SqlDialect


def take(connection: Connection, dialect: SqlDialect, now: datetime | None) -> StoreStatistics:
    """The statistics at the stream time `now`."""
    real_now = clocks.real_time(connection, dialect)
    return StoreStatistics(
        stream_time=now,
        streams=stored_streams.count_states_by_trigger(connection),
        oldest_ready_seconds={
            reason: _ready_seconds(connection, dialect, reason, now, real_now) for reason in Reason
        },
        oldest_unexpired_seconds=seconds_since(statistics.oldest_active(connection, dialect), now),
        effects=_backlogs(connection, dialect, real_now),
        rejected=rejections.count(connection, ANY_REJECTED),
    )


def _ready_seconds(
    connection: Connection,
    dialect: SqlDialect,
    reason: Reason,
    now: datetime | None,
    real_now: datetime,
) -> float:
    retry = queues.retries(states_for_reason(reason), real_now)
    waits = [seconds_since(statistics.ready_since(connection, dialect, retry), real_now)]
    if now is not None:
        first_try = queues.first_tries(reason, now)
        waits.append(seconds_since(statistics.ready_since(connection, dialect, first_try), now))
    return max(waits)


def _backlogs(
    connection: Connection, dialect: SqlDialect, real_now: datetime
) -> dict[Endpoint, EffectBacklog]:
    numbers = statistics.effect_numbers(connection, dialect)
    waiting = sum(states.get(EffectState.PENDING, 0) for states in numbers.values())
    backlogs = {}
    for endpoint, states in numbers.items():
        pending = states.get(EffectState.PENDING, 0)
        oldest = (
            statistics.oldest_pending(connection, dialect, endpoint, pending, waiting - pending)
            if pending
            else None
        )
        backlogs[endpoint] = EffectBacklog(
            pending, states.get(EffectState.DEAD, 0), seconds_since(oldest, real_now)
        )
    return backlogs
