"""Local time: conversion between UTC and the local calendar of a time zone.

A local time is a naive datetime. Of a time zone, only the offset of each instant is known
(`tzinfo`); changes of the offset are found by bisection.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING

from winchester_core.timex.calendar import YearOutOfRange, add_timedelta

if TYPE_CHECKING:
    from collections.abc import Callable

_MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)

_MIDDLE_YEAR = 5000
"""A year between 1 and 9999, to distinguish the two ends if a conversion overflows."""

# Invariants:
#
# 1. `to_utc(local)` is the first instant at which the local clock shows `local` or a later time.
# So if the local time exists twice, it is the first of the two, and if it is skipped, it is the
# first instant after the gap.
# 2. `to_utc` keeps the order: a later local time is never an earlier instant.
# 3. `datetime` with fold=0 gives the first of two, and for a skipped time an instant after the gap,
# computed with the offset before it; fold=1 then gives an instant before the gap.


@dataclass(frozen=True, slots=True)
class LocalClock:
    """The local time of a time zone.

    Methods raise `YearOutOfRange` if a result is outside the years 1-9999.
    """

    zone: tzinfo

    def to_local(self, moment: datetime) -> datetime:
        """Return the local time. A naive datetime is local already.

        An aware one that is not in UTC keeps its own offset.
        """
        if moment.tzinfo is UTC:
            moment = self._in_zone(moment)
        return moment.replace(tzinfo=None, fold=0)

    def to_utc(self, moment: datetime) -> datetime:
        """Return the instant of a local time; see invariant 1. An aware datetime is converted."""
        if moment.tzinfo is UTC:
            return moment
        try:
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
            instant = moment.replace(tzinfo=self.zone).astimezone(UTC)
            if self.to_local(instant) == moment:
                return instant
            before = moment.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        except OverflowError:
            raise YearOutOfRange(is_after=moment.year > _MIDDLE_YEAR) from None
        return first_instant(before, instant, lambda each: self.to_local(each) >= moment)

    def nominal_hour(self, moment: datetime) -> datetime:
        """Return the full hour at or before an instant, with the offset of that instant.

        It is the beginning of the hour on the clock as set at `moment`, even if the offset was
        different at the beginning.
        """
        local = self._in_zone(moment)
        offset = local.utcoffset() or timedelta()
        return local.replace(minute=0, second=0, microsecond=0, fold=0, tzinfo=timezone(offset))

    def hour_around(self, moment: datetime) -> tuple[datetime, datetime]:
        """Return the begin and end (UTC) of the hour around an instant.

        It has less than 60 minutes only if the offset changes by a part of an hour. Then the hour
        that is cut short by the change ends there, and another one begins.
        """
        begin = self.to_utc(self.nominal_hour(moment))
        end = add_timedelta(begin, HOUR)

        def is_in_hour(instant: datetime) -> bool:
            return self.to_utc(self.nominal_hour(instant)) == nominal_begin

        nominal_begin, last = begin, end - _MICROSECOND
        if not is_in_hour(begin):
            begin = first_instant(begin, moment, is_in_hour)
        if not is_in_hour(last):
            end = first_instant(moment, last, lambda instant: not is_in_hour(instant))
        return begin, end

    def _in_zone(self, moment: datetime) -> datetime:
        try:
            return moment.astimezone(self.zone)
        except OverflowError:
            raise YearOutOfRange(is_after=moment.year > _MIDDLE_YEAR) from None


def first_instant(
    before: datetime, after: datetime, is_reached: Callable[[datetime], bool]
) -> datetime:
    """Return the first instant after `before` for which `is_reached` is true.

    It is false for `before`, true for `after`, and changes once between them.
    """
    while after - before > _MICROSECOND:
        middle = before + (after - before) // 2
        if is_reached(middle):
            after = middle
        else:
            before = middle
    return after
