"""The trait plugin `lowercase`."""

from __future__ import annotations

from typing import Any

import pytest
from voluptuous import MultipleInvalid

from winchester_core.testing import TraitPluginConformance
from winchester_example.lowercase import LowercaseTraitPlugin


class TestRules(TraitPluginConformance):
    """What every trait plugin must keep to."""

    plugin = LowercaseTraitPlugin
    inputs = [["AB-12 "], [None, "CD"], ["  "]]


def made(**parameters: Any) -> LowercaseTraitPlugin:
    """The plugin as Winchester makes it: of parameters that the schema has completed."""
    return LowercaseTraitPlugin(**LowercaseTraitPlugin.config_schema(parameters))


def test_the_first_text_found_is_given_in_lower_case_without_blanks_around_it() -> None:
    found = [("payload.badge", None), ("payload.card", " AB-12 "), ("payload.other", "CD")]

    assert made().trait_value(found) == "ab-12"


def test_blanks_stay_when_they_are_not_to_be_stripped() -> None:
    assert made(strip=False).trait_value([("badge", " Ab ")]) == " ab "


@pytest.mark.parametrize("found", [[], [("badge", None)], [("badge", "")], [("badge", "  ")]])
def test_nothing_found_is_no_trait(found: list[tuple[str, Any]]) -> None:
    assert made().trait_value(found) is None


@pytest.mark.parametrize("value", [12, 1.5, True, ["A"], {"a": "A"}])
def test_what_is_no_text_drops_the_trait_with_the_reason(value: Any) -> None:
    with pytest.raises(TypeError, match=f"text, not {type(value).__name__}"):
        made().trait_value([("badge", value)])


@pytest.mark.parametrize("parameters", [{"strip": "yes"}, {"stripp": True}])
def test_parameters_that_it_has_not_are_refused(parameters: dict[str, Any]) -> None:
    with pytest.raises(MultipleInvalid):
        made(**parameters)
