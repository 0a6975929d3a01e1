"""For authors of plugins and their tests: a clock, an engine, events, and suites of rules."""

from winchester_core.testing.clock import FakeClock
from winchester_core.testing.conformance import (
    TRAIT_VALUES,
    ConditionConformance,
    HandlerConformance,
    NonConformance,
    SourceConformance,
    TraitPluginConformance,
)
from winchester_core.testing.engine import InMemoryEngine
from winchester_core.testing.events import a_notification, a_stream, an_event
from winchester_core.testing.surroundings import RecordingOutbox, an_effect, an_env

__all__ = [
    "TRAIT_VALUES",
    "ConditionConformance",
    "FakeClock",
    "HandlerConformance",
    "InMemoryEngine",
    "NonConformance",
    "RecordingOutbox",
    "SourceConformance",
    "TraitPluginConformance",
    "a_notification",
    "a_stream",
    "an_effect",
    "an_env",
    "an_event",
]
