"""Times of a cron expression in a time zone.

`cronsim` enumerates local times without a zone, and `LocalClock` converts them, as in triggers. So
one rule holds for every expression, including those with ``*`` in the minute or the hour, for which
cron programs differ: each local time occurs once.

1. A local time that exists twice (in autumn) is the first of the two.
2. A local time that does not exist (in spring) is the first moment after the gap. If several local
   times become the same moment, the moment occurs once.
3. The conversion keeps the order of local times, so the moments ascend.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from winchester_core.timex.calendar import YearOutOfRange
from winchester_core.timex.local_time import LocalClock

if TYPE_CHECKING:
    from collections.abc import Iterator

FIELDS = ("minute", "hour", "day of month", "month", "day of week")
SOME_DAY = datetime(2000, 1, 1)  # noqa: DTZ001 - a local time
"""Start of the search for a first time of an expression. The search ends after 50 years."""


class CronTimes:
    """The times of the cron expression `expression` in the time zone `timezone` (an IANA name).

    Both are valid: see `check_expression` and `winchester_core.interfaces.params.time_zone`.
    """

    def __init__(self, expression: str, timezone: str) -> None:
        self._expression = expression
        self._clock = LocalClock(ZoneInfo(timezone))
        self._start: datetime | None = None
        self._next: datetime | None = None

    def times_after(self, moment: datetime) -> Iterator[datetime]:
        """Yield the times after `moment` (aware UTC), ascending, in UTC with whole seconds.

        The iterator ends if the next time is more than 50 years away or after the year 9999.
        """
        last = moment
        try:
            for each in CronSim(self._expression, self._clock.to_local(moment)):
                found = self._clock.to_utc(each)
                if found > last:
                    yield found
                    last = found
        except (OverflowError, YearOutOfRange):
            return

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first time after `moment`, or None. A repeated search is cached."""
        is_known = self._start is not None and self._start <= moment
        if not (is_known and self._next is not None and moment < self._next):
            self._start, self._next = moment, next(self.times_after(moment), None)
        return self._next


def check_expression(expression: str) -> None:
    """Raise `ValueError` with the reason if the cron expression is invalid or never occurs."""
    count = len(expression.split())
    if count != len(FIELDS):
        noun = "field" if count == 1 else "fields"
        raise ValueError(f"it has {count} {noun} instead of {len(FIELDS)}")
    try:
        occurs = next(CronSim(expression, SOME_DAY), None) is not None
    except CronSimError as error:
        field = str(error).removeprefix("Bad ").replace("-", " ")
        raise ValueError(f"the field {field!r} is invalid") from None
    if not occurs:
        raise ValueError("it never occurs")
