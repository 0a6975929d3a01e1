"""Statements on activity: counts by period, in periods of several lengths.

Rows are added to in the order of their keys, so processes that add to the same periods wait for
each other and do not deadlock.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from winchester_core.model.activity import (
    HOUR_SECONDS,
    MINUTE_SECONDS,
    PERIODS_SECONDS,
    SHORT_PERIODS_KEPT_SECONDS,
    ActivityCounts,
    ActivityKey,
    ActivityRecord,
    RecordedActivity,
    Subject,
)
from winchester_core.storage.operations_interface import MAX_ACTIVITY_ROWS
from winchester_core.storage.sql.tables import activity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Row

    from winchester_core.storage.sql.database import Transaction

_KEY = ("period_seconds", "begins_at", "subject", "name")


def add(tx: Transaction, now: datetime, counts: Mapping[ActivityKey, ActivityCounts]) -> int:
    """Add counts to the current periods; return the minute. `now` is real time."""
    rows = [
        {
            "period_seconds": period_seconds,
            "begins_at": _floor(now, period_seconds),
            "subject": subject.value,
            "name": name,
            **each._asdict(),
        }
        for period_seconds in PERIODS_SECONDS
        for (subject, name), each in sorted(counts.items())
    ]
    if rows:
        tx.execute(tx.dialect.insert_or_add(activity, ActivityCounts._fields), rows)
    return _floor(now, MINUTE_SECONDS)


def read(
    tx: Transaction, since: datetime, period_seconds: int, *, max_rows: int = MAX_ACTIVITY_ROWS
) -> RecordedActivity:
    """Return the counts from the period that contains `since`, by period and key.

    If there are more than `max_rows`, these are the counts of the newest complete periods.
    """
    columns = activity.c
    begins_at = _floor(since, period_seconds)
    newest = (
        select(activity)
        .where(columns.period_seconds == period_seconds, columns.begins_at >= begins_at)
        .order_by(*(columns[name].desc() for name in _KEY))
        .limit(max_rows + 1)
    )
    rows = tx.execute(newest).all()
    if len(rows) > max_rows:
        begins_at = rows[-1].begins_at + period_seconds
    return RecordedActivity(
        begins_at,
        [
            ActivityRecord(row.begins_at, ActivityKey(Subject(row.subject), row.name), _counts(row))
            for row in reversed(rows)
            if row.begins_at >= begins_at
        ],
    )


def delete_old(tx: Transaction, age: timedelta, limit: int) -> int:
    """Delete up to `limit` rows of periods older than `age`; return their number.

    Periods shorter than an hour are deleted after a day. Rows that another process has locked are
    skipped.
    """
    now = tx.real_time()
    before = _floor(now - age, 1)
    short_before = max(before, _floor(now, 1) - SHORT_PERIODS_KEPT_SECONDS)
    deleted = 0
    for period_seconds in PERIODS_SECONDS:
        is_short = period_seconds < HOUR_SECONDS
        ended_before = (short_before if is_short else before) - period_seconds
        rows = _lock(tx, period_seconds, ended_before, limit - deleted)
        _delete(tx, rows)
        deleted += len(rows)
        if deleted == limit:
            break
    return deleted


def _lock(tx: Transaction, period_seconds: int, before: int, limit: int) -> Sequence[Row[Any]]:
    """Lock up to `limit` rows of periods that begin before a time, by key."""
    columns = activity.c
    query = (
        select(*(columns[name] for name in _KEY))
        .where(columns.period_seconds == period_seconds, columns.begins_at < before)
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
    return ActivityCounts(*(getattr(row, name) for name in ActivityCounts._fields))


def _floor(time: datetime, seconds: int) -> int:
    whole = int(time.timestamp())
    return whole - whole % seconds
