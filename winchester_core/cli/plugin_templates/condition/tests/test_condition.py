"""The condition `plugin_name`."""

from __future__ import annotations

from typing import Any

import pytest
from winchester_core.testing import ConditionConformance, InMemoryEngine, make_event

from winchester_plugin_name.condition import PluginNameCondition


class TestRules(ConditionConformance):
    """Conformance suite of conditions."""

    plugin = PluginNameCondition
    expressions = [0, 3, 10_000]
    invalid_expressions = [-1, 1.5, True, "3", [3], None]


@pytest.mark.parametrize(
    ("value", "matches"), [("abc", True), ("äöü!", True), ("ab", False), (1234, False)]
)
def test_it_matches_texts_that_are_long_enough(value: Any, matches: bool) -> None:
    condition = PluginNameCondition("note", 3)

    assert condition.matches(make_event(note=value)) is matches


def test_it_describes_its_requirement() -> None:
    described = PluginNameCondition("note", 3).describe()

    assert described == "note is a text of at least 3 characters"


def test_it_works_in_a_trigger() -> None:
    noted = {"event_type": "order.*", "traits": {"note": {"plugin_name": 3}}}
    trigger = {
        "name": "noted",
        "distinguished_by": ["order"],
        "match_criteria": [noted],
        "fire_criteria": [{"event_type": "order.paid"}],
        "expiration": "$last + 1h",
        "expire_pipeline": "report",
    }
    settings = {
        "database": {"url": "sqlite://"},
        "trigger_definitions": [trigger],
        "pipeline_config": {"report": ["logger"]},
    }
    engine = InMemoryEngine(settings)
    engine.add_events(
        [
            make_event("order.placed", order="o-1", note="abc"),
            make_event("order.placed", order="o-2", note="ab"),
        ]
    )

    assert [dict(each.distinguished_by) for each in engine.store.find_streams()] == [
        {"order": "o-1"}
    ]
