"""The range of times that is due, by a clock that may jump.

The events of a redelivered time have the ids that they had before, so delivering a range again only
costs time, while a skipped range would be lost. These invariants follow:

1. All times in (`since` - catch-up, `reached`] have been due. `since` is the clock's time when this
   range began.
2. If the clock is before `since`, the range begins again, a catch-up before the clock: this holds
   at the start, and when the clock was ahead at the start or during a skip.
3. If the clock is back, but not before `since`, nothing is due until it passes `reached`.
4. If the clock is more than the catch-up ahead of `reached`, the times in between are skipped, and
   the range begins again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

MIN_INTERRUPTION = timedelta(minutes=1)
"""Interruption that a running process always catches up, even if `catch_up` is shorter."""


@dataclass(frozen=True, slots=True)
class DueRange:
    """The times after `after`, up to and including `until`, aware UTC.

    If `skipped_after` is not None, the times after it, up to and including `after`, are skipped.
    """

    after: datetime
    until: datetime
    skipped_after: datetime | None = None


class SchedulePosition:
    """Determines the due range from the clock; kept in memory only."""

    def __init__(self, catch_up: timedelta) -> None:
        self._catch_up = catch_up
        self._since: datetime | None = None
        self._reached: datetime | None = None

    def advance(self, now: datetime) -> DueRange:
        """Return the times that have become due at `now` (aware UTC) since the last call."""
        skipped_after = None
        if self._since is None or self._reached is None or now < self._since:
            self._since, after = now, now - self._catch_up
        elif now - self._reached > (limit := max(self._catch_up, MIN_INTERRUPTION)):
            skipped_after, self._since, after = self._reached, now, now - limit
        else:
            after = self._reached
        self._reached = max(after, now)
        return DueRange(after, self._reached, skipped_after)
