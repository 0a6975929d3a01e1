"""Windows of an hour, day, month or year in local time.

Boundaries are instants (aware UTC) or local times (naive): operations on the local calendar keep
them local, so that a boundary in a gap of the clock is not moved before the last operation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from winchester_core.timex.calendar import (
    CYCLE,
    CYCLE_MONTHS,
    Bounds,
    ClockWindows,
    TimeOperation,
    add_timedelta,
    check_year,
    signed_modulo,
)
from winchester_core.timex.duration import MICROSECONDS, Duration, Unit
from winchester_core.timex.local_time import HOUR, LocalClock

BoundsLookup: TypeAlias = Callable[[datetime], Bounds]


@dataclass(frozen=True, slots=True, eq=False)
class LocalHourWindows:
    """Hours of the local clock, each shifted by the offset of `shift` in real time."""

    clock: LocalClock
    shift: ClockWindows

    def plus(self, duration: Duration) -> LocalHourWindows:
        """Return the windows with `duration` added to every boundary."""
        return replace(self, shift=self.shift.plus(duration))

    def replaced(self, duration: Duration) -> LocalHourWindows:
        """Return the windows with the fields that `duration` names set in every boundary."""
        return replace(self, shift=self.shift.replaced(duration))

    def compile_lookup(self) -> BoundsLookup:
        """Compile the function from a time to its window (UTC). It raises `YearOutOfRange`."""
        hour_around = self.clock.hour_around
        shift = timedelta(microseconds=self.shift.offset)

        def find(moment: datetime) -> Bounds:
            begin, end = hour_around(add_timedelta(moment, -shift))
            return add_timedelta(begin, shift), add_timedelta(end, shift)

        return _keep_last_window(_one_cycle_earlier(find))

    def compile_nominal_lookup(self) -> BoundsLookup:
        """Compile the function from a time to its hour, with 60 minutes, in its own offset."""
        nominal_hour = self.clock.nominal_hour
        shift = timedelta(microseconds=self.shift.offset)

        def find(moment: datetime) -> Bounds:
            begin = add_timedelta(nominal_hour(add_timedelta(moment, -shift)), shift)
            return begin, add_timedelta(begin, HOUR)

        return _one_cycle_earlier(find)


_LAST_SAFE_YEAR = 9000

# Invariants 1 to 4 of `CalendarWindows` hold. Furthermore:
#
# 5. The local calendar repeats after 400 years, in every zone whose rules have no end.
# 6. The window of a time is usually that of its local date. It is a later one in the part of a day
# that the clock shows again after it was put back across midnight, or if boundaries are shifted.

_FIRST_DAY = datetime(1, 1, 1)  # noqa: DTZ001 - a local time
_AVERAGE_LENGTHS = {
    Unit.DAY: timedelta(days=1),
    Unit.MONTH: CYCLE / CYCLE_MONTHS,
    Unit.YEAR: CYCLE / (CYCLE_MONTHS // 12),
}


@dataclass(frozen=True, slots=True, eq=False)
class LocalCalendarWindows:
    """Windows of one local day, month or year. Their lengths differ.

    The boundaries are those of the local calendar, shifted by `operations`.
    """

    clock: LocalClock
    unit: Unit
    compile_addition: Callable[[Duration], TimeOperation]
    compile_replacement: Callable[[Duration], TimeOperation]
    operations: tuple[TimeOperation, ...] = ()

    def plus(self, duration: Duration) -> LocalCalendarWindows:
        """Return the windows with `duration` added to every boundary."""
        return self._with(self.compile_addition(_modulo_cycle(duration)))

    def replaced(self, duration: Duration) -> LocalCalendarWindows:
        """Return the windows with the fields that `duration` names set in every boundary."""
        return self._with(self.compile_replacement(duration))

    def _with(self, operation: TimeOperation) -> LocalCalendarWindows:
        return replace(self, operations=(*self.operations, operation))

    def compile_lookup(self) -> BoundsLookup:
        """Compile the function from a time to its window (UTC). It raises `YearOutOfRange`."""

        def find(moment: datetime) -> Bounds:
            _, begin, end = self._find(moment)
            return begin, end

        return _keep_last_window(_one_cycle_earlier(find))

    def compile_nominal_lookup(self) -> BoundsLookup:
        """Compile the function from a time to the boundaries of its window, as local times."""

        def find(moment: datetime) -> Bounds:
            number, _, _ = self._find(moment)
            return self._boundary(number), self._boundary(number + 1)

        return _one_cycle_earlier(find)

    def _find(self, moment: datetime) -> tuple[int, datetime, datetime]:
        number = self._number(self.clock.to_local(moment))
        begin = self._instant(number)
        if self.operations:
            number += int((moment - begin) / _AVERAGE_LENGTHS[self.unit])
            begin = self._instant(number)
        while begin > moment:
            number -= 1
            begin = self._instant(number)
        end = self._instant(number + 1)
        while end <= moment:
            number += 1
            begin, end = end, self._instant(number + 1)
        return number, begin, end

    def _instant(self, number: int) -> datetime:
        return self.clock.to_utc(self._boundary(number))

    def _boundary(self, number: int) -> datetime:
        boundary = self._start(number)
        for operation in self.operations:
            boundary = operation(boundary)
        return boundary

    def _number(self, local: datetime) -> int:
        """Return the number of the day, month or year of a local time."""
        match self.unit:
            case Unit.DAY:
                return local.toordinal()
            case Unit.MONTH:
                return 12 * local.year + local.month - 1
            case _:
                return local.year

    def _start(self, number: int) -> datetime:
        """Return the local time at which the day, month or year of that number starts."""
        if self.unit is Unit.DAY:
            return add_timedelta(_FIRST_DAY, timedelta(days=number - 1))
        year, index = divmod(number, 12) if self.unit is Unit.MONTH else (number, 0)
        check_year(year)
        return datetime(year, index + 1, 1)  # noqa: DTZ001 - a local time


def _one_cycle_earlier(find: BoundsLookup) -> BoundsLookup:
    """Look up a time whose window might end after the year 9999 one cycle earlier."""

    def find_safely(moment: datetime) -> Bounds:
        if moment.year <= _LAST_SAFE_YEAR:
            return find(moment)
        begin, end = find(moment - CYCLE)
        return begin + CYCLE, add_timedelta(end, CYCLE)

    return find_safely


def _keep_last_window(find: BoundsLookup) -> BoundsLookup:
    """Keep the last window: the times of successive events are mostly in the same one.

    No lock is needed, because the window is replaced as a whole.
    """
    last: Bounds = (datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC))

    def find_kept(moment: datetime) -> Bounds:
        nonlocal last
        window = last
        if window[0] <= moment < window[1]:
            return window
        last = window = find(moment)
        return window

    return find_kept


def _modulo_cycle(duration: Duration) -> Duration:
    days = duration.calendar_part().microseconds // MICROSECONDS[Unit.DAY]
    cycle = CYCLE.days * MICROSECONDS[Unit.DAY]
    return Duration(
        {
            Unit.MONTH: signed_modulo(duration.months, CYCLE_MONTHS),
            Unit.DAY: signed_modulo(days, CYCLE.days),
            Unit.MICROSECOND: signed_modulo(duration.clock_part().microseconds, cycle),
        }
    )
