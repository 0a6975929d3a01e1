"""Validation of params that select events by type."""

from __future__ import annotations

from typing import Any

import pytest
from voluptuous import Invalid, Optional, Schema

from winchester_core.interfaces import EventTypePatterns, event_types

SCHEMA = Schema({Optional("event_types", default=lambda: ["*"]): event_types})


def test_a_single_glob_becomes_a_list() -> None:
    assert SCHEMA({"event_types": "compute.*"}) == {"event_types": ["compute.*"]}
    assert SCHEMA({}) == {"event_types": ["*"]}


def test_a_list_becomes_patterns() -> None:
    patterns = EventTypePatterns(event_types(["compute.*", "!*.start"]))

    assert patterns.matches("compute.instance.create.end")
    assert not patterns.matches("compute.instance.create.start")


@pytest.mark.parametrize("value", [None, 3, {}, [], "", ["a", 3], ["!"], "x" * 2000])
def test_invalid_patterns_are_refused(value: Any) -> None:
    with pytest.raises(Invalid):
        event_types(value)
