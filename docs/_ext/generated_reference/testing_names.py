"""Names of `winchester_core.testing`."""

from __future__ import annotations

from generated_reference.markdown import definition, docstring
from generated_reference.signatures import call, render_methods
from winchester_core import testing

SUITES = (
    testing.HandlerConformance,
    testing.ConditionConformance,
    testing.SourceConformance,
    testing.TraitPluginConformance,
)
OBJECTS = (testing.FakeClock, testing.InMemoryEngine, testing.RecordingOutbox)
BUILDERS = (
    testing.make_event,
    testing.make_stream_events,
    testing.make_notification,
    testing.make_env,
    testing.make_effect,
)


def render() -> str:
    """Render the suites with their methods, then builders and test doubles."""
    parts = ["## Conformance suites"]
    for suite in SUITES:
        parts += [f"### {suite.__name__}", docstring(suite), render_methods(suite)]
    parts += ["## Builders"]
    parts += [definition(f"`{call(each)}`", docstring(each)) for each in BUILDERS]
    for each in OBJECTS:
        parts += [f"## {each.__name__}", docstring(each), render_methods(each)]
    return "\n\n".join(parts)
