"""Values of a time expression: a single time or a range of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from winchester_core.model.event import MIN_YEAR, to_utc


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """A single time. It contains only an equal time. Its truth value is always true.

    Stored as aware UTC; a naive datetime is UTC. Raises `ValueError` outside the years 1000-9999.
    """

    timestamp: datetime

    def __post_init__(self) -> None:
        moment = self.timestamp
        if moment.tzinfo is not UTC or moment.year < MIN_YEAR:
            object.__setattr__(self, "timestamp", to_utc(moment))

    @property
    def begin(self) -> datetime:
        """The time itself."""
        return self.timestamp

    @property
    def end(self) -> datetime:
        """The time itself."""
        return self.timestamp

    def __contains__(self, moment: object) -> bool:
        return isinstance(moment, datetime) and _comparable(moment) == self.timestamp


@dataclass(frozen=True, slots=True)
class TimeRange:
    """The range from `begin` (inclusive) to `end` (exclusive). Its truth value is always true.

    Stored as aware UTC; a naive datetime is in UTC. Raises `ValueError` outside the years
    1000-9999. If `end` is not after `begin`, the range is empty.
    """

    begin: datetime
    end: datetime

    def __post_init__(self) -> None:
        begin, end = self.begin, self.end
        if (
            begin.tzinfo is not UTC
            or end.tzinfo is not UTC
            or begin.year < MIN_YEAR
            or end.year < MIN_YEAR
        ):
            object.__setattr__(self, "begin", to_utc(begin))
            object.__setattr__(self, "end", to_utc(end))

    @property
    def timestamp(self) -> datetime:
        """The beginning, which represents the range where a single time is needed."""
        return self.begin

    def __contains__(self, moment: object) -> bool:
        return isinstance(moment, datetime) and self.begin <= _comparable(moment) < self.end


TimeValue: TypeAlias = TimeStamp | TimeRange


def _comparable(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
