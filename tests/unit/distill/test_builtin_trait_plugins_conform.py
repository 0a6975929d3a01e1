"""The built-in trait plugins pass the conformance suite for trait plugins."""

from __future__ import annotations

from typing import Any

import pytest

from winchester_core.distribution import DISTRIBUTION
from winchester_core.plugins import TRAIT_PLUGINS, import_plugin, installed_plugins
from winchester_core.testing import TraitPluginConformance

PARAMS: dict[str, list[dict[str, Any]]] = {
    "split": [{}, {"separator": "-", "segment": 1, "max_split": 1}],
    "bitfield": [{}, {"initial_bitfield": 8, "flags": [{"path": "payload.path0", "bit": 2}]}],
    "timedelta": [{}],
    "map": [{"values": {"a": 1, "B": "two"}, "default": "none", "case_sensitive": False}],
}
TIMES: list[list[Any]] = [["2024-01-01T00:00:00", "2024-01-02T00:00:00"], ["2024-01-01T00:00:00"]]
FOUND: list[list[Any]] = [
    ["a-b.c-d"],
    ["a", "b"],
    [""],
    [None],
    [1],
    [True, 2.5],
    [["a"], {"b": "c"}],
    *TIMES,
]


@pytest.mark.parametrize(("name", "params"), [(n, p) for n in PARAMS for p in PARAMS[n]])
class TestTraitPlugins(TraitPluginConformance):
    given: dict[str, Any]

    @pytest.fixture(autouse=True)
    def _plugin(self, name: str, params: dict[str, Any]) -> None:
        self.plugin = import_plugin(TRAIT_PLUGINS, name)
        self.given = params
        self.inputs = TIMES if name == "timedelta" else FOUND

    def params(self) -> dict[str, Any]:
        return self.given


def test_every_trait_plugin_is_tested() -> None:
    plugins = installed_plugins(TRAIT_PLUGINS).values()

    assert {p.name for p in plugins if p.distribution == DISTRIBUTION} == set(PARAMS)
