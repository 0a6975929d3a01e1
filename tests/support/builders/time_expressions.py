"""Time expressions as trees, and Hypothesis strategies for them."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hypothesis import strategies as st

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
    """`a to b`, in parentheses unless it is the whole expression."""

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
    datetime(9998, 12, 31), datetime(9999, 12, 31, 23, 59, 59, 999_999)
)
MOMENTS = ORDINARY | MONTH_ENDS | AT_THE_EDGES
ENVIRONMENTS = st.fixed_dictionaries(dict.fromkeys(("timestamp", "first", "last"), MOMENTS))
