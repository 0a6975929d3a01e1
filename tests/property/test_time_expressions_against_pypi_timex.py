"""Time expressions give what PyPI timex 0.20 gives, but for the differences named in the docs.

Every expression is evaluated three times: by Winchester, by timex, and by a slow model of the
calendar in this file. Winchester always equals the model; timex does too unless a predicate,
computed before timex is asked, names the difference.

    WINCHESTER_TIMEX_EXAMPLES=20000 pytest tests/property/test_time_expressions_against_pypi_timex.py

is the long run (some minutes); the default is 400 examples, a few seconds.
"""

from __future__ import annotations

import os
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from winchester_core.errors import TimeEvaluationError, TimeExpressionError
from winchester_core.model.time_range import TimeRange
from winchester_core.timex import parse

timex = pytest.importorskip("timex", reason="PyPI timex, the oracle, is not installed")

EXAMPLES = int(os.environ.get("WINCHESTER_TIMEX_EXAMPLES", "400"))
PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "time-expressions.md"

UNITS = ("year", "month", "day", "hour", "minute", "second", "microsecond")
WORDS = {
    "year": ("y", "yr"),
    "month": ("mo",),
    "day": ("d",),
    "hour": ("h", "hr"),
    "minute": ("m", "min"),
    "second": ("s", "sec"),
    "microsecond": ("us",),
}
BOUNDS = {
    "year": (1000, 9999),
    "month": (1, 12),
    "day": (1, 31),
    "hour": (0, 23),
    "minute": (0, 59),
    "second": (0, 59),
    "microsecond": (0, 999_999),
}
COUNTED_IN = {"hour": "minute", "day": "hour", "month": "day", "year": "month"}
LENGTHS = ((365, "month"), (28, "day"), (1, "hour"), (1 / 24, "minute"), (1 / 1440, "second"))


# --- expressions, as they are generated ----------------------------------------------------------


@dataclass(frozen=True)
class Variable:
    """`$name`."""

    name: str

    def __str__(self) -> str:
        return f"${self.name}"


@dataclass(frozen=True)
class Pin:
    """`day` or `day(time)`."""

    unit: str
    argument: Any = None

    def __str__(self) -> str:
        return self.unit if self.argument is None else f"{self.unit}({self.argument})"


@dataclass(frozen=True)
class To:
    """`a to b`; in parentheses, unless it is the whole."""

    begin: Any
    end: Any

    def __str__(self) -> str:
        return f"({self.begin} to {self.end})"


@dataclass(frozen=True)
class Operation:
    """`base + duration`, with the parts of the duration as (number, unit or None, word)."""

    base: Any
    symbol: str
    parts: tuple[tuple[int, str | None, str], ...]
    parentheses: bool = False

    def __str__(self) -> str:
        duration = " ".join(f"{number}{word}" for number, _, word in self.parts)
        text = f"{self.base} {self.symbol} {duration}"
        return f"({text})" if self.parentheses else text

    @property
    def amounts(self) -> dict[str, int]:
        totals: dict[str, int] = {}
        for number, unit, _ in self.parts:
            if unit is not None:
                totals[unit] = totals.get(unit, 0) + number
        return totals

    @property
    def unitless(self) -> int | None:
        numbers = [number for number, unit, _ in self.parts if unit is None]
        return sum(numbers) if numbers else None


def text_of(node: Any) -> str:
    text = str(node)
    return text[1:-1] if isinstance(node, To) else text


def is_range(node: Any) -> bool:
    if isinstance(node, Operation):
        return is_range(node.base)
    return isinstance(node, Pin | To)


