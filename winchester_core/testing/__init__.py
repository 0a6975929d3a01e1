"""Tools for the tests of plugins: a clock, an engine, test data, and conformance suites."""

from winchester_core.testing.builders import (
    FakeClock,
    RecordingOutbox,
    make_effect,
    make_env,
    make_event,
    make_notification,
    make_stream_events,
)
from winchester_core.testing.conformance import (
    TRAIT_VALUES,
    ConditionConformance,
    ConformanceError,
    HandlerConformance,
    SourceConformance,
    TraitPluginConformance,
)
from winchester_core.testing.engine import InMemoryEngine

__all__ = [
    "TRAIT_VALUES",
    "ConditionConformance",
    "ConformanceError",
    "FakeClock",
    "HandlerConformance",
    "InMemoryEngine",
    "RecordingOutbox",
    "SourceConformance",
    "TraitPluginConformance",
    "make_effect",
    "make_env",
    "make_event",
    "make_notification",
    "make_stream_events",
]
