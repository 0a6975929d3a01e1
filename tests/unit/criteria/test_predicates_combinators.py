"""`not`, `any` and `all` are plain logic on total predicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = [1, 5, 9, 5.0, "5", None]


def taken(holds: Callable[[Any, Any], bool], wanted: Any) -> list[Any]:
    return [repr(value) for value in VALUES if holds(wanted, value)]


def test_any_is_met_by_either_and_takes_constants_too(holds: Callable[[Any, Any], bool]) -> None:
    assert taken(holds, {"any": [{"int": "> 6"}, "5", 1]}) == ["1", "9", "'5'"]


def test_all_is_met_by_what_meets_each(holds: Callable[[Any, Any], bool]) -> None:
    assert taken(holds, {"all": [{"int": "> 1"}, {"int": "< 9"}]}) == ["5"]


def test_not_is_met_by_all_else_a_missing_trait_included(
    holds: Callable[[Any, Any], bool],
) -> None:
    assert taken(holds, {"not": 5}) == ["1", "9", "5.0", "'5'", "None"]
    assert taken(holds, {"not": {"int": "> 1"}}) == ["1", "5.0", "'5'", "None"]


def test_not_with_exists_demands_the_trait(holds: Callable[[Any, Any], bool]) -> None:
    wanted = {"all": [{"exists": True}, {"not": 5}]}
    assert taken(holds, wanted) == ["1", "9", "5.0", "'5'"]


def test_combinators_nest(holds: Callable[[Any, Any], bool]) -> None:
    inner = {"any": [{"all": [{"int": ">= 1"}, {"not": {"int": "> 5"}}]}, {"string": "5"}]}
    assert taken(holds, inner) == ["1", "5", "'5'"]
    assert taken(holds, {"not": {"not": inner}}) == ["1", "5", "'5'"]


@pytest.mark.parametrize("name", ["any", "all"])
@pytest.mark.parametrize("wanted", [[], None, "a", {"int": 3}])
def test_any_and_all_want_a_list(
    problems: Callable[..., dict[Any, str]], name: str, wanted: Any
) -> None:
    found = problems({"traits": {"x": {name: wanted}}})
    assert "a list of at least one" in found["traits", "x", name]


def test_every_fault_inside_is_reported_at_its_place(
    problems: Callable[..., dict[Any, str]],
) -> None:
    found = problems({"traits": {"x": {"any": [None, 3, {"not": {"int": "x"}}, {"regx": "a"}]}}})
    assert list(found) == [
        ("traits", "x", "any", 0),
        ("traits", "x", "any", 2, "not", "int"),
        ("traits", "x", "any", 3, "regx"),
    ]


def test_yaml_that_holds_itself_comes_to_an_end(problems: Callable[..., dict[Any, str]]) -> None:
    endless: dict[str, Any] = {}
    endless["not"] = endless
    ((path, message),) = problems({"traits": {"x": endless}}).items()
    assert "nested more than 10 deep" in message
    assert set(path[2:]) == {"not"}
