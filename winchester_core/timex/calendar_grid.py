"""Time divided into months or years, whose lengths differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from winchester_core.timex.arithmetic import add_length, adding, check_year, replacing
from winchester_core.timex.duration import MICROSECONDS, Duration, Unit

if TYPE_CHECKING:
    from collections.abc import Callable

    from winchester_core.timex.arithmetic import Move
    from winchester_core.timex.span import Ends

# The Gregorian calendar repeats itself after 400 years, which are a whole number of days. Moving
# every boundary by that changes nothing, hence moves are at most half of it, and times that are
# so near to the year 9999 that a boundary might pass it are looked up one cycle earlier.
_CYCLE_MONTHS = 400 * 12
_CYCLE = timedelta(days=146_097)
_AVERAGE_MONTH = _CYCLE / _CYCLE_MONTHS
_LAST_ROOMY_YEAR = 9500

_MONTHS = {Unit.MONTH: 1, Unit.YEAR: 12}


@dataclass(frozen=True, slots=True, eq=False)
class CalendarGrid:
    """Windows of one month or year, from the calendar's own after `moves` to the next one's.

    So 30 days after the first of a month may be in this month or in the next; whichever window
    a time lies in is found from all of them, and two never overlap.
    """

    unit: Unit
    moves: tuple[Move, ...] = ()

    def plus(self, duration: Duration) -> CalendarGrid:
        """The grid with every boundary moved by `duration`."""
        return CalendarGrid(self.unit, (*self.moves, adding(_within_cycle(duration))))

    def replaced(self, duration: Duration) -> CalendarGrid:
        """The grid with the parts of every boundary set that `duration` names."""
        return CalendarGrid(self.unit, (*self.moves, replacing(duration)))

    def window(self) -> Callable[[datetime], Ends]:
        """Compile what finds the window that a time lies in. It raises `OutOfYears`."""
        step = _MONTHS[self.unit]
        if not self.moves:

            def find_unmoved(moment: datetime) -> Ends:
                month = _month_of(moment, step)
                return _first_of(month), _first_of(month + step)

            return find_unmoved

        def find(moment: datetime) -> Ends:
            if moment.year <= _LAST_ROOMY_YEAR:
                return self._find_moved(moment, step)
            begin, end = self._find_moved(moment - _CYCLE, step)
            return begin + _CYCLE, add_length(end, _CYCLE)

        return find

    def _find_moved(self, moment: datetime, step: int) -> Ends:
        month = _month_of(moment, step)
        month += step * int((moment - self._boundary(month)) / (_AVERAGE_MONTH * step))
        begin = self._boundary(month)
        while begin > moment:
            month -= step
            begin = self._boundary(month)
        end = self._boundary(month + step)
        while end <= moment:
            month += step
            begin, end = end, self._boundary(month + step)
        return begin, end

    def _boundary(self, month: int) -> datetime:
        boundary = _first_of(month)
        for move in self.moves:
            boundary = move(boundary)
        return boundary


def _month_of(moment: datetime, step: int) -> int:
    """The number, counted from year 0, of the first month of the month or year around a time."""
    return 12 * moment.year + (moment.month - 1 if step == 1 else 0)


def _first_of(month: int) -> datetime:
    year, index = divmod(month, 12)
    check_year(year)
    return datetime(year, index + 1, 1, 0, 0, 0, 0, UTC)


def _within_cycle(duration: Duration) -> Duration:
    cycle = _CYCLE.days * MICROSECONDS[Unit.DAY]
    return Duration(
        {
            Unit.MONTH: _nearest_to_zero(duration.months, _CYCLE_MONTHS),
            Unit.MICROSECOND: _nearest_to_zero(duration.microseconds, cycle),
        }
    )


def _nearest_to_zero(number: int, cycle: int) -> int:
    return (number + cycle // 2) % cycle - cycle // 2
