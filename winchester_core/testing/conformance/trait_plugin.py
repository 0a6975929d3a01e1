"""What every trait plugin must keep to: it makes a trait's value of what was found, and no more."""

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

Found = list[tuple[str, Any]]


class TraitPluginConformance(ParameterRules):
    """Subclass it, name the trait plugin and what it may find, and let pytest run the tests.

        class TestLowercase(TraitPluginConformance):
            plugin = LowercaseTraitPlugin
            inputs = [["AB-12 "], ["AB", "CD"]]

    Each of `inputs` holds the values that stand at the trait's field paths in one notification.
    Of each the plugin must make a trait's value, or None for no trait. `allows_any_parameter` is
    for plugins made for StackDistiller, whose parameters no schema knows.
    """

    inputs: Sequence[Sequence[Any]] = ()
    allows_any_parameter: bool = False

    def params(self) -> Mapping[str, Any]:
        """The parameters as they stand in the file of event definitions (default: none)."""
        return {}

    def test_schema_rejects_unknown_parameters(self) -> None:
        """A misspelt parameter is an error of the configuration, not ignored."""
        if not self.allows_any_parameter:
            super().test_schema_rejects_unknown_parameters()

    def test_accepts_no_values(self) -> None:
        """It is asked for every notification, whether a path led anywhere or not."""
        self._value([])

    def test_returns_valid_trait_values(self) -> None:
        """Text, int, float, bool, datetime; None is no trait."""
        require(bool(self.inputs), f"{type(self).__name__} must have something `inputs` to try")
        for values in self.inputs:
            value = self._value(_matches(values))
            if value is None:
                continue
            fault = storable(value)[1]
            require(
                fault is None,
                f"{self._name} makes {short_repr(value)} of {short_repr(values)}: {fault}",
            )

    def test_trait_value_is_deterministic(self) -> None:
        """A notification that comes again must give the same event."""
        for values in self.inputs:
            plugin, matches = self.make_plugin(), _matches(values)
            answers = [self._call(plugin, deepcopy(matches)) for _ in range(2)]
            answers.append(self._value(deepcopy(matches)))
            for answer in answers[1:]:
                changed = difference(answers[0], answer, f"what {self._name} makes")
                require(changed is None, f"of {short_repr(values)}, {changed}")

    def test_trait_value_does_not_change_its_input(self) -> None:
        """The notification belongs to the other traits, too."""
        for values in self.inputs:
            matches = _matches(values)
            before = deepcopy(matches)
            self._value(matches)
            changed = difference(before, matches, "the list")
            require(changed is None, f"{self._name} changes what was found: {changed}")

    def _value(self, matches: Found) -> Any:
        return self._call(self.make_plugin(), matches)

    def _call(self, plugin: Any, matches: Found) -> Any:
        if not callable(getattr(plugin, "trait_value", None)):
            raise ConformanceError(f"{self._name} has no method trait_value")
        with calling(f"trait_value of {self._name}, given {short_repr(matches)},"):
            return plugin.trait_value(matches)


def _matches(values: Sequence[Any]) -> Found:
    return [(f"payload.path{number}", deepcopy(value)) for number, value in enumerate(values)]
