"""The trait plugin suite finds each fault and names it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from voluptuous import Schema

from support.scenes.conformance_suites import assert_failure, failures_of
from winchester_core.interfaces import TraitPlugin
from winchester_core.testing import TraitPluginConformance

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class First(TraitPlugin):
    """A correct trait plugin; the others have one fault each."""

    config_schema: ClassVar[Schema] = Schema({})

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> Any:
        return match_list[0][1] if match_list else None


class NeedingOne(First):
    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> Any:
        return match_list[0][1]


class MakingAList(First):
    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> Any:
        return [value for _path, value in match_list]


class Counting(First):
    numbers: ClassVar[Iterator[int]] = itertools.count()

    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> Any:
        return next(self.numbers)


class Consuming(First):
    def trait_value(self, match_list: Sequence[tuple[str, Any]]) -> Any:
        return match_list.pop()[1] if match_list else None  # type: ignore[attr-defined]


class TakingAnything(First):
    config_schema = TraitPlugin.config_schema


class WithoutDocstring(First):
    trait_value = None  # type: ignore[assignment]


def suite_of(plugin: type[Any], **attributes: Any) -> type[Any]:
    """Return a suite for a trait plugin."""
    inputs = {"inputs": [["a"], [1, 2]]}
    return type("Suite", (TraitPluginConformance,), {"plugin": plugin, **inputs, **attributes})


def test_a_correct_trait_plugin_passes() -> None:
    assert failures_of(suite_of(First)) == {}
    assert failures_of(suite_of(TakingAnything, allows_any_parameter=True)) == {}


VALUES = "test_returns_valid_trait_values"


@pytest.mark.parametrize(
    ("plugin", "test", "message"),
    [
        (NeedingOne, "test_accepts_no_values", "given [], raised IndexError"),
        (MakingAList, VALUES, "returns ['a'] for ['a']: a trait cannot be of type list"),
        (
            Counting,
            "test_trait_value_is_deterministic",
            "for ['a'], the value of Counting is",
        ),
        (
            Consuming,
            "test_trait_value_does_not_change_its_input",
            "changes its input: the list has 1 items and then 0",
        ),
        (TakingAnything, "test_schema_rejects_unknown_parameters", "that does not exist"),
        (WithoutDocstring, VALUES, "has no method trait_value"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_each_fault_is_found_and_named(plugin: type[Any], test: str, message: str) -> None:
    assert_failure(suite_of(plugin), test, message)


def test_an_empty_suite_fails() -> None:
    assert_failure(suite_of(First, inputs=[]), VALUES, "Suite must define `inputs`")
