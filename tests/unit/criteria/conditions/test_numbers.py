"""`int`, `float`, `numeric`, and `range` on numbers."""

from __future__ import annotations

from datetime import UTC, datetime
from math import inf, nan
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = {
    "int": [2, 3, 4],
    "float": [2.0, 3.0, 4.0],
    "numeric": [2, 3.0, 4],
}
OTHERS = ["3", "", True, False, None, datetime(2014, 1, 2, tzinfo=UTC)]
MEANINGS = {
    "3": [False, True, False],
    "== 3": [False, True, False],
    "= 3": [False, True, False],
    "!= 3": [True, False, True],
    "> 3": [False, False, True],
    ">3": [False, False, True],
    "  >   3 ": [False, False, True],
    "< 3": [True, False, False],
    ">= 3": [False, True, True],
    "<= 3": [True, True, False],
    "> -1": [True, True, True],
    "< +3": [True, False, False],
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("expression", MEANINGS)
def test_each_comparison_operator_compares(
    holds: Callable[[Any, Any], bool], name: str, expression: str
) -> None:
    wanted = {name: expression}
    assert [holds(wanted, value) for value in VALUES[name]] == MEANINGS[expression]


@pytest.mark.parametrize("name", VALUES)
def test_a_bare_number_compares_for_equality(holds: Callable[[Any, Any], bool], name: str) -> None:
    assert [holds({name: 3}, value) for value in VALUES[name]] == [False, True, False]


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("expression", ["!= 7", "< 100"])
@pytest.mark.parametrize("value", OTHERS, ids=repr)
def test_a_value_that_is_not_a_number_never_matches(
    holds: Callable[[Any, Any], bool], name: str, expression: str, value: Any
) -> None:
    assert not holds({name: expression}, value)


def test_int_float_and_numeric_accept_their_own_types_only(
    holds: Callable[[Any, Any], bool],
) -> None:
    assert [holds({"int": 3}, value) for value in (3, 3.0)] == [True, False]
    assert [holds({"float": 3}, value) for value in (3, 3.0)] == [False, True]
    assert [holds({"numeric": 3}, value) for value in (3, 3.0)] == [True, True]


def test_fractions_and_exponents_are_parsed(holds: Callable[[Any, Any], bool]) -> None:
    assert holds({"float": "> 2.5"}, 2.6)
    assert holds({"numeric": "<= 1e6"}, 1_000_000)
    assert holds({"numeric": ".5"}, 0.5)


def test_integer_bounds_are_compared_exactly(holds: Callable[[Any, Any], bool]) -> None:
    assert holds({"numeric": f"> {2**53}"}, 2**53 + 1)
    assert not holds({"numeric": f"== {2**53}"}, 2**53 + 1)


BAD_ANYWHERE = ["", ">", "> ", "=> 3", "> 3 4", "3 >", "abc", "0x10", "1_000", "٣", None, True]


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("expression", [*BAD_ANYWHERE, "nan", "inf", nan, inf, [3], "9" * 500])
def test_a_malformed_comparison_is_refused_at_its_position(
    problems: Callable[..., dict[Any, str]], name: str, expression: Any
) -> None:
    found = problems({"traits": {"x": {name: expression}}})
    assert list(found) == [("traits", "x", name)]


@pytest.mark.parametrize("expression", [3.0, "3.0", "> 2.5", 2**63, f"> {2**63}"])
def test_int_requires_a_64_bit_integer(
    problems: Callable[..., dict[Any, str]], expression: Any
) -> None:
    found = problems({"traits": {"x": {"int": expression}}})
    assert "not a 64-bit whole number" in found["traits", "x", "int"]


@pytest.mark.parametrize("expression", ["1e400", 10**400])
def test_a_bound_beyond_the_float_range_is_refused(
    problems: Callable[..., dict[Any, str]], expression: Any
) -> None:
    found = problems({"traits": {"x": {"float": expression}}})
    assert "not a finite number" in found["traits", "x", "float"]


def test_both_bounds_of_a_range_are_inclusive(holds: Callable[[Any, Any], bool]) -> None:
    wanted = {"range": {"min": 1, "max": 2.5}}
    values = [0, 1, 1.0, 2.5, 2.6, 3, True, "2", None]
    assert [value for value in values if holds(wanted, value)] == [1, 1.0, 2.5]


def test_a_range_may_be_open_at_one_end(holds: Callable[[Any, Any], bool]) -> None:
    assert [holds({"range": {"min": 3}}, value) for value in (2, 3, 10**9)] == [False, True, True]
    assert [holds({"range": {"max": 3}}, value) for value in (-(10**9), 3, 4)] == [
        True, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "path", "message"),
    [
        ({}, (), "a map with 'min', 'max' or both"),
        ([1, 2], (), "a map with 'min', 'max' or both"),
        ({"min": 2, "max": 1}, (), "greater than 'max'"),
        ({"min": 1, "max": datetime(2014, 1, 2)}, (), "both must be numbers, or both datetimes"),
        ({"min": 1, "maximum": 2}, ("maximum",), "allowed: min, max"),
        ({"min": True}, ("min",), "a finite number"),
        ({"min": nan}, ("min",), "a finite number"),
        ({"max": -(10**400)}, ("max",), "a finite number"),
        ({"max": None}, ("max",), "a finite number"),
    ],
)
def test_an_impossible_range_is_refused_at_its_position(
    problems: Callable[..., dict[Any, str]], expression: Any, path: tuple[str, ...], message: str
) -> None:
    found = problems({"traits": {"x": {"range": expression}}})
    assert list(found) == [("traits", "x", "range", *path)]
    assert message in found["traits", "x", "range", *path]


def test_every_fault_of_a_range_is_reported(problems: Callable[..., dict[Any, str]]) -> None:
    found = problems({"traits": {"x": {"range": {"min": "x", "max": None, "mid": 1}}}})
    assert {path[-1] for path in found} == {"min", "max", "mid"}
