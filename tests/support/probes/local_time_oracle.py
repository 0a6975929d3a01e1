"""Model of time expressions in local time: slow, by search minute by minute.

Between operations, a time is a local time (naive) or an instant (aware UTC). All changes of the
offset of the zones must be at full minutes, as they are since 1972.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from support.builders.time_expressions import UNITS, Operation, Pin, To, Variable
from support.probes.timex_oracle import (
    COUNTED_IN,
    Window,
    model_add,
    model_set,
    period_start,
    unit_by_length,
    with_unit,
)

if TYPE_CHECKING:
    from datetime import tzinfo

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class LocalModel:
    """The model for one zone."""

    zone: tzinfo

    def to_local(self, moment: datetime) -> datetime:
        if moment.tzinfo is None:
            return moment
        return (moment + self.offset(moment)).replace(tzinfo=None)

    def offset(self, instant: datetime) -> timedelta:
        offset = instant.astimezone(self.zone).utcoffset()
        assert offset is not None
        return offset

    def to_utc(self, moment: datetime) -> datetime:
        """Return the first instant at which the clock shows `moment` or a later time."""
        if moment.tzinfo is not None:
            return moment
        assumed = moment.replace(tzinfo=UTC)
        near = [self.offset(assumed + days * DAY) for days in (-2, -1, 0, 1, 2)]
        instant = assumed - max(near) - MINUTE
        if self.to_local(instant) >= moment:
            raise AssertionError("the search must begin before the time")
        while self.to_local(instant + MINUTE) < moment:
            instant += MINUTE
        for offset in (self.offset(instant), self.offset(instant + MINUTE)):
            exact = assumed - offset
            if instant <= exact <= instant + MINUTE and self.to_local(exact) == moment:
                return exact
        return self.next_change(instant)

    def next_change(self, instant: datetime) -> datetime:
        minute = instant.replace(second=0, microsecond=0)
        while self.offset(minute) == self.offset(instant):
            minute += MINUTE
        return minute

    def step(self, moment: datetime, symbol: str, amounts: dict[str, int]) -> datetime:
        if symbol == "@":
            return model_set(self.to_local(moment), amounts)
        sign = 1 if symbol == "+" else -1
        calendar, clock = split(amounts)
        if any(calendar.values()):
            moment = model_add(self.to_local(moment), calendar, sign)
        if any(clock.values()):
            moment = model_add(self.to_utc(moment), clock, sign)
        return moment

    def model(self, node: Any, env: dict[str, datetime]) -> Any:
        """Return an instant, a pair of instants, or a window, before the last conversion."""
        if isinstance(node, Variable):
            return env[node.name]
        if isinstance(node, To):
            return tuple(self.to_utc(self.model(each, env)) for each in (node.begin, node.end))
        if isinstance(node, Pin):
            anchor = self.to_utc(self.model(node.argument or Variable("timestamp"), env))
            return LocalWindow(self, anchor, node.unit)
        value = self.model(node.base, env)
        if isinstance(value, datetime):
            return self.step(value, node.symbol, node.amounts)
        if isinstance(value, LocalWindow):
            return value.after(node)
        if isinstance(value, LocalMovedWindow):
            return value.after(node)
        begin, end = value
        unit = self.unit_by_length(begin, end) if node.unitless is not None else "hour"
        amounts = with_unit(node, unit)
        return tuple(self.step(each, node.symbol, amounts) for each in value)

    def unit_by_length(self, begin: datetime, end: datetime) -> str:
        local = unit_by_length(self.to_local(begin), self.to_local(end))
        if local in ("month", "day", "hour"):
            return local
        real = unit_by_length(self.to_utc(begin), self.to_utc(end))
        return "minute" if real == "hour" else real

    def ends(self, node: Any, env: dict[str, datetime]) -> tuple[datetime, datetime]:
        value = self.model(node, env)
        if isinstance(value, datetime):
            value = (value, value)
        elif isinstance(value, LocalWindow):
            value = value.ends()
        elif isinstance(value, LocalMovedWindow):
            value = (value.begin, value.end)
        begin, end = value
        return self.to_utc(begin), self.to_utc(end)


@dataclass(frozen=True)
class LocalWindow:
    """An anchored range: the shift of every local period."""

    local: LocalModel
    anchor: datetime
    unit: str
    steps: tuple[tuple[str, dict[str, int]], ...] = ()

    def after(self, node: Operation) -> LocalWindow | LocalMovedWindow | tuple[datetime, datetime]:
        amounts = with_unit(node, COUNTED_IN[self.unit])
        if Window(datetime(2000, 1, 1), self.unit).stays_pinned(node.symbol, amounts):
            return LocalWindow(
                self.local, self.anchor, self.unit, (*self.steps, (node.symbol, amounts))
            )
        begin, end = self.nominal_hour() if self.unit == "hour" else self.nominal_ends()
        if self.unit in ("hour", "day"):
            return LocalMovedWindow(self.local, begin, end, self.unit).after_amounts(
                node.symbol, amounts
            )
        if node.symbol == "@":
            begin = self.local.step(begin, "@", amounts)
            return begin, self.local.step(begin, "+", {self.unit: 1})
        return (
            self.local.step(begin, node.symbol, amounts),
            self.local.step(end, node.symbol, amounts),
        )

    def ends(self) -> tuple[datetime, datetime]:
        return self.hour() if self.unit == "hour" else self.nominal_ends()

    def nominal_ends(self) -> tuple[datetime, datetime]:
        start = period_start(self.local.to_local(self.anchor), self.unit)
        for distance in range(400):
            for way in {-distance, distance}:
                begin, end = self.moved(start, way), self.moved(start, way + 1)
                if self.local.to_utc(begin) <= self.anchor < self.local.to_utc(end):
                    return begin, end
        raise AssertionError("no window found")

    def moved(self, start: datetime, periods: int) -> datetime:
        moment = model_add(start, {self.unit: abs(periods)}, -1 if periods < 0 else 1)
        for symbol, amounts in self.steps:
            moment = self.local.step(moment, symbol, amounts)
        return moment

    def shift(self) -> timedelta:
        """Return how much the beginning of an hour is shifted, in real time."""
        start = moment = datetime(2000, 1, 1)
        for symbol, amounts in self.steps:
            if symbol == "@":
                moment = model_set(moment, amounts)
            else:
                moment = model_add(moment, amounts, 1 if symbol == "+" else -1)
            moment = start + (moment - start) % HOUR
        return moment - start

    def full_hour(self, instant: datetime) -> datetime:
        return period_start(self.local.to_local(instant), "hour") - self.local.offset(instant)

    def hour(self) -> tuple[datetime, datetime]:
        """Return all minutes around the anchor in which the clock counts from one full hour."""
        instant = self.anchor - self.shift()
        full_hour = self.full_hour(instant)
        begin = instant.replace(second=0, microsecond=0)
        end = begin + MINUTE
        while self.full_hour(begin - MINUTE) == full_hour:
            begin -= MINUTE
        while self.full_hour(end) == full_hour:
            end += MINUTE
        return begin + self.shift(), end + self.shift()

    def nominal_hour(self) -> tuple[Any, Any]:
        instant = self.anchor - self.shift()
        begin = self.full_hour(instant).replace(tzinfo=UTC) + self.shift()
        local = period_start(self.local.to_local(instant), "hour") + self.shift()
        return OffsetTime(begin, local), begin + HOUR


@dataclass(frozen=True)
class OffsetTime:
    """The beginning of an hour as an instant and on the clock as set at the anchor."""

    instant: datetime
    on_clock: datetime


@dataclass(frozen=True)
class LocalMovedWindow:
    """An hour or a day that was moved away from its anchor: it keeps its length."""

    local: LocalModel
    begin: Any
    end: datetime
    unit: str

    def after(self, node: Operation) -> LocalMovedWindow:
        return self.after_amounts(node.symbol, with_unit(node, COUNTED_IN[self.unit]))

    def after_amounts(self, symbol: str, amounts: dict[str, int]) -> LocalMovedWindow:
        begin, end = self.begin, self.end
        calendar, clock = ({}, {}) if symbol == "@" else split(amounts)
        if symbol == "@" or any(calendar.values()):
            on_clock = begin.on_clock if isinstance(begin, OffsetTime) else begin
            begin = self.local.step(on_clock, symbol, amounts if symbol == "@" else calendar)
            end = self.local.step(begin, "+", {self.unit: 1})
        elif isinstance(begin, OffsetTime):
            begin = begin.instant
        if clock:
            begin, end = (self.local.step(each, symbol, clock) for each in (begin, end))
        return LocalMovedWindow(self.local, begin, end, self.unit)


def split(amounts: dict[str, int]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the amounts of calendar units and of hours and shorter units."""
    calendar = {unit: n for unit, n in amounts.items() if unit in UNITS[:3]}
    return calendar, {unit: n for unit, n in amounts.items() if unit not in calendar}
