"""Aggregates of the emit handler."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import pytest

from winchester_handlers.emit.aggregates import AGGREGATES, values_of

NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
MAX = 2**63 - 1


@pytest.mark.parametrize(
    ("aggregate", "values", "expected"),
    [
        ("count", [], 0),
        ("count", ["a", "a", 1], 3),
        ("distinct", [], 0),
        ("distinct", ["a", "a", "A", "a "], 3),
        ("distinct", [1, 1.0, "1", True], 4),
        ("distinct", [0.0, -0.0], 1),
        ("distinct", [NOON, NOON], 1),
        ("first", ["a", 1], "a"),
        ("last", ["a", 1], 1),
        ("min", [3, 1.5, 2], 1.5),
        ("max", [3, 1.5, 2], 3),
        ("min", [2**53 + 1, float(2**53)], float(2**53)),
        ("max", [2**53 + 1, float(2**53)], 2**53 + 1),
        ("min", [LATER, NOON], NOON),
        ("max", ["b", "a", "B"], "b"),
        ("min", [True, "10", 9, NOON], 9),
        ("max", ["x", NOON, True], NOON),
        ("sum", [1, 2], 3),
        ("sum", [0.1] * 10, 1.0),
        ("sum", [1e308, 1, -1e308], 1.0),
        ("sum", [5e-324, 1e308, -1e308], 5e-324),
        ("sum", [MAX, MAX], 2 * MAX),
        ("sum", [MAX, 0.5], float(MAX)),
        ("sum", [1e308, 1e308], inf),
        ("sum", [True, "5", 2, NOON], 2),
        ("mean", [1, 2], 1.5),
        ("mean", [2, 2], 2.0),
        ("mean", [0.1] * 3, 0.1),
        ("mean", [1e308, 1e308], 1e308),
        ("mean", [MAX, MAX], float(MAX)),
    ],
)
def test_the_aggregate_of_values(aggregate: str, values: list[Any], expected: Any) -> None:
    result = AGGREGATES[aggregate](values)
    assert (type(result), result) == (type(expected), expected)


@pytest.mark.parametrize("aggregate", sorted(AGGREGATES.keys() - {"count", "distinct"}))
def test_an_aggregate_of_nothing_has_no_value(aggregate: str) -> None:
    assert AGGREGATES[aggregate]([]) is None


@pytest.mark.parametrize("aggregate", ["min", "max", "sum", "mean"])
def test_booleans_are_neither_numbers_nor_ordered(aggregate: str) -> None:
    assert AGGREGATES[aggregate]([True, False]) is None


@pytest.mark.parametrize(
    ("aggregate", "values", "kind"),
    [
        ("min", [1, 1.0], int),
        ("max", [1.0, 1], float),
    ],
)
def test_of_equal_numbers_the_first_counts(
    aggregate: str, values: list[Any], kind: type[object]
) -> None:
    assert type(AGGREGATES[aggregate](values)) is kind


def test_values_that_an_earlier_handler_made_unstorable_are_omitted() -> None:
    events = [{"a": 1}, {"a": None}, {"b": 2}, {"a": [3]}, {"a": inf}, {"a": "x"}]
    assert values_of("a", events) == [1, "x"]
