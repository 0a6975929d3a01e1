"""The handler `plugin_name`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from voluptuous import MultipleInvalid
from winchester_core import EventFilter
from winchester_core.testing import HandlerConformance, InMemoryEngine, make_env, make_stream_events

from winchester_plugin_name.handler import PluginNameHandler


class TestRules(HandlerConformance):
    """Conformance suite of handlers."""

    plugin = PluginNameHandler

    def params(self) -> dict[str, str]:
        """Return the parameters as in `pipelines.yaml`."""
        return {"event_type": "test.summary"}


def test_the_summary_comes_after_the_events() -> None:
    events = make_stream_events("order.placed", "order.paid", step=timedelta(hours=1), order="o-1")
    handler = PluginNameHandler("order.summary")
    *returned, summary = handler.handle_events(events, make_env())

    assert returned == events
    assert (summary["event_type"], summary["event_count"]) == ("order.summary", 2)
    assert summary["duration_seconds"] == 3600.0


@pytest.mark.parametrize("params", [{"event_type": ""}, {"event_typ": "order.summary"}])
def test_invalid_params_are_rejected(params: dict[str, str]) -> None:
    with pytest.raises(MultipleInvalid):
        PluginNameHandler.config_schema(params)


def test_it_works_in_a_pipeline() -> None:
    trigger = {
        "name": "order",
        "distinguished_by": ["order"],
        "match_criteria": [{"event_type": "order.p*"}],
        "fire_criteria": [{"event_type": "order.paid"}],
        "expiration": "$last + 1h",
        "fire_pipeline": "sum_up",
    }
    settings = {
        "database": {"url": "sqlite://"},
        "trigger_definitions": [trigger],
        "pipeline_config": {"sum_up": ["plugin_name"]},
    }
    engine = InMemoryEngine(settings)
    engine.add_events(make_stream_events("order.placed", "order.paid", order="o-1"))

    summaries = EventFilter(event_type="plugin_name.summary")
    (summary,) = engine.store.find_events(summaries)
    assert (summary["stream_name"], summary["event_count"]) == ("order", 2)
