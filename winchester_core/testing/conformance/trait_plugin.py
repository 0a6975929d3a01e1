"""Conformance suite of trait plugins: a plugin computes a trait's value without side effects."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from winchester_core.model.event import storable
from winchester_core.testing.conformance.plugin_rules import (
    ConformanceError,
    ParameterRules,
    calling,
    difference,
    require,
    short_repr,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MatchList = list[tuple[str, Any]]


class TraitPluginConformance(ParameterRules):
    """Base class of the tests of a trait plugin: subclass it and define its inputs.

        class TestLowercase(TraitPluginConformance):
            plugin = LowercaseTraitPlugin
            inputs = [["AB-12 "], ["AB", "CD"]]

    Each item of `inputs` contains the values at the trait's field paths in one notification. The
    plugin must compute the trait's value from them, or None for no trait. `allows_any_parameter` is
    for StackDistiller plugins, because their parameters have no schema.
    """

    inputs: Sequence[Sequence[Any]] = ()
    allows_any_parameter: bool = False

    def params(self) -> Mapping[str, Any]:
        """Return the parameters in the form of the event definitions (default: none)."""
        return {}

    def test_schema_rejects_unknown_parameters(self) -> None:
        """A misspelt parameter is a configuration error."""
        if not self.allows_any_parameter:
            super().test_schema_rejects_unknown_parameters()

    def test_accepts_no_values(self) -> None:
        """The plugin is called for every notification, even if no path matches."""
        self._value([])

    def test_returns_valid_trait_values(self) -> None:
        """A value is text, int, float, bool or datetime, or None for no trait."""
        require(bool(self.inputs), f"{type(self).__name__} must define `inputs`")
        for values in self.inputs:
            value = self._value(_matches(values))
            if value is None:
                continue
            problem = storable(value)[1]
            require(
                problem is None,
                f"{self._name} returns {short_repr(value)} for {short_repr(values)}: {problem}",
            )

    def test_trait_value_is_deterministic(self) -> None:
        """A redelivered notification must give the same event."""
        for values in self.inputs:
            plugin, matches = self.make_plugin(), _matches(values)
            results = [self._call(plugin, deepcopy(matches)) for _ in range(2)]
            results.append(self._value(deepcopy(matches)))
            for result in results[1:]:
                change = difference(results[0], result, f"the value of {self._name}")
                require(change is None, f"for {short_repr(values)}, {change}")

    def test_trait_value_does_not_change_its_input(self) -> None:
        """Other traits use the same notification, so its values must not change."""
        for values in self.inputs:
            matches = _matches(values)
            before = deepcopy(matches)
            self._value(matches)
            change = difference(before, matches, "the list")
            require(change is None, f"{self._name} changes its input: {change}")

    def _value(self, matches: MatchList) -> Any:
        return self._call(self.make_plugin(), matches)

    def _call(self, plugin: Any, matches: MatchList) -> Any:
        if not callable(getattr(plugin, "trait_value", None)):
            raise ConformanceError(f"{self._name} has no method trait_value")
        with calling(f"trait_value of {self._name}, given {short_repr(matches)},"):
            return plugin.trait_value(matches)


def _matches(values: Sequence[Any]) -> MatchList:
    return [(f"payload.path{number}", deepcopy(value)) for number, value in enumerate(values)]
