"""A range of time whose ends move as they are told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from winchester_core.model.time_range import TimeRange
from winchester_core.timex.arithmetic import OutOfYears, adding, replacing
from winchester_core.timex.duration import Unit

if TYPE_CHECKING:
    from winchester_core.model.time_range import TimeValue
    from winchester_core.timex.arithmetic import Move
    from winchester_core.timex.duration import Duration
    from winchester_core.timex.expression import Computation
    from winchester_core.timex.instant import Instant
    from winchester_core.timex.variables import Moment, Variables

Ends: TypeAlias = tuple[datetime, datetime]
EndsMove: TypeAlias = Callable[[datetime, datetime], Ends]

# From how long a range on a number without a unit counts what.
_UNIT_BY_LENGTH = (
    (timedelta(days=365), Unit.MONTH),
    (timedelta(days=28), Unit.DAY),
    (timedelta(days=1), Unit.HOUR),
    (timedelta(hours=1), Unit.MINUTE),
    (timedelta(minutes=1), Unit.SECOND),
    (timedelta(0), Unit.MICROSECOND),
)


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """A range that is pinned to nothing. What is applied to it is applied to both ends."""

    load: Callable[[Variables], Ends]
    moves: tuple[EndsMove, ...] = ()

    @classmethod
    def between(cls, first: Instant, second: Instant) -> Span:
        """The range `first to second`."""
        begin, end = first.moment(), second.moment()
        return cls(lambda variables: (begin(variables), end(variables)))

    def plus(self, duration: Duration) -> Span:
        """The range with both ends moved by `duration`."""
        return self.moved(_on_both_ends(adding, duration))

    def replaced(self, duration: Duration) -> Span:
        """The range with the parts of both ends set that `duration` names."""
        return self.moved(_on_both_ends(lambda d: replacing(d.within_bounds()), duration))

    def moved(self, move: EndsMove) -> Span:
        """The range after one more move."""
        return Span(self.load, (*self.moves, move))

    def begin(self) -> Moment:
        """Compile it to where the range begins; its end, too, must lie within the years."""
        compute = self.computation()
        return lambda variables: compute(variables).begin

    def computation(self) -> Computation:
        """Compile it to the value of an expression."""
        load, moves = self.load, self.moves

        def compute(variables: Variables) -> TimeValue:
            begin, end = load(variables)
            for move in moves:
                begin, end = move(begin, end)
            try:
                return TimeRange(begin, end)
            except ValueError:  # a year after the last cannot be reached at all
                raise OutOfYears(upward=False) from None

        return compute


def _on_both_ends(compile_move: Callable[[Duration], Move], duration: Duration) -> EndsMove:
    if duration.unitless is None:
        only = compile_move(duration)
        return lambda begin, end: (only(begin), only(end))
    moves = {unit: compile_move(duration.resolved(unit)) for _, unit in _UNIT_BY_LENGTH}

    def move_by_length(begin: datetime, end: datetime) -> Ends:
        move = moves[_unit_for(abs(end - begin))]
        return move(begin), move(end)

    return move_by_length


def _unit_for(length: timedelta) -> Unit:
    return next(unit for least, unit in _UNIT_BY_LENGTH if length >= least)