@st.composite
def parts(draw: st.DrawFn, symbol: str, unit: str | None) -> tuple[int, str | None, str]:
    if unit is None:
        return draw(st.integers(1, 23)), None, ""
    word = draw(st.sampled_from(WORDS[unit]))
    if symbol == "@":
        low, high = BOUNDS[unit]
        number = draw(st.integers(low, high) | st.sampled_from([low, high]))
        if unit == "year":
            number = draw(st.integers(1990, 2030))
        return number, unit, word
    greatest = {"year": 12, "month": 30, "day": 70, "microsecond": 2_000_000}.get(unit, 200)
    return draw(st.integers(0, 4) | st.integers(0, greatest)), unit, word


@st.composite
def operations(draw: st.DrawFn, bases: st.SearchStrategy[Any], *, unitless: bool) -> Operation:
    base = draw(bases)
    symbol = draw(st.sampled_from("+-@"))
    choices: list[str | None] = [*UNITS, *((None,) if unitless else ())]
    units = draw(st.lists(st.sampled_from(choices), min_size=1, max_size=3, unique=symbol == "@"))
    chosen = tuple(draw(parts(symbol, unit)) for unit in units)
    return Operation(base, symbol, chosen, draw(st.booleans()))


def chains(bases: st.SearchStrategy[Any], *, unitless: bool = False) -> st.SearchStrategy[Any]:
    once = operations(bases, unitless=unitless)
    return bases | once | operations(once, unitless=unitless)


VARIABLES = st.sampled_from(["timestamp", "first", "last"]).map(Variable)
INSTANTS = chains(VARIABLES)
PINS = st.builds(Pin, st.sampled_from(["hour", "day", "month", "year"]), st.none() | INSTANTS)
RANGES = chains(PINS | st.builds(To, INSTANTS, INSTANTS), unitless=True)
EXPRESSIONS = INSTANTS | RANGES

ORDINARY = st.datetimes(datetime(1990, 1, 1), datetime(2030, 12, 31))
MONTH_ENDS = st.builds(
    lambda year, month, back, time: datetime(year, month, monthrange(year, month)[1] - back, *time),
    st.integers(2011, 2025),
    st.integers(1, 12),
    st.integers(0, 2),
    st.sampled_from([(0, 0, 0), (23, 59, 59, 999_999), (12, 30, 1)]),
)
AT_THE_EDGES = st.datetimes(datetime(1000, 1, 1), datetime(1001, 1, 1)) | st.datetimes(
    datetime(9998, 12, 31), datetime.max
)
MOMENTS = ORDINARY | MONTH_ENDS | AT_THE_EDGES
ENVIRONMENTS = st.fixed_dictionaries(dict.fromkeys(("timestamp", "first", "last"), MOMENTS))


# --- the model: slow, by search and trial --------------------------------------------------------


class OutOfCalendar(Exception):
    """A time that a datetime cannot hold."""


def valid(year: int, month: int, day: int, moment: datetime, **clock: int) -> datetime:
    """The date, or the last one before it in its month that exists."""
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
    """A pinned range of the model: how every period of the calendar is moved."""

    pin: datetime
    unit: str
    steps: tuple[tuple[str, dict[str, int]], ...] = ()

    def stays_pinned(self, symbol: str, amounts: dict[str, int]) -> bool:
        longer = UNITS[: UNITS.index(self.unit) + 1]
        if symbol == "@":
            return not any(unit in amounts for unit in longer)
        return not any(amounts.get(unit) for unit in longer)

    def ends(self) -> tuple[datetime, datetime]:
        """Try the periods near the pin until one, moved, holds it.

        That is done 400 years earlier, where the calendar is the same, when its end is near.
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


def model(node: Any, env: dict[str, datetime]) -> Any:
    """A datetime, a pair of them, or a `Window`. Raises `OutOfCalendar`."""
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
        if node.symbol == "@":
            begin = model_set(begin, amounts)
            return begin, model_add(begin, {value.unit: 1}, 1)
    else:
        begin, end = value
        amounts = with_unit(node, unit_by_length(begin, end))
    return tuple(model_step(moment, node.symbol, amounts) for moment in (begin, end))


# --- the differences, each recognised before timex is asked --------------------------------------


class Difference(Exception):
    """timex 0.20 is known to fail at this step; the text is the name that the docs use."""


def expect_days_exist(moment: datetime, symbol: str, amounts: dict[str, int]) -> None:
    """timex sets first the month, then the year, and has no answer where the day is missing."""
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
    """timex has no answer for the range's own unit or a longer one; `@ 0` of its own it loops on."""
    at = UNITS.index(unit)
    if any(longer in amounts for longer in UNITS[:at]):
        raise Difference("own or longer unit")
    if amounts.get(unit, 0) >= 1 or (symbol == "@" and unit in amounts):
        raise Difference("own or longer unit")


