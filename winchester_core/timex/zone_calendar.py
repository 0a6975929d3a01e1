"""The calendar in which the operations of a time expression are carried out: UTC or local time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol, TypeAlias

from winchester_core.timex.calendar import (
    Bounds,
    CalendarWindows,
    ClockWindows,
    TimeOperation,
    TimeWindows,
    compile_addition,
    compile_replacement,
)
from winchester_core.timex.duration import Duration, Unit
from winchester_core.timex.local_time import LocalClock
from winchester_core.timex.local_windows import LocalCalendarWindows, LocalHourWindows

BoundsOperation: TypeAlias = Callable[[datetime, datetime], Bounds]

_UTC_NAMES = frozenset(
    {"UTC", "UCT", "Universal", "Zulu", "Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu"}
)

_ONE_DAY = timedelta(days=1)

# The unit of a number without a unit: the unit of the first length here that the range reaches.
_UNITS_OF_LENGTHS = (
    (timedelta(days=365), Unit.MONTH),
    (timedelta(days=28), Unit.DAY),
    (_ONE_DAY, Unit.HOUR),
    (timedelta(hours=1), Unit.MINUTE),
    (timedelta(minutes=1), Unit.SECOND),
    (timedelta(0), Unit.MICROSECOND),
)
UNITS_BY_LENGTH = tuple(unit for _, unit in _UNITS_OF_LENGTHS)
"""The units that `unit_by_length` may return."""


class ZoneCalendar(Protocol):
    """Compiles operations on times.

    Between two operations a time is aware UTC or, in local time, it may also be a naive local time.
    The operations raise `YearOutOfRange`.
    """

    @property
    def zone(self) -> tzinfo:
        """The time zone."""

    def compile_addition(self, duration: Duration) -> TimeOperation:
        """Compile `+ duration`; it may be negative."""

    def compile_replacement(self, duration: Duration) -> TimeOperation:
        """Compile `@ duration`. Its amounts must be within `FIELD_BOUNDS`."""

    def compile_move(self, duration: Duration, unit: Unit) -> BoundsOperation:
        """Compile `+ duration` for a range with the length of one `unit`, which it keeps."""

    def windows(self, unit: Unit) -> TimeWindows:
        """Return the hours, days, months or years."""

    def unit_by_length(self, begin: datetime, end: datetime) -> Unit:
        """Return the unit of a number without a unit that is applied to a range."""

    def compile_conversion(self) -> TimeOperation | None:
        """Compile the last operation, which converts to aware UTC; None if none is needed."""


class UtcCalendar:
    """The calendar of UTC."""

    zone: tzinfo = UTC
    compile_addition = staticmethod(compile_addition)
    compile_replacement = staticmethod(compile_replacement)

    def compile_move(self, duration: Duration, unit: Unit) -> BoundsOperation:
        """Compile `+ duration` for a range with the length of one `unit`, which it keeps."""
        return compile_new_begin(self, compile_addition(duration), unit)

    def windows(self, unit: Unit) -> TimeWindows:
        """Return the hours, days, months or years."""
        return ClockWindows(unit) if unit <= Unit.DAY else CalendarWindows(unit)

    def unit_by_length(self, begin: datetime, end: datetime) -> Unit:
        """Return the unit of a number without a unit that is applied to a range."""
        return _unit_of(abs(end - begin))

    def compile_conversion(self) -> None:
        """Return None: all times are aware UTC."""


class LocalCalendar:
    """The calendar of a time zone.

    Years, months and days are steps of the local calendar: first days, then months and years.
    Hours and shorter units are added last, in real time. `@` sets fields of the local time.
    """

    def __init__(self, zone: tzinfo) -> None:
        self._clock = LocalClock(zone)

    @property
    def zone(self) -> tzinfo:
        """The time zone."""
        return self._clock.zone

    def compile_addition(self, duration: Duration) -> TimeOperation:
        """Compile `+ duration`; it may be negative."""
        operations: list[TimeOperation] = []
        if duration.is_nonzero_from(Unit.DAY):
            operations += [self._clock.to_local, compile_addition(duration.calendar_part())]
        if duration.clock_part().microseconds:
            operations += [self._clock.to_utc, compile_addition(duration.clock_part())]

        def add(moment: datetime) -> datetime:
            for operation in operations:
                moment = operation(moment)
            return moment

        return add

    def compile_replacement(self, duration: Duration) -> TimeOperation:
        """Compile `@ duration`. Its amounts must be within `FIELD_BOUNDS`."""
        to_local, replace = self._clock.to_local, compile_replacement(duration)
        return lambda moment: replace(to_local(moment))

    def compile_move(self, duration: Duration, unit: Unit) -> BoundsOperation:
        """Compile `+ duration` for a range with the length of one `unit`, which it keeps.

        Steps of the calendar move the beginning. Real time is added to both ends.
        """
        add = self.compile_addition(duration.clock_part())
        if not duration.is_nonzero_from(Unit.DAY):
            return lambda begin, end: (add(begin), add(end))
        move = compile_new_begin(self, self.compile_addition(duration.calendar_part()), unit)

        def move_and_add(begin: datetime, end: datetime) -> Bounds:
            begin, end = move(begin, end)
            return add(begin), add(end)

        return move_and_add

    def windows(self, unit: Unit) -> TimeWindows:
        """Return the hours, days, months or years."""
        if unit is Unit.HOUR:
            return LocalHourWindows(self._clock, ClockWindows(Unit.HOUR))
        return LocalCalendarWindows(
            self._clock, unit, self.compile_addition, self.compile_replacement
        )

    def unit_by_length(self, begin: datetime, end: datetime) -> Unit:
        """Return the unit of a number without a unit that is applied to a range.

        Lengths of a day or more are measured on the local calendar, shorter ones in real time.
        """
        clock = self._clock
        length = abs(clock.to_local(end) - clock.to_local(begin))
        if length < _ONE_DAY:
            length = abs(clock.to_utc(end) - clock.to_utc(begin))
            length = min(length, _ONE_DAY - timedelta.resolution)
        return _unit_of(length)

    def compile_conversion(self) -> TimeOperation:
        """Compile the last operation, which converts to aware UTC."""
        return self._clock.to_utc


def calendar_of(zone: tzinfo) -> ZoneCalendar:
    """Return the calendar of a time zone; all names of UTC have that of UTC."""
    return UTC_CALENDAR if zone is UTC or str(zone) in _UTC_NAMES else LocalCalendar(zone)


def compile_new_begin(
    calendar: ZoneCalendar, operation: TimeOperation, unit: Unit
) -> BoundsOperation:
    """Compile an operation on the beginning of a range that then has the length of one `unit`."""
    add_unit = calendar.compile_addition(Duration({unit: 1}))

    def apply(begin: datetime, _end: datetime) -> Bounds:
        new_begin = operation(begin)
        return new_begin, add_unit(new_begin)

    return apply


def _unit_of(length: timedelta) -> Unit:
    return next(unit for shortest, unit in _UNITS_OF_LENGTHS if length >= shortest)


UTC_CALENDAR = UtcCalendar()
