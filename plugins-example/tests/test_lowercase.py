"""The trait plugin `lowercase`."""

from __future__ import annotations

from typing import Any

import pytest
from voluptuous import MultipleInvalid

from winchester_core.testing import TraitPluginConformance
from winchester_example.lowercase import LowercaseTraitPlugin


class TestRules(TraitPluginConformance):
    """Rules for every trait plugin."""

    plugin = LowercaseTraitPlugin
    inputs = [["AB-12 "], [None, "CD"], ["  "]]


def make_plugin(**parameters: Any) -> LowercaseTraitPlugin:
    """Create the plugin from validated parameters, as Winchester does."""
    return LowercaseTraitPlugin(**LowercaseTraitPlugin.config_schema(parameters))


def test_returns_the_first_text_stripped_and_in_lower_case() -> None:
    found = [("payload.badge", None), ("payload.card", " AB-12 "), ("payload.other", "CD")]

    assert make_plugin().trait_value(found) == "ab-12"


def test_white_space_is_kept_without_strip() -> None:
    assert make_plugin(strip=False).trait_value([("badge", " Ab ")]) == " ab "


@pytest.mark.parametrize("found", [[], [("badge", None)], [("badge", "")], [("badge", "  ")]])
def test_no_text_gives_no_trait(found: list[tuple[str, Any]]) -> None:
    assert make_plugin().trait_value(found) is None


@pytest.mark.parametrize("value", [12, 1.5, True, ["A"], {"a": "A"}])
def test_values_of_other_types_are_refused(value: Any) -> None:
    with pytest.raises(TypeError, match=f"text, not {type(value).__name__}"):
        make_plugin().trait_value([("badge", value)])


@pytest.mark.parametrize("parameters", [{"strip": "yes"}, {"stripp": True}])
def test_invalid_parameters_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(MultipleInvalid):
        make_plugin(**parameters)
