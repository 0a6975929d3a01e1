"""Moving a date and time by a duration, with a calendar.

Days and shorter units are added first, as one exact length, then years and months together; a
day that the month reached does not have becomes its last. (The order is that of PyPI timex.)
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Callable
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from winchester_core.timex.duration import MICROSECONDS, Unit

if TYPE_CHECKING:
    from winchester_core.timex.duration import Duration

Move: TypeAlias = Callable[[datetime], datetime]

_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_SHORTEST_MONTH = 28

# Longer than all years that a datetime knows: adding this always leaves them.
_FOREVER = 4_000_000 * MICROSECONDS[Unit.DAY]


class OutOfYears(Exception):  # noqa: N818 - a direction, reported as TimeEvaluationError
    """A time before or after the years that can be handled."""

    def __init__(self, *, upward: bool) -> None:
        self.upward = upward
        super().__init__("after" if upward else "before")


def adding(duration: Duration) -> Move:
    """Compile `+ duration`; one that is negative goes back. The move raises `OutOfYears`."""
    months, microseconds = duration.months, duration.microseconds
    if not months:
        return _adding_length(microseconds)
    if not microseconds:
        return _adding_months(months)
    add_length, add_months = _adding_length(microseconds), _adding_months(months)
    return lambda moment: add_months(add_length(moment))


def replacing(duration: Duration) -> Move:
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
            new_year, new_month, _existing_day(new_year, new_month, new_day), **fields
        )

    return replace


def month_length(year: int, month: int) -> int:
    """The number of days of a month; `month` is 1 to 12."""
    return 29 if month == 2 and isleap(year) else _MONTH_LENGTHS[month - 1]


def add_length(moment: datetime, length: timedelta) -> datetime:
    """Add a length of time. Raises `OutOfYears`."""
    try:
        return moment + length
    except OverflowError:
        raise OutOfYears(upward=length > timedelta()) from None


def check_year(year: int) -> None:
    """Raise `OutOfYears` where a datetime cannot have this year."""
    if not MINYEAR <= year <= MAXYEAR:
        raise OutOfYears(upward=year > MAXYEAR)


def _adding_length(microseconds: int) -> Move:
    length = timedelta(microseconds=max(-_FOREVER, min(_FOREVER, microseconds)))

    def add(moment: datetime) -> datetime:  # `add_length` without the call
        try:
            return moment + length
        except OverflowError:
            raise OutOfYears(upward=length > timedelta()) from None

    return add


def _adding_months(months: int) -> Move:
    def add_months(moment: datetime) -> datetime:
        year, index = divmod(12 * moment.year + moment.month - 1 + months, 12)
        check_year(year)
        return moment.replace(year, index + 1, _existing_day(year, index + 1, moment.day))

    return add_months


def _existing_day(year: int, month: int, day: int) -> int:
    return day if day <= _SHORTEST_MONTH else min(day, month_length(year, month))