def oracle(node: Any, env: dict[str, datetime]) -> Any:
    """What timex gives, step by step. Raises `Difference` before the first that is known bad."""
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
    return timex_step(value, node)


def expect_no_step_by_months(value: Any, symbol: str, amounts: dict[str, int]) -> None:
    """timex steps back or on by the length that the moved range has, be the next one longer."""
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


# --- the properties ------------------------------------------------------------------------------


def ends_of(value: Any) -> tuple[datetime, datetime]:
    if isinstance(value, datetime):
        return value, value
    return value.ends() if isinstance(value, Window) else value


def is_fault_of_fields(node: Any) -> bool:
    """Whether `@` sets a part, whose unit is known from the text, to what it cannot be."""
    if isinstance(node, Pin):
        return node.argument is not None and is_fault_of_fields(node.argument)
    if isinstance(node, To):
        return is_fault_of_fields(node.begin) or is_fault_of_fields(node.end)
    if not isinstance(node, Operation):
        return False
    amounts = node.amounts
    pinned = pinned_unit(node.base)
    if pinned is not None:
        amounts = with_unit(node, COUNTED_IN[pinned])
    too_great = any(amount > BOUNDS[unit][1] for unit, amount in amounts.items())
    return (node.symbol == "@" and too_great) or is_fault_of_fields(node.base)


def pinned_unit(node: Any) -> str | None:
    """The unit of the pinned range that `node` is, if its text says that it is one."""
    if isinstance(node, Pin):
        return node.unit
    if not isinstance(node, Operation):
        return None
    unit = pinned_unit(node.base)
    if unit is None or not Window(datetime.min, unit).stays_pinned(node.symbol, node.amounts):
        return None
    return unit


def ours(text: str, env: dict[str, datetime]) -> tuple[bool, datetime, datetime]:
    value = parse(text).evaluate(env)
    assert value.begin.tzinfo is UTC
    assert value.end.tzinfo is UTC
    begin, end = value.begin.replace(tzinfo=None), value.end.replace(tzinfo=None)
    return isinstance(value, TimeRange), begin, end


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(EXPRESSIONS, ENVIRONMENTS)
def test_the_result_is_that_of_the_calendar_and_of_timex(
    node: Any, env: dict[str, datetime]
) -> None:
    text = text_of(node)
    if is_fault_of_fields(node):
        event("refused")
        with pytest.raises(TimeExpressionError, match="'@' sets"):
            parse(text)
        return
    try:
        wanted = ends_of(model(node, env))
    except OutOfCalendar:
        wanted = None
    if wanted is None or min(wanted).year < 1000:
        event("out of years")
        with pytest.raises(TimeEvaluationError) as raised:
            parse(text).evaluate(env)
        assert raised.value.variable is None
        assert raised.value.clamp is not None
        return
    assert ours(text, env) == (is_range(node), *wanted)
    try:
        oracle(node, env)
    except Difference as difference:
        event(str(difference))
        return
    except OutOfCalendar:
        event("timex leaves the calendar on its way")
        return
    event("equal")
    theirs = timex.parse(text)(**env)
    assert (theirs.is_range, theirs.begin, theirs.end) == (is_range(node), *wanted)
