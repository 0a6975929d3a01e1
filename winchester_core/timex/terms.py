"""Terms of a time expression. Each term compiles to a function of the variables.

`Instant` is a single time, `Range` a range, `AnchoredRange` the hour, day, month or year around a
time.
"""

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
BoundsGetter: TypeAlias = Callable[[Variables], Bounds]
BoundsOperation: TypeAlias = Callable[[datetime, datetime], Bounds]
Evaluator: TypeAlias = Callable[[Variables], TimeValue]

_MIDDLE_YEAR = 5000
"""A year between 1 and 9999, to distinguish the two ends if a conversion to UTC overflows."""


class MissingVariable(Exception):  # noqa: N818 - callers raise it as TimeEvaluationError
    """A variable is missing or not a datetime."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def compile_variable(name: str) -> TimeGetter:
    """Compile `$name` to its value as aware UTC.

    The function raises `MissingVariable` and `YearOutOfRange`.
    """

    def get(variables: Variables) -> datetime:
        value = variables.get(name)
        if isinstance(value, datetime):
            return value if value.tzinfo is UTC else _to_utc(value)
        raise MissingVariable(name)

    return get


def _to_utc(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise YearOutOfRange(is_after=moment.year > _MIDDLE_YEAR) from None


@dataclass(frozen=True, slots=True, eq=False)
class Instant:
    """A single time: a variable and the operations on it.

    Durations passed to it have a unit for every number.
    """

    get: TimeGetter
    operations: tuple[TimeOperation, ...] = ()

    def plus(self, duration: Duration) -> Instant:
        """Return the time plus `duration`."""
        return Instant(self.get, (*self.operations, compile_addition(duration)))

    def replaced(self, duration: Duration) -> Instant:
        """Return the time with the fields of `duration` set."""
        return Instant(self.get, (*self.operations, compile_replacement(duration)))

    def compile_time(self) -> TimeGetter:
        """Compile to the time; it may be before the year 1000.

        The function raises `MissingVariable` and `YearOutOfRange`.
        """
        get, operations = self.get, self.operations
        if not operations:
            return get
        if len(operations) == 1:
            (operation,) = operations
            return lambda variables: operation(get(variables))

        def get_time(variables: Variables) -> datetime:
            moment = get(variables)
            for operation in operations:
                moment = operation(moment)
            return moment

        return get_time

    def compile_begin(self) -> TimeGetter:
        """Compile to the time, checked against the supported years."""
        get, operations = self.get, self.operations

        def get_begin(variables: Variables) -> datetime:
            moment = get(variables)
            for operation in operations:
                moment = operation(moment)
            if moment.year < MIN_YEAR:  # MAX_YEAR is datetime's own limit
                raise YearOutOfRange(is_after=False)
            return moment

        return get_begin

    def compile_value(self) -> Evaluator:
        """Compile to the value of an expression."""
        get_begin = self.compile_begin()
        return lambda variables: TimeStamp(get_begin(variables))


# The unit of a number without a unit: the unit of the first length here that the range reaches.
_UNITS_BY_LENGTH = (
    (timedelta(days=365), Unit.MONTH),
    (timedelta(days=28), Unit.DAY),
    (timedelta(days=1), Unit.HOUR),
    (timedelta(hours=1), Unit.MINUTE),
    (timedelta(minutes=1), Unit.SECOND),
    (timedelta(0), Unit.MICROSECOND),
)


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """A range with two bounds. Each operation applies to both.

    If the range is exactly one `unit` (hour or day), it keeps this length: the operation applies to
    its beginning. Otherwise, if a day is moved by months and both bounds are clamped to the same
    date, it would be empty.
    """

    get: BoundsGetter
    operations: tuple[BoundsOperation, ...] = ()
    unit: Unit | None = None

    @classmethod
    def between(cls, first: Instant, second: Instant) -> Range:
        """Return the range `first to second`."""
        get_begin, get_end = first.compile_time(), second.compile_time()
        return cls(lambda variables: (get_begin(variables), get_end(variables)))

    def plus(self, duration: Duration) -> Range:
        """Return the range with `duration` added."""
        if self.unit is not None:
            addition = compile_addition(duration.with_unit(_NEXT_SHORTER_UNIT[self.unit]))
            return self.applying(_compile_new_begin(addition, self.unit))
        return self.applying(_compile_for_bounds(compile_addition, duration))

    def replaced(self, duration: Duration) -> Range:
        """Return the range with the fields of `duration` set."""
        if self.unit is not None:
            with_unit = duration.with_unit(_NEXT_SHORTER_UNIT[self.unit])
            replace = compile_replacement(with_unit.clamped_to_fields())
            return self.applying(_compile_new_begin(replace, self.unit))
        return self.applying(
            _compile_for_bounds(lambda d: compile_replacement(d.clamped_to_fields()), duration)
        )

    def applying(self, operation: BoundsOperation) -> Range:
        """Return the range with one more operation."""
        return Range(self.get, (*self.operations, operation), self.unit)

    def compile_begin(self) -> TimeGetter:
        """Compile to the beginning of the range. The end must be within the supported years."""
        evaluate = self.compile_value()
        return lambda variables: evaluate(variables).begin

    def compile_value(self) -> Evaluator:
        """Compile to the value of an expression."""
        get, operations = self.get, self.operations

        def evaluate(variables: Variables) -> TimeValue:
            begin, end = get(variables)
            for operation in operations:
                begin, end = operation(begin, end)
            try:
                return TimeRange(begin, end)
            except ValueError:  # before MIN_YEAR: MAX_YEAR is datetime's own limit
                raise YearOutOfRange(is_after=False) from None

        return evaluate


def _compile_for_bounds(
    compile_operation: Callable[[Duration], TimeOperation], duration: Duration
) -> BoundsOperation:
    if duration.unitless is None:
        apply = compile_operation(duration)
        return lambda begin, end: (apply(begin), apply(end))
    by_unit = {unit: compile_operation(duration.with_unit(unit)) for _, unit in _UNITS_BY_LENGTH}

    def apply_by_length(begin: datetime, end: datetime) -> Bounds:
        length = abs(end - begin)
        operation = next(by_unit[unit] for shortest, unit in _UNITS_BY_LENGTH if length >= shortest)
        return operation(begin), operation(end)

    return apply_by_length


ANCHORED_RANGE_UNITS = {
    "hour": Unit.HOUR,
    "day": Unit.DAY,
    "month": Unit.MONTH,
    "year": Unit.YEAR,
}
"""Functions of the syntax, with the length of the range that each returns."""

_NEXT_SHORTER_UNIT = {
    Unit.HOUR: Unit.MINUTE,
    Unit.DAY: Unit.HOUR,
    Unit.MONTH: Unit.DAY,
    Unit.YEAR: Unit.MONTH,
}


@dataclass(frozen=True, slots=True, eq=False)
class AnchoredRange:
    """The window of `windows` that contains the time `anchor`.

    A duration in shorter units shifts the windows, and the range is the shifted window that
    contains the anchor. If the duration has the range's own unit or a longer unit, the range moves
    away from the anchor and becomes a `Range`.
    """

    anchor: Instant
    unit: Unit
    windows: TimeWindows

    @classmethod
    def around(cls, anchor: Instant, unit: Unit) -> AnchoredRange:
        """Return the calendar's hour, day, month or year around `anchor`."""
        windows = ClockWindows(unit) if unit <= Unit.DAY else CalendarWindows(unit)
        return cls(anchor, unit, windows)

    def with_unit(self, duration: Duration) -> Duration:
        """Return `duration` with its unitless number in the next shorter unit."""
        return duration.with_unit(_NEXT_SHORTER_UNIT[self.unit])

    def plus(self, duration: Duration) -> AnchoredRange | Range:
        """Return the range shifted or moved by `duration`."""
        if duration.is_nonzero_from(self.unit):
            return self._as_range().plus(duration)
        return AnchoredRange(self.anchor, self.unit, self.windows.plus(duration))

    def replaced(self, duration: Duration) -> AnchoredRange | Range:
        """Return the range with the fields of `duration` set in the beginning."""
        if duration.has_unit_from(self.unit):
            replace = compile_replacement(duration)
            return self._as_range().applying(_compile_new_begin(replace, self.unit))
        return AnchoredRange(self.anchor, self.unit, self.windows.replaced(duration))

    def compile_begin(self) -> TimeGetter:
        """Compile to the beginning of the range."""
        return self._as_range().compile_begin()

    def compile_value(self) -> Evaluator:
        """Compile to the value of an expression."""
        return self._as_range().compile_value()

    def _as_range(self) -> Range:
        get_time, find_window = self.anchor.compile_time(), self.windows.compile_lookup()

        def get_bounds(variables: Variables) -> Bounds:
            return find_window(get_time(variables))

        return Range(get_bounds, unit=self.unit if self.unit <= Unit.DAY else None)


def _compile_new_begin(operation: TimeOperation, unit: Unit) -> BoundsOperation:
    add_unit = compile_addition(Duration({unit: 1}))

    def apply(begin: datetime, _end: datetime) -> Bounds:
        new_begin = operation(begin)
        return new_begin, add_unit(new_begin)

    return apply
