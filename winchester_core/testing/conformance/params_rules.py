"""What holds for every plugin that takes parameters from a YAML file: the rules of its schema."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from winchester_core.testing.conformance.nonconformance import calling, demand
from winchester_core.testing.conformance.under_test import AWKWARD, PluginUnderTest

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN_PARAMETER = "no_such_parameter"


class ParamsRules(PluginUnderTest):
    """The rules of `config_schema` for a plugin that is made of keyword parameters.

    `plugin` is the class under test, and `params` returns parameters that are right, as they
    would stand in the YAML file.
    """

    def params(self) -> Mapping[str, Any]:
        """The parameters that the plugin is tested with, as in a file (default: none)."""
        return {}

    def make_plugin(self) -> Any:
        """Make an instance as Winchester does: of parameters that the schema has completed."""
        schema = self._schema()
        with calling(f"config_schema of {self._name}", "it must take what `params` returns"):
            params = schema(deepcopy(dict(self.params())))
        with calling(f"{self._name}(**params)", "it must take what its schema lets pass"):
            return self._class(**params)

    def test_schema_accepts_params(self) -> None:
        """`config_schema` is a voluptuous schema; the plugin is made of what it returns."""
        given = dict(self.params())
        before = deepcopy(given)
        with calling(f"config_schema of {self._name}", "it must take what `params` returns"):
            self._schema()(given)
        demand(given == before, f"config_schema of {self._name} changes what it is given")
        self.make_plugin()

    def test_schema_rejects_unknown_parameters(self) -> None:
        """A misspelt parameter is an error of the configuration, not ignored."""
        unknown = {**deepcopy(dict(self.params())), UNKNOWN_PARAMETER: 1}
        demand(
            not self._accepts(unknown),
            f"config_schema of {self._name} accepts a parameter that does not exist, "
            f"{UNKNOWN_PARAMETER!r}: a misspelt one would be ignored",
        )

    def test_schema_raises_only_invalid(self) -> None:
        """`config_schema` refuses by `voluptuous.Invalid`, and raises nothing else."""
        for value in AWKWARD:
            self._accepts(value)
            for key in self.params():
                self._accepts({**deepcopy(dict(self.params())), key: deepcopy(value)})
