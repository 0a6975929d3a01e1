"""Suites of tests that every plugin of a kind must pass; to be subclassed by its author.

They need no particular test runner: their methods are called `test_...`, and what a plugin does
wrong is raised as `ConformanceError`, an `AssertionError`.
"""

from winchester_core.testing.conformance.condition import TRAIT_VALUES, ConditionConformance
from winchester_core.testing.conformance.handler import HandlerConformance
from winchester_core.testing.conformance.handler_rules import HandlerRules
from winchester_core.testing.conformance.plugin_rules import ConformanceError
from winchester_core.testing.conformance.source import SourceConformance
from winchester_core.testing.conformance.trait_plugin import TraitPluginConformance

__all__ = [
    "TRAIT_VALUES",
    "ConditionConformance",
    "ConformanceError",
    "HandlerConformance",
    "HandlerRules",
    "SourceConformance",
    "TraitPluginConformance",
]
