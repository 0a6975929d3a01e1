"""Statements on activity: counts by minute, which are merged into counts by hour.

Rows are added to in the order of their keys, so processes that add to the same minute wait for each
other and do not deadlock. No process adds to a minute that is over, so minutes that are merged do
not change.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, select

from winchester_core.model.activity import (
    HOUR_SECONDS,
    MINUTE_SECONDS,
    MINUTES_KEPT_SECONDS,
    ActivityCounts,
    ActivityKey,
    ActivityRecord,
    Subject,
)
from winchester_core.storage.sql.tables import activity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Row

    from winchester_core.storage.sql.database import Transaction

_KEY = ("period_seconds", "begins_at", "subject", "name")


def add(tx: Transaction, now: datetime, counts: Mapping[ActivityKey, ActivityCounts]) -> int:
    """Add counts to the current minute; return the minute. `now` is real time."""
    minute = _floor(now, MINUTE_SECONDS)
    _add(tx, MINUTE_SECONDS, {(minute, *key): each for key, each in counts.items()})
    return minute


def read(tx: Transaction, since: datetime, step_seconds: int) -> list[ActivityRecord]:
    """Return the counts since a time, summed over periods of `step_seconds`, by time and key."""
    columns = activity.c
    period = (columns.begins_at - columns.begins_at % step_seconds).label("period")
    sums = [func.sum(columns[name]).label(name) for name in ActivityCounts._fields]
    query = (
        select(period, columns.subject, columns.name, *sums)
        .where(
            columns.period_seconds.in_((MINUTE_SECONDS, HOUR_SECONDS)),
            columns.begins_at >= _floor(since, 1),
        )
        .group_by(period, columns.subject, columns.name)
        .order_by(period, columns.subject, columns.name)
    )
    return [
        ActivityRecord(int(row.period), ActivityKey(Subject(row.subject), row.name), _counts(row))
        for row in tx.execute(query)
    ]


def merge_minutes(tx: Transaction, limit: int) -> int:
    """Merge up to `limit` rows of minutes that are older than a day into rows of hours.

    Return their number. Only complete hours are merged. Rows that another process has locked are
    skipped.
    """
    before = _floor(tx.real_time(), 1) - MINUTES_KEPT_SECONDS
    rows = _lock(tx, select(activity), MINUTE_SECONDS, before - before % HOUR_SECONDS, limit)
    hours: dict[tuple[int, Subject, str], ActivityCounts] = {}
    for row in rows:
        key = (row.begins_at - row.begins_at % HOUR_SECONDS, Subject(row.subject), row.name)
        hours[key] = hours.get(key, ActivityCounts()).plus(_counts(row))
    _add(tx, HOUR_SECONDS, hours)
    _delete(tx, rows)
    return len(rows)


def delete_old(tx: Transaction, age: timedelta, limit: int) -> int:
    """Delete up to `limit` rows of hours older than `age`; return their number."""
    before = _floor(tx.real_time() - age, 1)
    keys = select(*(activity.c[name] for name in _KEY))
    rows = _lock(tx, keys, HOUR_SECONDS, before, limit)
    _delete(tx, rows)
    return len(rows)


def _add(
    tx: Transaction, period_seconds: int, counts: Mapping[tuple[int, Subject, str], ActivityCounts]
) -> None:
    if not counts:
        return
    rows = [
        {
            "period_seconds": period_seconds,
            "begins_at": begins_at,
            "subject": subject.value,
            "name": name,
            **each._asdict(),
        }
        for (begins_at, subject, name), each in sorted(counts.items())
    ]
    tx.execute(tx.dialect.insert_or_add(activity, ActivityCounts._fields), rows)


def _lock(
    tx: Transaction, query: Any, period_seconds: int, before: int, limit: int
) -> Sequence[Row[Any]]:
    """Lock up to `limit` rows of periods that begin before a time, by key."""
    columns = activity.c
    query = (
        query.where(columns.period_seconds == period_seconds, columns.begins_at < before)
        .order_by(*(columns[name] for name in _KEY))
        .limit(limit)
    )
    indexed = tx.dialect.force_index(query, activity, "PRIMARY")
    rows: Sequence[Row[Any]] = tx.execute(tx.dialect.lock_rows(indexed, skip_locked=True)).all()
    return rows


def _delete(tx: Transaction, rows: Sequence[Row[Any]]) -> None:
    """Delete rows, which are in the order of their keys."""
    columns = activity.c
    for (period_seconds, begins_at, subject), group in groupby(
        rows, key=lambda row: (row.period_seconds, row.begins_at, row.subject)
    ):
        tx.execute(
            delete(activity).where(
                columns.period_seconds == period_seconds,
                columns.begins_at == begins_at,
                columns.subject == subject,
                columns.name.in_([row.name for row in group]),
            )
        )


def _counts(row: Row[Any]) -> ActivityCounts:
    """Return the counts of a row; the sums of servers are decimal numbers."""
    counts = {name: int(getattr(row, name)) for name in ActivityCounts._fields}
    return ActivityCounts(**counts)._replace(run_seconds=float(row.run_seconds))


def _floor(time: datetime, seconds: int) -> int:
    whole = int(time.timestamp())
    return whole - whole % seconds
