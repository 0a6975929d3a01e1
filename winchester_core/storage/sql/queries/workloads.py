"""The one statement that looks at everything that may wait for a worker."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, select

from winchester_core.model.effect import EffectState
from winchester_core.model.stream import REASON_STATES, Reason
from winchester_core.storage.records import MOST_COUNTED, Workload
from winchester_core.storage.sql.queries import queues
from winchester_core.storage.sql.tables import effects, streams
from winchester_core.storage.sql.types import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import BindParameter, Connection, ScalarSelect, Select

    from winchester_core.storage.dialects import SqlDialect
    from winchester_core.storage.sql.queries.queues import Queue


_NOW: BindParameter[datetime] = bindparam("now", type_=UtcDateTime())
_REAL_NOW: BindParameter[datetime] = bindparam("real_now", type_=UtcDateTime())


def look(
    connection: Connection, dialect: SqlDialect, now: datetime | None, real_now: datetime
) -> Workload:
    """What waits at the stream time `now` and the real time `real_now`."""
    counted = _counted(timed=now is not None)
    times = {"now": now, "real_now": real_now} if now is not None else {"real_now": real_now}
    answers = list(connection.execute(_statement(dialect, timed=now is not None), times).one())
    numbers = {
        name: min(sum(_taken(answers, len(each))), MOST_COUNTED) for name, each in counted.items()
    }
    next_retry, next_due = _earliest(_taken(answers, 2)), _earliest(_taken(answers, 2))
    (oldest_effect,) = answers
    return Workload(
        **numbers,
        next_retry_seconds=(next_retry - real_now).total_seconds() if next_retry else None,
        next_due=next_due,
        oldest_effect_seconds=(real_now - oldest_effect).total_seconds() if oldest_effect else None,
    )


@cache
def _counted(*, timed: bool) -> dict[str, list[Queue]]:
    """The queues that are counted; without a stream time, there are only retries."""
    ready = [queues.retries(lane, _REAL_NOW) for lane in REASON_STATES]
    if timed:
        ready += [queues.first_tries(reason, _NOW) for reason in Reason]
    return {
        "ready": ready,
        "working": [queues.in_hand(lane) for lane in REASON_STATES],
        "retrying": _later_retries(),
        "abandoned": [queues.abandoned(_REAL_NOW, lane) for lane in REASON_STATES],
    }


def _later_retries() -> list[Queue]:
    return [queues.retries(lane, _REAL_NOW, due=False) for lane in REASON_STATES]


@cache
def _statement(dialect: SqlDialect, *, timed: bool) -> Select[Any]:
    """The look, made once: to make it, and to find out that it was made before, takes longer."""
    counted = _counted(timed=timed).values()
    first = [*_later_retries(), queues.to_fire(), queues.to_expire()]
    asked: list[ScalarSelect[Any]] = [_number(dialect, each) for each in chain(*counted)]
    asked += [_first(dialect, each) for each in first]
    return select(*asked, _oldest_effect(dialect))


def _taken(answers: list[Any], number: int) -> list[Any]:
    """The first answers, which are taken out."""
    taken = answers[:number]
    del answers[:number]
    return taken


def _earliest(moments: Sequence[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _number(dialect: SqlDialect, queue: Queue) -> ScalarSelect[int]:
    """How many streams a queue has; no more are counted than are worth it."""
    found = queues.in_order(dialect, select(streams.c.id), queue, MOST_COUNTED)
    return select(func.count()).select_from(found.subquery()).scalar_subquery()


def _first(dialect: SqlDialect, queue: Queue) -> ScalarSelect[datetime]:
    """The time of the first stream of a queue; none of it is due before."""
    query = select(queue.order)
    return queues.in_order(dialect, query, queue, limit=1).scalar_subquery()


def _oldest_effect(dialect: SqlDialect) -> ScalarSelect[datetime]:
    """Since when the effect that has waited longest waits."""
    query = (
        select(effects.c.waiting_since)
        .where(effects.c.state == EffectState.PENDING.value)
        .order_by(effects.c.waiting_since)
        .limit(1)
    )
    indexed = dialect.through_index(query, effects, "ix_effects_state_waiting_since")
    return indexed.scalar_subquery()
