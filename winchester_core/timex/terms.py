"""Terms of a time expression. Each term compiles to a function of the variables.

`Instant` is a single time, `Range` a range, `AnchoredRange` the hour, day, month or year around a
time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

from winchester_core.model.event import MIN_YEAR
from winchester_core.model.time_range import TimeRange, TimeStamp, TimeValue
from winchester_core.timex.calendar import Bounds, YearOutOfRange
from winchester_core.timex.duration import Unit
from winchester_core.timex.zone_calendar import (
    UNITS_BY_LENGTH,
    BoundsOperation,
    ZoneCalendar,
    compile_new_begin,
)

if TYPE_CHECKING:
    from winchester_core.timex.calendar import TimeOperation, TimeWindows
    from winchester_core.timex.duration import Duration

Variables: TypeAlias = Mapping[str, Any]
TimeGetter: TypeAlias = Callable[[Variables], datetime]
BoundsGetter: TypeAlias = Callable[[Variables], Bounds]
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
    calendar: ZoneCalendar
    operations: tuple[TimeOperation, ...] = ()

    def plus(self, duration: Duration) -> Instant:
        """Return the time plus `duration`."""
        return self._applying(self.calendar.compile_addition(duration))

    def replaced(self, duration: Duration) -> Instant:
        """Return the time with the fields of `duration` set."""
        return self._applying(self.calendar.compile_replacement(duration))

    def _applying(self, operation: TimeOperation) -> Instant:
        return Instant(self.get, self.calendar, (*self.operations, operation))

    def _all_operations(self) -> tuple[TimeOperation, ...]:
        convert = self.calendar.compile_conversion()
        if convert is None or not self.operations:
            return self.operations
        return (*self.operations, convert)

    def compile_time(self) -> TimeGetter:
        """Compile to the time; it may be before the year 1000.

        The function raises `MissingVariable` and `YearOutOfRange`.
        """
        get, operations = self.get, self._all_operations()
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
        get, operations = self.get, self._all_operations()

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


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """A range with two bounds. Each operation applies to both.

    If the range is exactly one `unit` (hour or day), it keeps this length: the operation applies to
    its beginning. Otherwise, if a day is moved by months and both bounds are clamped to the same
    date, it would be empty.
    """

    get: BoundsGetter
    calendar: ZoneCalendar
    operations: tuple[BoundsOperation, ...] = ()
    unit: Unit | None = None

    @classmethod
    def between(cls, first: Instant, second: Instant) -> Range:
        """Return the range `first to second`."""
        get_begin, get_end = first.compile_time(), second.compile_time()
        return cls(lambda variables: (get_begin(variables), get_end(variables)), first.calendar)

    def plus(self, duration: Duration) -> Range:
        """Return the range with `duration` added."""
        if self.unit is not None:
            with_unit = duration.with_unit(_NEXT_SHORTER_UNIT[self.unit])
            return self.applying(self.calendar.compile_move(with_unit, self.unit))
        return self.applying(self._compile_for_bounds(self.calendar.compile_addition, duration))

    def replaced(self, duration: Duration) -> Range:
        """Return the range with the fields of `duration` set."""
        if self.unit is not None:
            with_unit = duration.with_unit(_NEXT_SHORTER_UNIT[self.unit])
            replace = self.calendar.compile_replacement(with_unit.clamped_to_fields())
            return self.applying(compile_new_begin(self.calendar, replace, self.unit))
        return self.applying(
            self._compile_for_bounds(
                lambda d: self.calendar.compile_replacement(d.clamped_to_fields()), duration
            )
        )

    def applying(self, operation: BoundsOperation) -> Range:
        """Return the range with one more operation."""
        return Range(self.get, self.calendar, (*self.operations, operation), self.unit)

    def _compile_for_bounds(
        self, compile_operation: Callable[[Duration], TimeOperation], duration: Duration
    ) -> BoundsOperation:
        if duration.unitless is None:
            apply = compile_operation(duration)
            return lambda begin, end: (apply(begin), apply(end))
        by_unit = {unit: compile_operation(duration.with_unit(unit)) for unit in UNITS_BY_LENGTH}
        unit_by_length = self.calendar.unit_by_length

        def apply_by_length(begin: datetime, end: datetime) -> Bounds:
            operation = by_unit[unit_by_length(begin, end)]
            return operation(begin), operation(end)

        return apply_by_length

    def _all_operations(self) -> tuple[BoundsOperation, ...]:
        convert = self.calendar.compile_conversion()
        if convert is None or not self.operations:
            return self.operations
        return (*self.operations, lambda begin, end: (convert(begin), convert(end)))

    def compile_begin(self) -> TimeGetter:
        """Compile to the beginning of the range. The end must be within the supported years."""
        evaluate = self.compile_value()
        return lambda variables: evaluate(variables).begin

    def compile_value(self) -> Evaluator:
        """Compile to the value of an expression."""
        get, operations = self.get, self._all_operations()

        def evaluate(variables: Variables) -> TimeValue:
            begin, end = get(variables)
            for operation in operations:
                begin, end = operation(begin, end)
            try:
                return TimeRange(begin, end)
            except ValueError:  # before MIN_YEAR: MAX_YEAR is datetime's own limit
                raise YearOutOfRange(is_after=False) from None

        return evaluate


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
        return cls(anchor, unit, anchor.calendar.windows(unit))

    def with_unit(self, duration: Duration) -> Duration:
        """Return `duration` with its unitless number in the next shorter unit."""
        return duration.with_unit(_NEXT_SHORTER_UNIT[self.unit])

    def plus(self, duration: Duration) -> AnchoredRange | Range:
        """Return the range shifted or moved by `duration`."""
        if duration.is_nonzero_from(self.unit):
            return self._as_range(self.windows.compile_nominal_lookup()).plus(duration)
        return AnchoredRange(self.anchor, self.unit, self.windows.plus(duration))

    def replaced(self, duration: Duration) -> AnchoredRange | Range:
        """Return the range with the fields of `duration` set in the beginning."""
        if duration.has_unit_from(self.unit):
            calendar = self.anchor.calendar
            replace = calendar.compile_replacement(duration)
            return self._as_range(self.windows.compile_nominal_lookup()).applying(
                compile_new_begin(calendar, replace, self.unit)
            )
        return AnchoredRange(self.anchor, self.unit, self.windows.replaced(duration))

    def compile_begin(self) -> TimeGetter:
        """Compile to the beginning of the range."""
        return self._as_range(self.windows.compile_lookup()).compile_begin()

    def compile_value(self) -> Evaluator:
        """Compile to the value of an expression."""
        return self._as_range(self.windows.compile_lookup()).compile_value()

    def _as_range(self, find_window: Callable[[datetime], Bounds]) -> Range:
        get_time = self.anchor.compile_time()

        def get_bounds(variables: Variables) -> Bounds:
            return find_window(get_time(variables))

        unit = self.unit if self.unit <= Unit.DAY else None
        return Range(get_bounds, self.anchor.calendar, unit=unit)
