"""Calendar arithmetic on datetimes, and windows of an hour, day, month or year.

Adding a duration first adds its days and shorter units, as one exact length, then its years and
months together. If the resulting month has no such day, the result is its last day. The order is
the same as in PyPI timex.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Callable
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Any, Protocol, TypeAlias

from winchester_core.timex.duration import MICROSECONDS, Duration, Unit

TimeOperation: TypeAlias = Callable[[datetime], datetime]
Bounds: TypeAlias = tuple[datetime, datetime]
"""Begin and end of a range."""

_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SHORTEST_MONTH = 28

# Longer than the range of datetime: adding it always overflows.
_BEYOND_ALL_YEARS = 4_000_000 * MICROSECONDS[Unit.DAY]


class YearOutOfRange(Exception):  # noqa: N818 - callers raise it as TimeEvaluationError
    """A time before or after the supported years."""

    def __init__(self, *, is_after: bool) -> None:
        self.is_after = is_after
        super().__init__("after" if is_after else "before")


# --- arithmetic ---------------------------------------------------------------------------------


def compile_addition(duration: Duration) -> TimeOperation:
    """Compile `+ duration`; it may be negative. The operation raises `YearOutOfRange`."""
    months, microseconds = duration.months, duration.microseconds
    if not months:
        return _compile_timedelta_addition(microseconds)
    if not microseconds:
        return _compile_month_addition(months)
    add_time = _compile_timedelta_addition(microseconds)
    add_months = _compile_month_addition(months)
    return lambda moment: add_months(add_time(moment))


def compile_replacement(duration: Duration) -> TimeOperation:
    """Compile `@ duration`. Its amounts must be within `FIELD_BOUNDS`."""
    fields: dict[str, Any] = {
        unit.name.lower(): amount for unit, amount in duration.amounts.items()
    }
    if not fields.keys() & {"year", "month", "day"}:
        return lambda moment: moment.replace(**fields)
    year, month, day = (fields.pop(name, None) for name in ("year", "month", "day"))

    def replace(moment: datetime) -> datetime:
        new_year = moment.year if year is None else year
        new_month = moment.month if month is None else month
        new_day = moment.day if day is None else day
        return moment.replace(
            new_year, new_month, _clamp_day(new_year, new_month, new_day), **fields
        )

    return replace


def month_length(year: int, month: int) -> int:
    """Return the number of days of a month; `month` is 1 to 12."""
    return 29 if month == 2 and isleap(year) else _MONTH_LENGTHS[month - 1]


def add_timedelta(moment: datetime, delta: timedelta) -> datetime:
    """Return `moment + delta`. Raises `YearOutOfRange`."""
    try:
        return moment + delta
    except OverflowError:
        raise YearOutOfRange(is_after=delta > timedelta()) from None


def check_year(year: int) -> None:
    """Raise `YearOutOfRange` if datetime does not support this year."""
    if not MINYEAR <= year <= MAXYEAR:
        raise YearOutOfRange(is_after=year > MAXYEAR)


def _compile_timedelta_addition(microseconds: int) -> TimeOperation:
    delta = timedelta(microseconds=max(-_BEYOND_ALL_YEARS, min(_BEYOND_ALL_YEARS, microseconds)))

    def add(moment: datetime) -> datetime:  # inlines `add_timedelta` to save a call
        try:
            return moment + delta
        except OverflowError:
            raise YearOutOfRange(is_after=delta > timedelta()) from None

    return add


def _compile_month_addition(months: int) -> TimeOperation:
    def add_months(moment: datetime) -> datetime:
        year, index = divmod(12 * moment.year + moment.month - 1 + months, 12)
        check_year(year)
        return moment.replace(year, index + 1, _clamp_day(year, index + 1, moment.day))

    return add_months


def _clamp_day(year: int, month: int, day: int) -> int:
    return day if day <= _SHORTEST_MONTH else min(day, month_length(year, month))


# --- windows ------------------------------------------------------------------------------------


class TimeWindows(Protocol):
    """A division of all time into consecutive windows of one unit.

    Operations shift the boundaries of the windows. Durations passed to the methods contain only
    units that are shorter than the windows.
    """

    def plus(self, duration: Duration) -> TimeWindows:
        """Return the windows with `duration` added to every boundary."""

    def replaced(self, duration: Duration) -> TimeWindows:
        """Return the windows with the fields that `duration` names set in every boundary."""

    def compile_lookup(self) -> Callable[[datetime], Bounds]:
        """Compile the function from a time to its window. It raises `YearOutOfRange`."""

    def compile_nominal_lookup(self) -> Callable[[datetime], Bounds]:
        """Compile the function from a time to the boundaries from which its window is moved."""


_CLOCK_FIELDS = (Unit.HOUR, Unit.MINUTE, Unit.SECOND, Unit.MICROSECOND)


@dataclass(frozen=True, slots=True)
class ClockWindows:
    """Windows of one hour or day. All have the same length.

    Each begins `offset` microseconds after the start of an hour or day (UTC). Every operation
    shifts all boundaries by the same length, so one offset describes all windows.
    """

    unit: Unit
    offset: int = 0

    def plus(self, duration: Duration) -> ClockWindows:
        """Return the windows with `duration` added to every boundary."""
        return ClockWindows(
            self.unit, (self.offset + duration.microseconds) % MICROSECONDS[self.unit]
        )

    def replaced(self, duration: Duration) -> ClockWindows:
        """Return the windows with the fields that `duration` names set in every boundary."""
        amounts: dict[Unit, int] = {}
        remainder = self.offset
        for unit in _CLOCK_FIELDS:
            amounts[unit], remainder = divmod(remainder, MICROSECONDS[unit])
        return ClockWindows(self.unit, Duration({**amounts, **duration.amounts}).microseconds)

    def compile_lookup(self) -> Callable[[datetime], Bounds]:
        """Compile the function from a time to its window. It raises `YearOutOfRange`."""
        floor = _FLOORS[self.unit]
        length = timedelta(microseconds=MICROSECONDS[self.unit])
        if not self.offset:

            def find(moment: datetime) -> Bounds:
                begin = floor(moment)
                return begin, add_timedelta(begin, length)

            return find
        offset = timedelta(microseconds=self.offset)

        def find_shifted(moment: datetime) -> Bounds:
            begin = floor(add_timedelta(moment, -offset)) + offset
            return begin, add_timedelta(begin, length)

        return find_shifted

    compile_nominal_lookup = compile_lookup


def _floor_to_hour(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day, moment.hour, 0, 0, 0, UTC)


def _floor_to_day(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day, 0, 0, 0, 0, UTC)


_FLOORS = {Unit.HOUR: _floor_to_hour, Unit.DAY: _floor_to_day}

# Invariants of windows of a month or year:
#
# 1. A boundary is the start of a calendar month or year, with the operations applied in order. A
# window is the time from one boundary (inclusive) to the next (exclusive). 2. Each operation keeps
# the order of boundaries, so boundaries never decrease and windows never
#    overlap. Two boundaries may become equal; the empty window between them is never found.
# 3. A boundary may move into another month (the first plus 30 days). A lookup estimates the window
# from the average length, then steps to the correct one. So a bad estimate makes the lookup slow,
# but not wrong. 4. The Gregorian calendar repeats after 400 years, a whole number of days. Shifting
# all boundaries by a cycle changes nothing, so shifts are reduced to at most half a cycle. If the
# window of a time might end after the year 9999, it is looked up one cycle earlier.

CYCLE_MONTHS = 400 * 12
CYCLE = timedelta(days=146_097)
_AVERAGE_MONTH = CYCLE / CYCLE_MONTHS
_LAST_SAFE_YEAR = 9500

_MONTHS = {Unit.MONTH: 1, Unit.YEAR: 12}


@dataclass(frozen=True, slots=True, eq=False)
class CalendarWindows:
    """Windows of one calendar month or year. Their lengths differ.

    The boundaries are those of the calendar, shifted by `operations`; see the invariants above.
    """

    unit: Unit
    operations: tuple[TimeOperation, ...] = ()

    def plus(self, duration: Duration) -> CalendarWindows:
        """Return the windows with `duration` added to every boundary."""
        addition = compile_addition(_modulo_cycle(duration))
        return CalendarWindows(self.unit, (*self.operations, addition))

    def replaced(self, duration: Duration) -> CalendarWindows:
        """Return the windows with the fields that `duration` names set in every boundary."""
        return CalendarWindows(self.unit, (*self.operations, compile_replacement(duration)))

    def compile_lookup(self) -> Callable[[datetime], Bounds]:
        """Compile the function from a time to its window. It raises `YearOutOfRange`."""
        step = _MONTHS[self.unit]
        if not self.operations:

            def find_unshifted(moment: datetime) -> Bounds:
                month = _first_month_of_window(moment, step)
                return _start_of_month(month), _start_of_month(month + step)

            return find_unshifted

        def find(moment: datetime) -> Bounds:
            if moment.year <= _LAST_SAFE_YEAR:
                return self._find_shifted(moment, step)
            begin, end = self._find_shifted(moment - CYCLE, step)
            return begin + CYCLE, add_timedelta(end, CYCLE)

        return find

    compile_nominal_lookup = compile_lookup

    def _find_shifted(self, moment: datetime, step: int) -> Bounds:
        month = _first_month_of_window(moment, step)
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
        boundary = _start_of_month(month)
        for operation in self.operations:
            boundary = operation(boundary)
        return boundary


def _first_month_of_window(moment: datetime, step: int) -> int:
    """Return the first month of the window around `moment`, as a number of months since year 0."""
    return 12 * moment.year + (moment.month - 1 if step == 1 else 0)


def _start_of_month(month: int) -> datetime:
    year, index = divmod(month, 12)
    check_year(year)
    return datetime(year, index + 1, 1, 0, 0, 0, 0, UTC)


def _modulo_cycle(duration: Duration) -> Duration:
    cycle = CYCLE.days * MICROSECONDS[Unit.DAY]
    return Duration(
        {
            Unit.MONTH: signed_modulo(duration.months, CYCLE_MONTHS),
            Unit.MICROSECOND: signed_modulo(duration.microseconds, cycle),
        }
    )


def signed_modulo(number: int, cycle: int) -> int:
    """Return the remainder of `number` that is nearest to 0."""
    return (number + cycle // 2) % cycle - cycle // 2
