"""Activity as series of values over time."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from winchester_core.inspection.values import iso_text
from winchester_core.model.activity import COUNTS_OF_SUBJECT, HOUR_SECONDS, MINUTES_KEPT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import timedelta

    from winchester_core.model.activity import ActivityKey, ActivityRecord
    from winchester_core.storage.operations_interface import OperationsReadStore

MAX_VALUES: Final = 60
"""Maximum number of values of a series."""

STEPS_SECONDS: Final = (
    *(60, 300, 600, 1_800, HOUR_SECONDS, 3 * HOUR_SECONDS, 6 * HOUR_SECONDS),
    *(12 * HOUR_SECONDS, 24 * HOUR_SECONDS),
)


def activity_series(
    store: OperationsReadStore, since: datetime, now: datetime
) -> Iterator[dict[str, Any]]:
    """Yield an object for each count that is not 0, by subject and name.

    It has the keys subject, name, count, total, begins_at, period_seconds and values. `since` and
    `now` are real time. The last period is not over yet.
    """
    since = max(since, datetime.fromtimestamp(0, UTC))
    step_seconds = _step_seconds(now - since)
    periods = _periods(since, now, step_seconds)
    for key, by_period in _by_key(store.read_activity(since, step_seconds)).items():
        yield from _counts(key, by_period, periods, step_seconds)


def _step_seconds(duration: timedelta) -> int:
    seconds = duration.total_seconds()
    shortest = HOUR_SECONDS if seconds > MINUTES_KEPT_SECONDS else 0
    usable = (step for step in STEPS_SECONDS if step >= shortest and seconds / step <= MAX_VALUES)
    longest = STEPS_SECONDS[-1]
    return next(usable, longest * ceil(seconds / MAX_VALUES / longest))


def _periods(since: datetime, now: datetime, step_seconds: int) -> range:
    first = int(since.timestamp()) // step_seconds * step_seconds
    return range(first, int(now.timestamp()) + 1, step_seconds)


def _by_key(records: Sequence[ActivityRecord]) -> dict[ActivityKey, dict[int, ActivityRecord]]:
    """Return the records by key, in the order of the subjects, then by period."""
    found: dict[ActivityKey, dict[int, ActivityRecord]] = defaultdict(dict)
    order = list(COUNTS_OF_SUBJECT)
    for each in sorted(records, key=lambda each: (order.index(each.key.subject), each.key.name)):
        found[each.key][each.begins_at] = each
    return found


def _counts(
    key: ActivityKey, records: Mapping[int, ActivityRecord], periods: range, step_seconds: int
) -> Iterator[dict[str, Any]]:
    for count in COUNTS_OF_SUBJECT[key.subject]:
        values = [
            getattr(records[period].counts, count) if period in records else 0 for period in periods
        ]
        if any(values):
            total = sum(values)
            yield {
                "subject": key.subject.value,
                "name": key.name,
                "count": count,
                "total": round(total, 6),
                "begins_at": iso_text(datetime.fromtimestamp(periods[0], UTC)),
                "period_seconds": step_seconds,
                "values": [round(value, 6) for value in values],
            }
