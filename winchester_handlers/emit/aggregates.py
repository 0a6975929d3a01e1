"""Aggregates of a trait over the events of a stream.

An aggregate takes the trait's values in the order of the events. It returns a trait value, or None
if there is no value that it can use.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Context, Decimal, Inexact
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from winchester_core.model import storable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from winchester_core.model import Event, TraitValue

    Aggregate: TypeAlias = Callable[[Sequence[TraitValue]], TraitValue | None]


def values_of(trait: str, events: Iterable[Event]) -> list[TraitValue]:
    """Return the values of `trait` in order, without the events that lack it.

    An earlier handler may have changed events. Values that are not storable are omitted.
    """
    stored = (storable(event[trait])[0] for event in events if trait in event)
    return [value for value in stored if value is not None]


def count(values: Sequence[TraitValue]) -> int:
    """Return the number of events with the trait."""
    return len(values)


def distinct(values: Sequence[TraitValue]) -> int:
    """Return the number of different values. int 1, float 1.0, "1" and True are four values."""
    return len({(type(value), value) for value in values})


def first(values: Sequence[TraitValue]) -> TraitValue | None:
    """Return the first value."""
    return values[0] if values else None


def last(values: Sequence[TraitValue]) -> TraitValue | None:
    """Return the last value."""
    return values[-1] if values else None


def minimum(values: Sequence[TraitValue]) -> TraitValue | None:
    """Return the smallest value of one kind (see `comparable`); of equal values, the first."""
    return min(comparable(values), default=None)


def maximum(values: Sequence[TraitValue]) -> TraitValue | None:
    """Return the greatest value of one kind (see `comparable`); of equal values, the first."""
    return max(comparable(values), default=None)


def total(values: Sequence[TraitValue]) -> int | float | None:
    """Return the exact sum of the numbers: an `int` if all are, else the nearest `float`.

    The result may be infinite or exceed 64 bits; then it cannot be stored.
    """
    summands = numbers(values)
    if not summands:
        return None
    exact = exact_sum(summands)
    return exact if isinstance(exact, int) else float(exact)


def mean(values: Sequence[TraitValue]) -> float | None:
    """Return the mean of the numbers: the `float` nearest to the exact quotient."""
    summands = numbers(values)
    if not summands:
        return None
    return float(Fraction(exact_sum(summands)) / len(summands))


AGGREGATES: Mapping[str, Aggregate] = {
    "count": count,
    "first": first,
    "last": last,
    "min": minimum,
    "max": maximum,
    "sum": total,
    "mean": mean,
    "distinct": distinct,
}


def comparable(values: Iterable[TraitValue]) -> list[Any]:
    """Return the values of one kind: numbers if there are any, else times, else texts.

    Booleans have no order and are omitted.
    """
    by_kind: dict[str, list[TraitValue]] = {"number": [], "time": [], "text": []}
    for value in values:
        if not isinstance(value, bool):
            by_kind[_kind(value)].append(value)
    return next(filter(None, by_kind.values()), [])


def _kind(value: TraitValue) -> str:
    if isinstance(value, int | float):
        return "number"
    return "time" if isinstance(value, datetime) else "text"


def numbers(values: Iterable[TraitValue]) -> list[int | float]:
    """Return the values of type int and float. Booleans are not numbers."""
    return [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]


DIGITS = 1_000
"""Enough for every sum of numbers from 1.8e308 to 5e-324, the range of floats."""


def exact_sum(summands: Sequence[int | float]) -> int | Decimal:
    """Return the sum of numbers as they are written in decimal: ten times 0.1 is 1."""
    if all(isinstance(each, int) for each in summands):
        return sum(int(each) for each in summands)
    context = Context(prec=DIGITS, traps=[Inexact])
    exact = Decimal(0)
    for each in summands:
        exact = context.add(exact, Decimal(each) if isinstance(each, int) else Decimal(repr(each)))
    return exact
