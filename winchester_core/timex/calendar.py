"""Moving a date and time by a duration, with a calendar.

Days and shorter units are added first, as one exact length, then years and months together; a
day that the month reached does not have becomes its last. (The order is that of PyPI timex.)
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Callable
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Any, Protocol, TypeAlias

from winchester_core.timex.duration import MICROSECONDS, Duration, Unit

TimeOperation: TypeAlias = Callable[[datetime], datetime]

_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SHORTEST_MONTH = 28

# Longer than all years that a datetime knows: adding this always leaves them.
_BEYOND_ALL_YEARS = 4_000_000 * MICROSECONDS[Unit.DAY]

Bounds: TypeAlias = tuple[datetime, datetime]


class YearOutOfRange(Exception):  # noqa: N818 - a direction, reported as TimeEvaluationError
    """A time before or after the years that can be handled."""

    def __init__(self, *, is_after: bool) -> None:
        self.is_after = is_after
        super().__init__("after" if is_after else "before")


def compile_addition(duration: Duration) -> TimeOperation:
    """Compile `+ duration`; one that is negative goes back. The move raises `YearOutOfRange`."""
    months, microseconds = duration.months, duration.microseconds
    if not months:
        return _compile_timedelta_addition(microseconds)
    if not microseconds:
        return _compile_month_addition(months)
    add_length, add_months = (
        _compile_timedelta_addition(microseconds),
        _compile_month_addition(months),
    )
    return lambda moment: add_months(add_length(moment))


def compile_replacement(duration: Duration) -> TimeOperation:
    """Compile `@ duration`, whose numbers are within the bounds of their fields."""
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
    """The number of days of a month; `month` is 1 to 12."""
    return 29 if month == 2 and isleap(year) else _MONTH_LENGTHS[month - 1]


def add_timedelta(moment: datetime, length: timedelta) -> datetime:
    """Add a length of time. Raises `YearOutOfRange`."""
    try:
        return moment + length
    except OverflowError:
        raise YearOutOfRange(is_after=length > timedelta()) from None


def check_year(year: int) -> None:
    """Raise `YearOutOfRange` where a datetime cannot have this year."""
    if not MINYEAR <= year <= MAXYEAR:
        raise YearOutOfRange(is_after=year > MAXYEAR)


def _compile_timedelta_addition(microseconds: int) -> TimeOperation:
    length = timedelta(microseconds=max(-_BEYOND_ALL_YEARS, min(_BEYOND_ALL_YEARS, microseconds)))

    def add(moment: datetime) -> datetime:  # `add_timedelta` without the call
        try:
            return moment + length
        except OverflowError:
            raise YearOutOfRange(is_after=length > timedelta()) from None

    return add


def _compile_month_addition(months: int) -> TimeOperation:
    def add_months(moment: datetime) -> datetime:
        year, index = divmod(12 * moment.year + moment.month - 1 + months, 12)
        check_year(year)
        return moment.replace(year, index + 1, _clamp_day(year, index + 1, moment.day))

    return add_months


def _clamp_day(year: int, month: int, day: int) -> int:
    return day if day <= _SHORTEST_MONTH else min(day, month_length(year, month))


class TimeWindows(Protocol):
    """A division of all time into windows of one unit each, and what moves its boundaries.

    Durations given to it hold only units shorter than its own.
    """

    def plus(self, duration: Duration) -> TimeWindows:
        """The grid with every boundary moved by `duration`."""

    def replaced(self, duration: Duration) -> TimeWindows:
        """The grid with the parts of every boundary set that `duration` names."""

    def window(self) -> Callable[[datetime], Bounds]:
        """Compile what finds the window that a time lies in. It raises `YearOutOfRange`."""


_FIELDS = (Unit.HOUR, Unit.MINUTE, Unit.SECOND, Unit.MICROSECOND)


@dataclass(frozen=True, slots=True)
class ClockWindows:
    """Windows of one hour or day; each begins `offset` microseconds after the clock's own.

    Whatever is done to the boundaries is done to all of them alike, so the offset says it all.
    """

    unit: Unit
    offset: int = 0

    def plus(self, duration: Duration) -> ClockWindows:
        """The grid with every boundary moved by `duration`."""
        return ClockWindows(
            self.unit, (self.offset + duration.microseconds) % MICROSECONDS[self.unit]
        )

    def replaced(self, duration: Duration) -> ClockWindows:
        """The grid with the parts of every boundary set that `duration` names."""
        parts: dict[Unit, int] = {}
        rest = self.offset
        for part in _FIELDS:
            parts[part], rest = divmod(rest, MICROSECONDS[part])
        return ClockWindows(self.unit, Duration({**parts, **duration.amounts}).microseconds)

    def window(self) -> Callable[[datetime], Bounds]:
        """Compile what finds the window that a time lies in. It raises `YearOutOfRange`."""
        floor = _STARTS[self.unit]
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


def _start_of_hour(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day, moment.hour, 0, 0, 0, UTC)


def _start_of_day(moment: datetime) -> datetime:
    return datetime(moment.year, moment.month, moment.day, 0, 0, 0, 0, UTC)


_STARTS = {Unit.HOUR: _start_of_hour, Unit.DAY: _start_of_day}


# The Gregorian calendar repeats itself after 400 years, which are a whole number of days. Moving
# every boundary by that changes nothing, hence moves are at most half of it, and times that are
# so near to the year 9999 that a boundary might pass it are looked up one cycle earlier.
_CYCLE_MONTHS = 400 * 12
_CYCLE = timedelta(days=146_097)
_AVERAGE_MONTH = _CYCLE / _CYCLE_MONTHS
_LAST_SAFE_YEAR = 9500

_MONTHS = {Unit.MONTH: 1, Unit.YEAR: 12}


@dataclass(frozen=True, slots=True, eq=False)
class CalendarWindows:
    """Windows of one month or year, from the calendar's own after `moves` to the next one's.

    So 30 days after the first of a month may be in this month or in the next; whichever window
    a time lies in is found from all of them, and two never overlap.
    """

    unit: Unit
    moves: tuple[TimeOperation, ...] = ()

    def plus(self, duration: Duration) -> CalendarWindows:
        """The grid with every boundary moved by `duration`."""
        return CalendarWindows(self.unit, (*self.moves, compile_addition(_modulo_cycle(duration))))

    def replaced(self, duration: Duration) -> CalendarWindows:
        """The grid with the parts of every boundary set that `duration` names."""
        return CalendarWindows(self.unit, (*self.moves, compile_replacement(duration)))

    def window(self) -> Callable[[datetime], Bounds]:
        """Compile what finds the window that a time lies in. It raises `YearOutOfRange`."""
        step = _MONTHS[self.unit]
        if not self.moves:

            def find_unmoved(moment: datetime) -> Bounds:
                month = _first_month_of_window(moment, step)
                return _start_of_month(month), _start_of_month(month + step)

            return find_unmoved

        def find(moment: datetime) -> Bounds:
            if moment.year <= _LAST_SAFE_YEAR:
                return self._find_moved(moment, step)
            begin, end = self._find_moved(moment - _CYCLE, step)
            return begin + _CYCLE, add_timedelta(end, _CYCLE)

        return find

    def _find_moved(self, moment: datetime, step: int) -> Bounds:
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
        for move in self.moves:
            boundary = move(boundary)
        return boundary


def _first_month_of_window(moment: datetime, step: int) -> int:
    """The number, counted from year 0, of the first month of the month or year around a time."""
    return 12 * moment.year + (moment.month - 1 if step == 1 else 0)


def _start_of_month(month: int) -> datetime:
    year, index = divmod(month, 12)
    check_year(year)
    return datetime(year, index + 1, 1, 0, 0, 0, 0, UTC)


def _modulo_cycle(duration: Duration) -> Duration:
    cycle = _CYCLE.days * MICROSECONDS[Unit.DAY]
    return Duration(
        {
            Unit.MONTH: _signed_modulo(duration.months, _CYCLE_MONTHS),
            Unit.MICROSECOND: _signed_modulo(duration.microseconds, cycle),
        }
    )


def _signed_modulo(number: int, cycle: int) -> int:
    return (number + cycle // 2) % cycle - cycle // 2
