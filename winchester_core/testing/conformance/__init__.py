"""Conformance suites: tests that every plugin of a kind must pass. Authors subclass them.

They work with any test runner: their methods are named `test_...`, and a violation raises
`ConformanceError`, an `AssertionError`.
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
