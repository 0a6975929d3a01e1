"""``winchester stats``: the activity of all processes, over time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from winchester_core.cli.options import Argument
from winchester_core.cli.output import FlatLister
from winchester_core.cli.session import StoreSession
from winchester_core.inspection.activity_series import activity_series

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator, Mapping, Sequence


DEFAULT_SINCE: Final = "1h"
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
    missing. Activity is kept for activity_days. Times are those of the database server, also under
    the event clock.
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
            yield from activity_series(session.store, since, now)

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
