"""Ticks of a time axis, in UTC, at round times.

Times are integers: microseconds since 1970.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)

_STEPS: Final = (
    *(digit * 10**power for power in range(6) for digit in (1, 2, 5)),
    *(number * SECOND for number in (1, 2, 5, 10, 15, 30)),
    *(number * MINUTE for number in (1, 2, 5, 10, 15, 30)),
    *(number * HOUR for number in (1, 2, 3, 6, 12)),
    *(number * DAY for number in (1, 2, 5, 10)),
)
"""Steps of fixed length; longer ones are months."""

_MONTH_STEPS: Final = (
    1,
    3,
    6,
    *(12 * number for number in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)),
)
_MONTH: Final = 30 * DAY
"""Length of the shortest usual month, for estimates."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Tick at the time `at`. `context` is set where it changes: the date, or the year."""

    at: int
    label: str
    context: str = ""


def microseconds(time: datetime) -> int:
    """Return an aware time as microseconds since 1970."""
    return (time - EPOCH) // _MICROSECOND


def time_at(at: int) -> datetime:
    """Return the time of `microseconds`."""
    return EPOCH + at * _MICROSECOND


def ticks(begin: int, end: int, most: int) -> list[Tick]:
    """Return at most `most` ticks from `begin` to `end`, at round times."""
    length = end - begin
    for step in _STEPS:
        if length <= step * (most - 1):
            return _labelled(list(range(-(-begin // step) * step, end + 1, step)), step)
    for months in _MONTH_STEPS:
        times = list(_months(begin, end, months)) if length <= months * _MONTH * most else []
        if times and len(times) <= most:
            return _labelled(times, months * _MONTH)
    return _labelled([begin], DAY)


def time_text(at: int, step: int) -> str:
    """Return the time of day with the precision of `step`."""
    time = time_at(at)
    if step >= MINUTE:
        return f"{time:%H:%M}"
    if step >= SECOND:
        return f"{time:%H:%M:%S}"
    decimals = len(str(SECOND // step - 1))
    return f"{time:%H:%M:%S}.{time.microsecond:06}"[: 9 + decimals]


def date_text(time: datetime) -> str:
    """Return a date: `1 Dec 2026`."""
    return f"{time.day} {time:%b} {time.year}"


def _labelled(times: list[int], step: int) -> list[Tick]:
    found = []
    context = ""
    for at in times:
        time = time_at(at)
        if step >= 12 * _MONTH:
            label, new_context = str(time.year), ""
        elif step >= _MONTH:
            label, new_context = f"{time:%b}", str(time.year)
        elif step >= DAY:
            label, new_context = f"{time.day} {time:%b}", str(time.year)
        else:
            label, new_context = time_text(at, step), date_text(time)
        found.append(Tick(at, label, new_context if new_context != context else ""))
        context = new_context
    return found


def _months(begin: int, end: int, step: int) -> Iterator[int]:
    """Yield the beginnings of every `step`-th month, counted from the year 0."""
    first, last = time_at(begin), time_at(end)
    number = -(-(first.year * 12 + first.month - 1) // step) * step
    while number <= last.year * 12 + last.month - 1:
        year, month = divmod(number, 12)
        number += step
        if year < 1 or year > 9999:
            continue
        at = microseconds(datetime(year, month + 1, 1, tzinfo=UTC))
        if begin <= at <= end:
            yield at
