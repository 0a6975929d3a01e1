"""The handler `plugin_name`."""

from __future__ import annotations

from datetime import timedelta

import pytest
from voluptuous import MultipleInvalid
from winchester_core import EventFilter
from winchester_core.testing import HandlerConformance, InMemoryEngine, make_env, make_stream_events

from winchester_plugin_name.handler import PluginNameHandler


class TestRules(HandlerConformance):
    """What every handler must keep to."""

    plugin = PluginNameHandler

    def params(self) -> dict[str, str]:
        """The parameters as they would stand in `pipelines.yaml`."""
        return {"event_type": "test.summary"}


def test_the_summary_comes_after_the_events() -> None:
    events = make_stream_events("order.placed", "order.paid", step=timedelta(hours=1), order="o-1")
    handler = PluginNameHandler("order.summary")
    *given, summary = handler.handle_events(events, make_env())

    assert given == events
    assert (summary["event_type"], summary["event_count"]) == ("order.summary", 2)
    assert summary["duration_seconds"] == 3600.0


@pytest.mark.parametrize("params", [{"event_type": ""}, {"event_typ": "order.summary"}])
def test_wrong_params_are_refused(params: dict[str, str]) -> None:
    with pytest.raises(MultipleInvalid):
        PluginNameHandler.config_schema(params)


def test_it_is_found_by_its_name_and_works_in_a_pipeline() -> None:
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

    of_summaries = EventFilter(event_type="plugin_name.summary")
    (summary,) = engine.store.find_events(of_summaries)
    assert (summary["stream_name"], summary["event_count"]) == ("order", 2)
