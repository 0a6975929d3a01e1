"""``winchester stats``: the activity of all processes, over time."""

from __future__ import annotations

import sys
from collections import defaultdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.argument_values import iso_text
from winchester_core.cli.options import Argument
from winchester_core.cli.output import FlatLister
from winchester_core.cli.session import StoreSession
from winchester_core.model.activity import COUNTS_OF_SUBJECT, HOUR_SECONDS, MINUTES_KEPT_SECONDS

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import timedelta

    from winchester_core.model.activity import ActivityKey, ActivityRecord

DEFAULT_SINCE: Final = "1h"
MAX_VALUES: Final = 60
"""Maximum number of values of a count: the width of a sparkline."""

STEPS_SECONDS: Final = (
    *(60, 300, 600, 1_800, HOUR_SECONDS, 3 * HOUR_SECONDS, 6 * HOUR_SECONDS),
    *(12 * HOUR_SECONDS, 24 * HOUR_SECONDS),
)
BARS: Final = "▁▂▃▄▅▆▇█"
ASCII_BARS: Final = "_.-=+*#@"
"""Bars for a terminal without the characters in `BARS`."""


class Stats(FlatLister):
    """Show the activity of the last hour, or of a longer time.

    Events are counted for all sources, streams by trigger, and runs and effects by pipeline. There
    is one row for each count that is not 0: its total, and its values over time. A table shows the
    values as a sparkline, whose highest bar is the largest value. JSON and YAML have the values
    themselves, the time at which the first period begins, and the length of a period in seconds.
    The last period is not over yet.

    The counts are those of ingest and of workers, which add them to the database every 10 seconds,
    with SQLite every 30 seconds. They are for people: if a process is killed, its last counts are
    missing. Activity is kept for activity_days, activity older than a day only by the hour. Times
    are those of the database server, also under the event clock.
    """

    examples = (
        "winchester stats -c winchester.yaml",
        "winchester stats -c winchester.yaml --since 7d",
        "winchester stats -c winchester.yaml --since 1d -f json",
    )
    columns = "subject name count total values"
    arguments = (
        Argument(
            "--since WHEN",
            "show the activity since an ISO 8601 time (default offset: UTC), or for a duration "
            "before now (the database server's time), such as 1d (default: %(default)s)",
            default=DEFAULT_SINCE,
        ),
    )

    def objects(self, parsed_args: Namespace) -> Iterator[Mapping[str, Any]]:
        """Yield an object for each count that is not 0."""
        with StoreSession(parsed_args) as session:
            now = session.store.real_time()
            since = session.parse_real_time(parsed_args.since) or now
            step_seconds = _step_seconds(now - since)
            records = session.store.read_activity(since, step_seconds)
        periods = _periods(since, now, step_seconds)
        for key, by_period in _by_key(records).items():
            yield from _counts(key, by_period, periods, step_seconds)

    def cell(self, each: Mapping[str, Any], column: str) -> Any:
        """Return the value of a column, the values of a count as a sparkline."""
        values = self.value(each, column)
        return sparkline(values) if isinstance(values, list) else super().cell(each, column)


def sparkline(values: Sequence[float]) -> str:
    """Return a bar for each value. The lowest bar is 0, the highest is the largest value."""
    bars = BARS if _can_encode(BARS) else ASCII_BARS
    largest = max(values, default=0) or 1
    return "".join(bars[_level(value / largest, len(bars))] for value in values)


def _level(share: float, levels: int) -> int:
    """Return the bar for a share of the largest value; a value above 0 is never the lowest."""
    return 0 if share <= 0 else max(1, round(share * (levels - 1)))


def _can_encode(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def _step_seconds(duration: timedelta) -> int:
    seconds = duration.total_seconds()
    shortest = HOUR_SECONDS if seconds > MINUTES_KEPT_SECONDS else 0
    usable = (step for step in STEPS_SECONDS if step >= shortest and seconds / step <= MAX_VALUES)
    return next(usable, STEPS_SECONDS[-1])


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
                "total": round(total, 3),
                "begins_at": iso_text(datetime.fromtimestamp(periods[0], UTC)),
                "period_seconds": step_seconds,
                "values": [round(value, 3) for value in values],
            }
