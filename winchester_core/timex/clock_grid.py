"""Time divided into hours or days, which all have one length."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from winchester_core.timex.arithmetic import add_length
from winchester_core.timex.duration import MICROSECONDS, Duration, Unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.timex.span import Ends

_PARTS = (Unit.HOUR, Unit.MINUTE, Unit.SECOND, Unit.MICROSECOND)


@dataclass(frozen=True, slots=True)
class ClockGrid:
    """Windows of one hour or day; each begins `offset` microseconds after the clock's own.

    Whatever is done to the boundaries is done to all of them alike, so the offset says it all.
    """

    unit: Unit
    offset: int = 0

    def plus(self, duration: Duration) -> ClockGrid:
        """The grid with every boundary moved by `duration`."""
        return ClockGrid(self.unit, (self.offset + duration.microseconds) % MICROSECONDS[self.unit])

    def replaced(self, duration: Duration) -> ClockGrid:
        """The grid with the parts of every boundary set that `duration` names."""
        parts: dict[Unit, int] = {}
        rest = self.offset
        for part in _PARTS:
            parts[part], rest = divmod(rest, MICROSECONDS[part])
        return ClockGrid(self.unit, Duration({**parts, **duration.amounts}).microseconds)

    def window(self) -> Callable[[datetime], Ends]:
        """Compile what finds the window that a time lies in. It raises `OutOfYears`."""
        floor = _FLOORS[self.unit]
        length = timedelta(microseconds=MICROSECONDS[self.unit])
        if not self.offset:

            def find(moment: datetime) -> Ends:
                begin = floor(moment)
                return begin, add_length(begin, length)

            return find
        offset = timedelta(microseconds=self.offset)

        def find_shifted(moment: datetime) -> Ends:
            begin = floor(add_length(moment, -offset)) + offset
            return begin, add_length(begin, length)

        return find_shifted


def _hour_of(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day, moment.hour, 0, 0, 0, UTC)


def _day_of(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day, 0, 0, 0, 0, UTC)


_FLOORS = {Unit.HOUR: _hour_of, Unit.DAY: _day_of}
