"""The trait plugin `plugin_name`."""

from __future__ import annotations

from typing import Any

import pytest
from voluptuous import MultipleInvalid
from winchester_core.testing import TraitPluginConformance

from winchester_plugin_name.trait import PluginNameTraitPlugin


class TestRules(TraitPluginConformance):
    """Conformance suite of trait plugins."""

    plugin = PluginNameTraitPlugin
    inputs = [[" a "], [None, "b"], [17], [""]]

    def params(self) -> dict[str, int]:
        """Return the parameters as in `event_definitions.yaml`."""
        return {"max_length": 3}


@pytest.mark.parametrize(
    ("values", "trait"),
    [([], None), ([None, " b "], "b"), (["  "], None), (["abcdef"], "abc"), ([17], "17")],
)
def test_the_first_value_is_a_text_without_blanks(values: list[Any], trait: str | None) -> None:
    plugin = PluginNameTraitPlugin(max_length=3)

    assert plugin.trait_value([("payload.customer", value) for value in values]) == trait


@pytest.mark.parametrize("value", [["a"], {"a": "b"}])
def test_a_list_or_mapping_drops_the_trait(value: Any) -> None:
    plugin = PluginNameTraitPlugin(max_length=3)

    with pytest.raises(TypeError, match=f"a {type(value).__name__} is not a trait value"):
        plugin.trait_value([("payload.customer", value)])


@pytest.mark.parametrize("params", [{"max_length": 0}, {"max_length": "3"}, {"maxlength": 3}])
def test_invalid_params_are_rejected(params: dict[str, Any]) -> None:
    with pytest.raises(MultipleInvalid):
        PluginNameTraitPlugin.config_schema(params)
