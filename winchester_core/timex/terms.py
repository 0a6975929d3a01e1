"""The variables of a time expression."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from winchester_core.model.event import MIN_YEAR
from winchester_core.model.time_range import TimeRange, TimeStamp, TimeValue
from winchester_core.timex.calendar import (
    Bounds,
    CalendarWindows,
    ClockWindows,
    YearOutOfRange,
    compile_addition,
    compile_replacement,
)
from winchester_core.timex.duration import Duration, Unit

if TYPE_CHECKING:
    from winchester_core.timex.calendar import TimeOperation, TimeWindows

Variables: TypeAlias = Mapping[str, Any]
TimeGetter: TypeAlias = Callable[[Variables], datetime]

_MIDDLE_YEAR_OF_RANGE = 5000

Evaluator: TypeAlias = Callable[[Mapping[str, Any]], TimeValue]


class MissingVariable(Exception):  # noqa: N818 - reported as TimeEvaluationError
    """A variable that has no datetime."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def compile_variable(name: str) -> TimeGetter:
    """Compile `$name`: its value as aware UTC. Raises `MissingVariable`, `YearOutOfRange`."""

    def load(variables: Variables) -> datetime:
        value = variables.get(name)
        if isinstance(value, datetime):
            return value if value.tzinfo is UTC else _to_utc_in_range(value)
        raise MissingVariable(name)

    return load


