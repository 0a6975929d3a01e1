"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

DEFAULT_START = datetime(2024, 1, 1, tzinfo=UTC)


class FakeClock:
    """A `Clock` under a test's control: it tells `start` (aware UTC) until it is moved."""

    def __init__(self, start: datetime = DEFAULT_START) -> None:
        self._now = _utc(start)

    def now(self) -> datetime:
        """The time it was last moved to, aware UTC."""
        return self._now

    def advance(self, step: timedelta) -> datetime:
        """Move by `step`, backwards where that is negative; return the new time."""
        self._now += step
        return self._now

    def set(self, moment: datetime) -> None:
        """Move to `moment`, an aware datetime."""
        self._now = _utc(moment)


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a clock tells aware times: give the time with its time zone")
    return moment.astimezone(UTC)
