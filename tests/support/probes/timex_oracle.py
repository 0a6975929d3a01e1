"""Model of time expressions on the calendar: slow, by search and trial."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from support.builders.time_expressions import BOUNDS, UNITS, Operation, Pin, To, Variable

COUNTED_IN = {"hour": "minute", "day": "hour", "month": "day", "year": "month"}
LENGTHS = ((365, "month"), (28, "day"), (1, "hour"), (1 / 24, "minute"), (1 / 1440, "second"))


class OutOfCalendar(Exception):  # noqa: N818 - an outcome
    """A time that a datetime cannot represent."""


def valid(year: int, month: int, day: int, moment: datetime, **clock: int) -> datetime:
    """Return the date, or the last existing one before it in its month."""
    if not 1 <= year <= 9999:
        raise OutOfCalendar
    for existing in range(day, 0, -1):
        try:
            return moment.replace(year=year, month=month, day=existing, **clock)
        except ValueError:
            continue
    raise AssertionError("every month has a first day")


def model_add(moment: datetime, amounts: dict[str, int], sign: int) -> datetime:
    clock = {f"{unit}s": sign * amounts[unit] for unit in UNITS[2:] if unit in amounts}
    try:
        moment += timedelta(**clock)
    except OverflowError:
        raise OutOfCalendar from None
    year, month = moment.year, moment.month
    for _ in range(amounts.get("month", 0)):
        month += sign
        if month in (0, 13):
            year, month = year + sign, 12 if sign < 0 else 1
    return valid(year + sign * amounts.get("year", 0), month, moment.day, moment)


def model_set(moment: datetime, amounts: dict[str, int]) -> datetime:
    fields = {unit: min(max(n, BOUNDS[unit][0]), BOUNDS[unit][1]) for unit, n in amounts.items()}
    date = [fields.pop(unit, getattr(moment, unit)) for unit in ("year", "month", "day")]
    return valid(*date, moment, **fields)


def model_step(moment: datetime, symbol: str, amounts: dict[str, int]) -> datetime:
    if symbol == "@":
        return model_set(moment, amounts)
    return model_add(moment, amounts, 1 if symbol == "+" else -1)


def with_unit(node: Operation, unit: str) -> dict[str, int]:
    amounts = node.amounts
    if node.unitless is not None:
        amounts[unit] = amounts.get(unit, 0) + node.unitless
    return amounts


def unit_by_length(begin: datetime, end: datetime) -> str:
    days = abs(end - begin) / timedelta(days=1)
    return next((unit for least, unit in LENGTHS if days >= least), "microsecond")


def period_start(moment: datetime, unit: str) -> datetime:
    start = moment
    for part in UNITS[UNITS.index(unit) + 1 :]:
        start = start.replace(**{part: 1 if part in ("month", "day") else 0})
    return start


@dataclass(frozen=True)
class Window:
    """An anchored range of the model: the shift of every calendar period."""

    pin: datetime
    unit: str
    steps: tuple[tuple[str, dict[str, int]], ...] = ()

    def stays_pinned(self, symbol: str, amounts: dict[str, int]) -> bool:
        longer = UNITS[: UNITS.index(self.unit) + 1]
        if symbol == "@":
            return not any(unit in amounts for unit in longer)
        return not any(amounts.get(unit) for unit in longer)

    def ends(self) -> tuple[datetime, datetime]:
        """Try the periods near the anchor until a shifted one contains it.

        Near the end of the calendar this is done 400 years earlier, where it is the same.
        """
        years = 400 if self.pin.year > 9000 else 0
        pin = self.pin.replace(year=self.pin.year - years)
        start = period_start(pin, self.unit)
        for distance in range(400):
            for way in {-distance, distance}:
                begin, end = self.moved(start, way), self.moved(start, way + 1)
                if begin <= pin < end:
                    if end.year + years > 9999:
                        raise OutOfCalendar
                    return begin.replace(year=begin.year + years), end.replace(
                        year=end.year + years
                    )
        raise AssertionError("no window found")

    def moved(self, start: datetime, periods: int) -> datetime:
        sign = -1 if periods < 0 else 1
        moment = model_add(start, {self.unit: abs(periods)}, sign)
        for symbol, amounts in self.steps:
            moment = model_step(moment, symbol, amounts)
        return moment


@dataclass(frozen=True)
class MovedWindow:
    """An hour or a day that was moved away from its anchor: it keeps its length."""

    begin: datetime
    unit: str

    def ends(self) -> tuple[datetime, datetime]:
        return self.begin, model_add(self.begin, {self.unit: 1}, 1)


def model(node: Any, env: dict[str, datetime]) -> Any:
    """Return a datetime, a pair of them, or a window. Raises `OutOfCalendar`."""
    if isinstance(node, Variable):
        return env[node.name]
    if isinstance(node, To):
        return model(node.begin, env), model(node.end, env)
    if isinstance(node, Pin):
        return Window(model(node.argument or Variable("timestamp"), env), node.unit)
    value = model(node.base, env)
    if isinstance(value, datetime):
        return model_step(value, node.symbol, node.amounts)
    if isinstance(value, Window):
        amounts = with_unit(node, COUNTED_IN[value.unit])
        if value.stays_pinned(node.symbol, amounts):
            return Window(value.pin, value.unit, (*value.steps, (node.symbol, amounts)))
        begin, end = value.ends()
        if value.unit in ("hour", "day"):
            return MovedWindow(model_step(begin, node.symbol, amounts), value.unit)
        if node.symbol == "@":
            begin = model_set(begin, amounts)
            return begin, model_add(begin, {value.unit: 1}, 1)
    elif isinstance(value, MovedWindow):
        amounts = with_unit(node, unit_by_length(*value.ends()))
        return MovedWindow(model_step(value.begin, node.symbol, amounts), value.unit)
    else:
        begin, end = value
        amounts = with_unit(node, unit_by_length(begin, end))
    return tuple(model_step(moment, node.symbol, amounts) for moment in (begin, end))
