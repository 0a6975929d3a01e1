"""`not`, `any` and `all` are plain logic on total predicates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

VALUES = [1, 5, 9, 5.0, "5", None]


def matching_values(holds: Callable[[Any, Any], bool], wanted: Any) -> list[Any]:
    return [repr(value) for value in VALUES if holds(wanted, value)]


def test_any_matches_when_one_part_does_and_accepts_constants(
    holds: Callable[[Any, Any], bool],
) -> None:
    assert matching_values(holds, {"any": [{"int": "> 6"}, "5", 1]}) == ["1", "9", "'5'"]


def test_all_matches_when_every_part_does(holds: Callable[[Any, Any], bool]) -> None:
    assert matching_values(holds, {"all": [{"int": "> 1"}, {"int": "< 9"}]}) == ["5"]


def test_not_matches_everything_else_including_a_missing_trait(
    holds: Callable[[Any, Any], bool],
) -> None:
    assert matching_values(holds, {"not": 5}) == ["1", "9", "5.0", "'5'", "None"]
    assert matching_values(holds, {"not": {"int": "> 1"}}) == ["1", "5.0", "'5'", "None"]


def test_not_combined_with_exists_requires_the_trait(holds: Callable[[Any, Any], bool]) -> None:
    wanted = {"all": [{"exists": True}, {"not": 5}]}
    assert matching_values(holds, wanted) == ["1", "9", "5.0", "'5'"]


def test_combinators_nest(holds: Callable[[Any, Any], bool]) -> None:
    inner = {"any": [{"all": [{"int": ">= 1"}, {"not": {"int": "> 5"}}]}, {"string": "5"}]}
    assert matching_values(holds, inner) == ["1", "5", "'5'"]
    assert matching_values(holds, {"not": {"not": inner}}) == ["1", "5", "'5'"]


@pytest.mark.parametrize("name", ["any", "all"])
@pytest.mark.parametrize("wanted", [[], None, "a", {"int": 3}])
def test_any_and_all_require_a_list(
    problems: Callable[..., dict[Any, str]], name: str, wanted: Any
) -> None:
    found = problems({"traits": {"x": {name: wanted}}})
    assert "a list of at least one" in found["traits", "x", name]


def test_every_nested_fault_is_reported_at_its_position(
    problems: Callable[..., dict[Any, str]],
) -> None:
    found = problems({"traits": {"x": {"any": [None, 3, {"not": {"int": "x"}}, {"regx": "a"}]}}})
    assert list(found) == [
        ("traits", "x", "any", 0),
        ("traits", "x", "any", 2, "not", "int"),
        ("traits", "x", "any", 3, "regx"),
    ]


def test_recursive_yaml_is_refused(problems: Callable[..., dict[Any, str]]) -> None:
    endless: dict[str, Any] = {}
    endless["not"] = endless
    ((path, message),) = problems({"traits": {"x": endless}}).items()
    assert "nested more than 10 deep" in message
    assert set(path[2:]) == {"not"}
