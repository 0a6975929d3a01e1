"""Results of PyPI timex 0.20 step by step, and the known cases without a correct one."""

from __future__ import annotations

from calendar import monthrange
from typing import TYPE_CHECKING, Any

import timex

from support.builders.time_expressions import BOUNDS, UNITS, Operation, Pin, To, Variable
from support.probes.timex_oracle import (
    MovedWindow,
    OutOfCalendar,
    model,
    model_add,
    model_step,
    unit_by_length,
    with_unit,
)

if TYPE_CHECKING:
    from datetime import datetime


class Difference(Exception):  # noqa: N818 - a verdict
    """A step at which timex 0.20 is known to fail; the text names the case."""


def expect_days_exist(moment: datetime, symbol: str, amounts: dict[str, int]) -> None:
    """Raise where timex, which sets the month before the year, finds no such day."""
    if symbol == "@":
        year, month = amounts.get("year", moment.year), amounts.get("month", moment.month)
        if amounts.get("day", moment.day) > monthrange(year, month)[1]:
            raise Difference("a day that the month lacks")
        return
    sign = 1 if symbol == "+" else -1
    clock = {unit: amounts[unit] for unit in UNITS[2:] if unit in amounts}
    moment = model_add(moment, clock, sign)
    target = valid_month(moment, sign * (amounts.get("month", 0) + 12 * amounts.get("year", 0)))
    by_month = valid_month(moment, sign * amounts.get("month", 0))
    stops = [(moment.year, by_month[1]), target] if amounts.get("month") else [target]
    if any(moment.day > monthrange(year, month)[1] for year, month in stops):
        raise Difference("a day that the month lacks")


def valid_month(moment: datetime, months: int) -> tuple[int, int]:
    year, index = divmod(12 * moment.year + moment.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OutOfCalendar
    return year, index + 1


def expect_shorter_units(unit: str, symbol: str, amounts: dict[str, int]) -> None:
    """Raise for the range's own unit or a longer one, and for `@ 0`, which may loop."""
    at = UNITS.index(unit)
    if any(longer in amounts for longer in UNITS[:at]):
        raise Difference("own or longer unit")
    if amounts.get(unit, 0) >= 1 or (symbol == "@" and unit in amounts):
        raise Difference("own or longer unit")


def oracle(node: Any, env: dict[str, datetime]) -> Any:
    """Return the result of timex, step by step. Raises `Difference` before a step known to fail."""
    if isinstance(node, Variable):
        return timex.Timestamp(env[node.name])
    if isinstance(node, To):
        return timex.TimeRange(oracle(node.begin, env).timestamp, oracle(node.end, env).timestamp)
    if isinstance(node, Pin):
        pin = oracle(node.argument or Variable("timestamp"), env)
        try:
            return getattr(timex.expression.Environment(), f"time_func_{node.unit}")(pin)
        except (OverflowError, ValueError):
            if pin.timestamp.year == 9999:
                raise OutOfCalendar from None
            raise
    value = oracle(node.base, env)
    amounts = node.amounts
    if value.is_range and node.unitless is not None:
        if isinstance(node.base, Operation):
            raise Difference("no unit, range moved before")
        unit = unit_by_length(value.begin, value.end)
        if unit == "microsecond":
            raise Difference("no unit, range under a minute")
        amounts = with_unit(node, unit)
        if node.symbol == "@" and amounts[unit] > BOUNDS[unit][1]:
            raise Difference("no unit, number too great")
    if isinstance(value, timex.PinnedTimeRange):
        expect_shorter_units(value.unit, node.symbol, node.amounts)
    for moment in (value.begin, value.end):
        expect_days_exist(moment, node.symbol, amounts)
    if isinstance(value, timex.PinnedTimeRange):
        expect_no_step_by_months(value, node.symbol, amounts)
    moved = model(node, env)
    if isinstance(moved, MovedWindow):
        end = model_step(value.end, node.symbol, amounts)
        if end != moved.ends()[1]:
            raise Difference("an hour or a day keeps its length")
    return timex_step(value, node)


def expect_no_step_by_months(value: Any, symbol: str, amounts: dict[str, int]) -> None:
    """Raise where timex shifts by the length of the shifted range though the next one is longer."""
    begin, end = (model_step(m, symbol, amounts) for m in (value.begin, value.end))
    if value.unit in ("month", "year") and not begin <= value.pinned_to < end:
        raise Difference("wrapping by months")


def timex_step(value: Any, node: Operation) -> Any:
    duration = timex.Duration(**node.amounts, unknown=node.unitless)
    try:
        if node.symbol == "+":
            return value + duration
        return value - duration if node.symbol == "-" else value % duration
    except OverflowError:  # only the edges of the calendar are left
        raise OutOfCalendar from None
