"""Constants, `in`, `string` and `exists`: equality is typed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from math import inf, nan
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MOMENT = datetime(2014, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
DISTINCT = [1, 1.0, "1", True, 0, 0.0, "", False, "a", "A", "a ", MOMENT, MOMENT.isoformat()]


@pytest.mark.parametrize("constant", DISTINCT, ids=repr)
@pytest.mark.parametrize("form", ["constant", "in"])
def test_of_values_that_differ_in_type_or_case_a_constant_equals_itself_alone(
    holds: Callable[[Any, Any], bool], form: str, constant: Any
) -> None:
    wanted = constant if form == "constant" else {"in": ["other", constant]}
    equal = [value for value in DISTINCT if holds(wanted, value)]
    assert [(type(value), value) for value in equal] == [(type(constant), constant)]


def test_minus_zero_is_zero(holds: Callable[[Any, Any], bool]) -> None:
    assert holds(0.0, -0.0)


def test_no_constant_equals_a_missing_trait(holds: Callable[[Any, Any], bool]) -> None:
    assert not any(holds(constant, None) for constant in DISTINCT)


def test_a_naive_datetime_constant_is_utc_and_an_aware_one_is_converted(
    holds: Callable[[Any, Any], bool],
) -> None:
    assert holds(MOMENT.replace(tzinfo=None), MOMENT)
    assert holds(MOMENT.astimezone(timezone(timedelta(hours=-5))), MOMENT)


@pytest.mark.parametrize("form", ["constant", "in"])
@pytest.mark.parametrize(
    ("constant", "said"),
    [
        (None, "exists: false"),
        (nan, "not a trait value"),
        (inf, "not a trait value"),
        (2**63, "64 bits"),
        (date(2014, 1, 2), "is a date"),
        (b"x", "type bytes"),
        ("a\0b", "NUL"),
        ("\ud800", "surrogate"),
        (datetime(1, 1, 1), "1000-9999"),
    ],
)
def test_a_constant_that_no_trait_can_hold_is_refused_with_the_reason(
    problems: Callable[..., dict[Any, str]], form: str, constant: Any, said: str
) -> None:
    if form == "constant":
        found, path = problems({"traits": {"x": constant}}), ("traits", "x")
    else:
        found, path = problems({"traits": {"x": {"in": [1, constant]}}}), ("traits", "x", "in", 1)
    assert list(found) == [path]
    assert said in found[path]


@pytest.mark.parametrize("name", ["string", "text"])
def test_string_and_text_equal_a_text_by_code_point(
    holds: Callable[[Any, Any], bool], name: str
) -> None:
    assert [holds({name: "a"}, value) for value in ("a", "A", "a ", 1, None)] == [
        True, False, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("expression", [3, None, True, 1.5, ["a"], date(2014, 1, 2)])
def test_string_wants_its_text_in_quotes(
    problems: Callable[..., dict[Any, str]], expression: Any
) -> None:
    found = problems({"traits": {"x": {"string": expression}}})
    assert "put it in quotes" in found["traits", "x", "string"]


@pytest.mark.parametrize("expression", [[], "active", None, {"a": 1}])
def test_in_wants_a_list_that_is_not_empty(
    problems: Callable[..., dict[Any, str]], expression: Any
) -> None:
    found = problems({"traits": {"x": {"in": expression}}})
    assert "a list of at least one" in found["traits", "x", "in"]


@pytest.mark.parametrize("value", DISTINCT, ids=repr)
def test_exists_is_met_by_any_value(holds: Callable[[Any, Any], bool], value: Any) -> None:
    assert holds({"exists": True}, value)
    assert not holds({"exists": False}, value)


def test_exists_false_is_met_by_a_missing_trait(holds: Callable[[Any, Any], bool]) -> None:
    assert holds({"exists": False}, None)
    assert not holds({"exists": True}, None)


def test_exists_wants_a_bool(problems: Callable[..., dict[Any, str]]) -> None:
    for expression in ("true", 1, None):
        found = problems({"traits": {"x": {"exists": expression}}})
        assert "expected true or false" in found["traits", "x", "exists"]
