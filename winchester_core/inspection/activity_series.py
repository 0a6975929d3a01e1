"""Activity as series of values over time."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from winchester_core.inspection.values import iso_text
from winchester_core.model.activity import COUNTS_OF_SUBJECT, PERIODS_SECONDS, ActivityCounts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import timedelta

    from winchester_core.model.activity import ActivityKey, ActivityRecord
    from winchester_core.storage.operations_interface import OperationsReadStore

MAX_VALUES: Final = 60
"""Maximum number of values of a series."""


def activity_series(
    store: OperationsReadStore, since: datetime, now: datetime
) -> Iterator[dict[str, Any]]:
    """Yield an object for each count that is not 0, by subject and name.

    It has the keys subject, name, count, total, begins_at, period_seconds and values. `since` and
    `now` are real time. The last period is not over yet. The first is later than `since` if there
    is too much activity to read.
    """
    since = max(since, datetime.fromtimestamp(0, UTC))
    period_seconds, step_seconds = _lengths(now - since)
    recorded = store.read_activity(since, period_seconds)
    begins_at = ceil(recorded.begins_at / step_seconds) * step_seconds
    first = max(_floor(since, step_seconds), begins_at)
    steps = range(first, _floor(now, 1) + 1, step_seconds)
    for key, by_step in _by_key(recorded.records, step_seconds).items():
        yield from _counts(key, by_step, steps, step_seconds)


def _lengths(duration: timedelta) -> tuple[int, int]:
    """Return the length of the periods to read, and of the steps of a series, in seconds."""
    longest = PERIODS_SECONDS[-1]
    for period_seconds in PERIODS_SECONDS:
        if duration.total_seconds() <= MAX_VALUES * period_seconds:
            return period_seconds, period_seconds
    return longest, longest * ceil(duration.total_seconds() / MAX_VALUES / longest)


def _floor(time: datetime, seconds: int) -> int:
    return int(time.timestamp()) // seconds * seconds


def _by_key(
    records: Sequence[ActivityRecord], step_seconds: int
) -> dict[ActivityKey, dict[int, ActivityCounts]]:
    """Return the sums by key, in the order of the subjects, then by step."""
    found: dict[ActivityKey, dict[int, ActivityCounts]] = defaultdict(dict)
    order = list(COUNTS_OF_SUBJECT)
    for each in sorted(records, key=lambda each: (order.index(each.key.subject), each.key.name)):
        step = each.begins_at - each.begins_at % step_seconds
        before = found[each.key].get(step, ActivityCounts())
        found[each.key][step] = before.plus(each.counts)
    return found


def _counts(
    key: ActivityKey, by_step: Mapping[int, ActivityCounts], steps: range, step_seconds: int
) -> Iterator[dict[str, Any]]:
    for count in COUNTS_OF_SUBJECT[key.subject]:
        values = [getattr(by_step[step], count) if step in by_step else 0 for step in steps]
        if any(values):
            total = sum(values)
            yield {
                "subject": key.subject.value,
                "name": key.name,
                "count": count,
                "total": round(total, 6),
                "begins_at": iso_text(datetime.fromtimestamp(steps[0], UTC)),
                "period_seconds": step_seconds,
                "values": [round(value, 6) for value in values],
            }