def _to_utc_in_range(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise YearOutOfRange(is_after=moment.year > _MIDDLE_YEAR_OF_RANGE) from None


@dataclass(frozen=True, slots=True, eq=False)
class Instant:
    """A single time. Durations applied to it have a unit for every number."""

    load: TimeGetter
    moves: tuple[TimeOperation, ...] = ()

    def plus(self, duration: Duration) -> Instant:
        """The time moved by `duration`."""
        return Instant(self.load, (*self.moves, compile_addition(duration)))

    def replaced(self, duration: Duration) -> Instant:
        """The time with the parts set that `duration` names."""
        return Instant(self.load, (*self.moves, compile_replacement(duration)))

    def moment(self) -> TimeGetter:
        """Compile it. The function raises `MissingVariable` and `YearOutOfRange`."""
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

    def begin(self) -> TimeGetter:
        """Compile it to the time alone, which is what `moment` gives within the years."""
        load, moves = self.load, self.moves

        def begin(variables: Variables) -> datetime:
            moment = load(variables)
            for move in moves:
                moment = move(moment)
            if moment.year < MIN_YEAR:  # a year after the last cannot be reached at all
                raise YearOutOfRange(is_after=False)
            return moment

        return begin

    def computation(self) -> Evaluator:
        """Compile it to the value of an expression."""
        begin = self.begin()
        return lambda variables: TimeStamp(begin(variables))


BoundsOperation: TypeAlias = Callable[[datetime, datetime], Bounds]

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
class Range:
    """A range that is pinned to nothing. What is applied to it is applied to both ends."""

    load: Callable[[Variables], Bounds]
    moves: tuple[BoundsOperation, ...] = ()

    @classmethod
    def between(cls, first: Instant, second: Instant) -> Range:
        """The range `first to second`."""
        begin, end = first.moment(), second.moment()
        return cls(lambda variables: (begin(variables), end(variables)))

    def plus(self, duration: Duration) -> Range:
        """The range with both ends moved by `duration`."""
        return self.moved(_compile_for_both_bounds(compile_addition, duration))

    def replaced(self, duration: Duration) -> Range:
        """The range with the parts of both ends set that `duration` names."""
        return self.moved(
            _compile_for_both_bounds(lambda d: compile_replacement(d.clamped_to_fields()), duration)
        )

    def moved(self, move: BoundsOperation) -> Range:
        """The range after one more move."""
        return Range(self.load, (*self.moves, move))

    def begin(self) -> TimeGetter:
        """Compile it to where the range begins; its end, too, must lie within the years."""
        compute = self.computation()
        return lambda variables: compute(variables).begin

    def computation(self) -> Evaluator:
        """Compile it to the value of an expression."""
        load, moves = self.load, self.moves

        def compute(variables: Variables) -> TimeValue:
            begin, end = load(variables)
            for move in moves:
                begin, end = move(begin, end)
            try:
                return TimeRange(begin, end)
            except ValueError:  # a year after the last cannot be reached at all
                raise YearOutOfRange(is_after=False) from None

        return compute


def _compile_for_both_bounds(
    compile_move: Callable[[Duration], TimeOperation], duration: Duration
) -> BoundsOperation:
    if duration.unitless is None:
        only = compile_move(duration)
        return lambda begin, end: (only(begin), only(end))
    moves = {unit: compile_move(duration.resolved(unit)) for _, unit in _UNIT_BY_LENGTH}

    def move_by_length(begin: datetime, end: datetime) -> Bounds:
        move = moves[_unit_for_length(abs(end - begin))]
        return move(begin), move(end)

    return move_by_length


def _unit_for_length(length: timedelta) -> Unit:
    return next(unit for least, unit in _UNIT_BY_LENGTH if length >= least)


ANCHORED_RANGE_UNITS = {
    "hour": Unit.HOUR,
    "day": Unit.DAY,
    "month": Unit.MONTH,
    "year": Unit.YEAR,
}
"""The functions of the language, and the length of the range that each gives."""

_UNIT_OF_UNITLESS = {
    Unit.HOUR: Unit.MINUTE,
    Unit.DAY: Unit.HOUR,
    Unit.MONTH: Unit.DAY,
    Unit.YEAR: Unit.MONTH,
}


@dataclass(frozen=True, slots=True, eq=False)
class AnchoredRange:
    """The window of a grid that holds a time.

    Durations of shorter units move the grid, so that the range wraps around: the time stays in
    it. A duration that holds the range's own unit or a longer one moves the range away for good.
    """

    pin: Instant
    unit: Unit
    grid: TimeWindows

    @classmethod
    def around(cls, pin: Instant, unit: Unit) -> AnchoredRange:
        """The calendar's hour, day, month or year around `pin`."""
        grid = ClockWindows(unit) if unit <= Unit.DAY else CalendarWindows(unit)
        return cls(pin, unit, grid)

    def resolved(self, duration: Duration) -> Duration:
        """`duration` with a unit for the number that has none: the next shorter than the range."""
        return duration.resolved(_UNIT_OF_UNITLESS[self.unit])

    def plus(self, duration: Duration) -> AnchoredRange | Range:
        """The range wrapped around or moved by `duration`."""
        if duration.counts(self.unit):
            return self._span().plus(duration)
        return AnchoredRange(self.pin, self.unit, self.grid.plus(duration))

    def replaced(self, duration: Duration) -> AnchoredRange | Range:
        """The range that begins where `duration` says, wrapped around or as long as its unit."""
        if duration.names(self.unit):
            return self._span().moved(_compile_new_begin(duration, self.unit))
        return AnchoredRange(self.pin, self.unit, self.grid.replaced(duration))

    def begin(self) -> TimeGetter:
        """Compile it to where the range begins."""
        return self._span().begin()

    def computation(self) -> Evaluator:
        """Compile it to the value of an expression."""
        return self._span().computation()

    def _span(self) -> Range:
        load, window = self.pin.moment(), self.grid.window()

        def ends(variables: Variables) -> Bounds:
            return window(load(variables))

        return Range(ends)


def _compile_new_begin(duration: Duration, unit: Unit) -> BoundsOperation:
    replace, add_unit = compile_replacement(duration), compile_addition(Duration({unit: 1}))

    def move(begin: datetime, _end: datetime) -> Bounds:
        new_begin = replace(begin)
        return new_begin, add_unit(new_begin)

    return move
