"""A range pinned to a time: the hour, day, month or year around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from winchester_core.timex.arithmetic import adding, replacing
from winchester_core.timex.calendar_grid import CalendarGrid
from winchester_core.timex.clock_grid import ClockGrid
from winchester_core.timex.duration import Duration, Unit
from winchester_core.timex.span import Span

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from winchester_core.timex.expression import Computation
    from winchester_core.timex.instant import Instant
    from winchester_core.timex.span import Ends, EndsMove
    from winchester_core.timex.variables import Moment, Variables

PINNED_RANGES = {
    "hour": Unit.HOUR,
    "day": Unit.DAY,
    "month": Unit.MONTH,
    "year": Unit.YEAR,
}
"""The functions of the language, and the length of the range that each gives."""

_COUNTED_IN = {
    Unit.HOUR: Unit.MINUTE,
    Unit.DAY: Unit.HOUR,
    Unit.MONTH: Unit.DAY,
    Unit.YEAR: Unit.MONTH,
}


class Grid(Protocol):
    """A division of all time into windows of one unit each, and what moves its boundaries.

    Durations given to it hold only units shorter than its own.
    """

    def plus(self, duration: Duration) -> Grid:
        """The grid with every boundary moved by `duration`."""

    def replaced(self, duration: Duration) -> Grid:
        """The grid with the parts of every boundary set that `duration` names."""

    def window(self) -> Callable[[datetime], Ends]:
        """Compile what finds the window that a time lies in. It raises `OutOfYears`."""


@dataclass(frozen=True, slots=True, eq=False)
class Pinned:
    """The window of a grid that holds a time.

    Durations of shorter units move the grid, so that the range wraps around: the time stays in
    it. A duration that holds the range's own unit or a longer one moves the range away for good.
    """

    pin: Instant
    unit: Unit
    grid: Grid

    @classmethod
    def around(cls, pin: Instant, unit: Unit) -> Pinned:
        """The calendar's hour, day, month or year around `pin`."""
        grid = ClockGrid(unit) if unit <= Unit.DAY else CalendarGrid(unit)
        return cls(pin, unit, grid)

    def resolved(self, duration: Duration) -> Duration:
        """`duration` with a unit for the number that has none: the next shorter than the range."""
        return duration.resolved(_COUNTED_IN[self.unit])

    def plus(self, duration: Duration) -> Pinned | Span:
        """The range wrapped around or moved by `duration`."""
        if duration.counts(self.unit):
            return self._span().plus(duration)
        return Pinned(self.pin, self.unit, self.grid.plus(duration))

    def replaced(self, duration: Duration) -> Pinned | Span:
        """The range that begins where `duration` says, wrapped around or as long as its unit."""
        if duration.names(self.unit):
            return self._span().moved(_beginning_anew(duration, self.unit))
        return Pinned(self.pin, self.unit, self.grid.replaced(duration))

    def begin(self) -> Moment:
        """Compile it to where the range begins."""
        return self._span().begin()

    def computation(self) -> Computation:
        """Compile it to the value of an expression."""
        return self._span().computation()

    def _span(self) -> Span:
        load, window = self.pin.moment(), self.grid.window()

        def ends(variables: Variables) -> Ends:
            return window(load(variables))

        return Span(ends)


def _beginning_anew(duration: Duration, unit: Unit) -> EndsMove:
    replace, add_unit = replacing(duration), adding(Duration({unit: 1}))

    def move(begin: datetime, _end: datetime) -> Ends:
        new_begin = replace(begin)
        return new_begin, add_unit(new_begin)

    return move
