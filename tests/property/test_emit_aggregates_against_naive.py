"""Aggregates of the emit handler equal naive computations with fractions."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from winchester_core.model import MAX_INT, MIN_INT, clean_event
from winchester_core.testing import make_env
from winchester_handlers.emit import EmitHandler
from winchester_handlers.emit.aggregates import AGGREGATES

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
TIMES = st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC))
FLOATS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(-99, 99).map(lambda n: n / 10)
)
INTEGERS = st.one_of(st.integers(-5, 5), st.integers(MIN_INT, MAX_INT))
VALUES = st.one_of(INTEGERS, FLOATS, st.booleans(), st.text("aAé 1", max_size=3), TIMES)
ABSENT = st.none()


def naive(aggregate: str, values: list[Any]) -> Any:
    """Compute an aggregate in the plainest way; None if it has no value."""
    summands = [each for each in values if type(each) in (int, float)]
    written = [Fraction(str(each)) for each in summands]
    ordered: list[Any] = (
        summands
        or [each for each in values if isinstance(each, datetime)]
        or [each for each in values if isinstance(each, str)]
    )
    match aggregate:
        case "count":
            return len(values)
        case "distinct":
            different: list[Any] = []
            for each in values:
                if not any(type(each) is type(other) and each == other for other in different):
                    different.append(each)
            return len(different)
        case "first":
            return next(iter(values), None)
        case "last":
            return next(reversed(values), None)
        case "min" | "max":
            in_order = sorted(ordered, reverse=aggregate == "max")  # stable, so the first remains
            return in_order[0] if in_order else None
        case "sum" if any(type(each) is float for each in summands):
            return nearest(sum(written, Fraction(0)))
        case "sum":
            return sum(summands) if summands else None
        case "mean":
            return nearest(sum(written, Fraction(0)) / len(written)) if written else None
    raise AssertionError(aggregate)


def nearest(number: Fraction) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


@given(
    st.lists(st.one_of(ABSENT, VALUES), min_size=1, max_size=8)
    | st.lists(FLOATS | INTEGERS, min_size=1, max_size=30)
)
def test_every_aggregate_equals_the_naive_result(values: list[Any]) -> None:
    events = [
        clean_event(
            {
                "message_id": str(n),
                "event_type": "a",
                "timestamp": NOON,
                "x": value,
            }
        ).event
        for n, value in enumerate(values)
    ]
    traits = {name: {name: "x"} for name in AGGREGATES}
    *_, event = EmitHandler("digest", traits=traits).handle_events(events, make_env())
    present = [value for value in values if value is not None]
    for name in AGGREGATES:
        expected = naive(name, present)
        assert (type(event.get(name)), event.get(name)) == (type(expected), expected), name
    assert clean_event(event).event["emit_depth"] == 1
