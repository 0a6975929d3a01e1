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
def test_a_constant_equals_only_values_of_its_type_and_case(
    holds: Callable[[Any, Any], bool], form: str, constant: Any
) -> None:
    wanted = constant if form == "constant" else {"in": ["other", constant]}
    equal = [value for value in DISTINCT if holds(wanted, value)]
    assert [(type(value), value) for value in equal] == [(type(constant), constant)]


def test_minus_zero_equals_zero(holds: Callable[[Any, Any], bool]) -> None:
    assert holds(0.0, -0.0)


def test_a_constant_never_equals_a_missing_trait(holds: Callable[[Any, Any], bool]) -> None:
    assert not any(holds(constant, None) for constant in DISTINCT)


def test_naive_datetime_constants_are_utc_and_aware_ones_are_converted(
    holds: Callable[[Any, Any], bool],
) -> None:
    assert holds(MOMENT.replace(tzinfo=None), MOMENT)
    assert holds(MOMENT.astimezone(timezone(timedelta(hours=-5))), MOMENT)


@pytest.mark.parametrize("form", ["constant", "in"])
@pytest.mark.parametrize(
    ("constant", "message"),
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
def test_a_constant_no_trait_can_hold_is_refused_with_the_reason(
    problems: Callable[..., dict[Any, str]], form: str, constant: Any, message: str
) -> None:
    if form == "constant":
        found, path = problems({"traits": {"x": constant}}), ("traits", "x")
    else:
        found, path = problems({"traits": {"x": {"in": [1, constant]}}}), ("traits", "x", "in", 1)
    assert list(found) == [path]
    assert message in found[path]


@pytest.mark.parametrize("name", ["string", "text"])
def test_string_compares_by_code_point(holds: Callable[[Any, Any], bool], name: str) -> None:
    assert [holds({name: "a"}, value) for value in ("a", "A", "a ", 1, None)] == [
        True, False, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("expression", [3, None, True, 1.5, ["a"], date(2014, 1, 2)])
def test_string_requires_quoted_text(
    problems: Callable[..., dict[Any, str]], expression: Any
) -> None:
    found = problems({"traits": {"x": {"string": expression}}})
    assert "put it in quotes" in found["traits", "x", "string"]


@pytest.mark.parametrize("expression", [[], "active", None, {"a": 1}])
def test_in_requires_a_nonempty_list(
    problems: Callable[..., dict[Any, str]], expression: Any
) -> None:
    found = problems({"traits": {"x": {"in": expression}}})
    assert "a list of at least one" in found["traits", "x", "in"]


@pytest.mark.parametrize("value", DISTINCT, ids=repr)
def test_exists_matches_any_value(holds: Callable[[Any, Any], bool], value: Any) -> None:
    assert holds({"exists": True}, value)
    assert not holds({"exists": False}, value)


def test_exists_false_matches_a_missing_trait(holds: Callable[[Any, Any], bool]) -> None:
    assert holds({"exists": False}, None)
    assert not holds({"exists": True}, None)


def test_exists_requires_a_bool(problems: Callable[..., dict[Any, str]]) -> None:
    for expression in ("true", 1, None):
        found = problems({"traits": {"x": {"exists": expression}}})
        assert "expected true or false" in found["traits", "x", "exists"]
