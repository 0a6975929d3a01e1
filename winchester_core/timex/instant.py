"""A single time: a variable, and the moves made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from winchester_core.model.event import MIN_YEAR
from winchester_core.model.time_range import TimeStamp
from winchester_core.timex.arithmetic import OutOfYears, adding, replacing

if TYPE_CHECKING:
    from datetime import datetime

    from winchester_core.timex.arithmetic import Move
    from winchester_core.timex.duration import Duration
    from winchester_core.timex.expression import Computation
    from winchester_core.timex.variables import Moment, Variables


@dataclass(frozen=True, slots=True, eq=False)
class Instant:
    """A single time. Durations applied to it have a unit for every number."""

    load: Moment
    moves: tuple[Move, ...] = ()

    def plus(self, duration: Duration) -> Instant:
        """The time moved by `duration`."""
        return Instant(self.load, (*self.moves, adding(duration)))

    def replaced(self, duration: Duration) -> Instant:
        """The time with the parts set that `duration` names."""
        return Instant(self.load, (*self.moves, replacing(duration)))

    def moment(self) -> Moment:
        """Compile it. The function raises `MissingVariable` and `OutOfYears`."""
        load, moves = self.load, self.moves
        if not moves:
            return load
        if len(moves) == 1:
            (move,) = moves
            return lambda variables: move(load(variables))

        def moved(variables: Variables) -> datetime:
            moment = load(variables)
            for move in moves:
                moment = move(moment)
            return moment

        return moved

    def begin(self) -> Moment:
        """Compile it to the time alone, which is what `moment` gives within the years."""
        load, moves = self.load, self.moves

        def begin(variables: Variables) -> datetime:
            moment = load(variables)
            for move in moves:
                moment = move(moment)
            if moment.year < MIN_YEAR:  # a year after the last cannot be reached at all
                raise OutOfYears(upward=False)
            return moment

        return begin

    def computation(self) -> Computation:
        """Compile it to the value of an expression."""
        begin = self.begin()
        return lambda variables: TimeStamp(begin(variables))
