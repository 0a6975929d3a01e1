"""Differences between two sets of triggers."""

from __future__ import annotations

from typing import Any

import pytest

from winchester_core.triggers.definition import ChangeKind, TriggerChange, compare_triggers


def _trigger(name: str = "vm", **changed: Any) -> dict[str, Any]:
    return {
        "name": name,
        "distinguished_by": ["instance"],
        "match_criteria": [{"event_type": "vm.*"}],
        "fire_criteria": [{"event_type": "vm.end"}],
        "expiration": "$last + 1h",
        "fire_pipeline": "done",
        **changed,
    }


def test_an_unchanged_trigger_is_no_change_even_if_moved_in_the_file() -> None:
    old, new = [_trigger("a"), _trigger("b")], [_trigger("b"), _trigger("a")]
    assert compare_triggers(old, new) == []


def test_an_explicit_default_is_no_change() -> None:
    assert compare_triggers([_trigger()], [_trigger(fire_delay=0, debug_level=0)]) == []
    assert compare_triggers([_trigger()], [_trigger(fire_order="any", timezone="UTC")]) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("distinguished_by", ["instance", "region"]),
        ("match_criteria", [{"event_type": "vm.*"}, {"event_type": "disk.*"}]),
        ("fire_criteria", [{"event_type": "vm.end", "number": 2}]),
        ("expiration", "$last + 2h"),
        ("fire_delay", 5),
        ("fire_pipeline", "other"),
        ("expire_pipeline", "late"),
        ("debug_level", 1),
        ("fire_order", "sequence"),
        ("fire_within", "10m"),
        ("keep", "1h"),
        ("cancel_criteria", [{"event_type": "vm.ok"}]),
        ("lateness", "30s"),
        ("suppress", "1h"),
        ("timezone", "Europe/Berlin"),
        ("cancel_pipeline", "other"),
    ],
)
def test_each_changed_key_is_a_change(key: str, value: Any) -> None:
    (change,) = compare_triggers([_trigger()], [_trigger(**{key: value})])
    assert change == TriggerChange("vm", ChangeKind.CHANGED, (key,))
    assert str(change) == f"vm changed in {key}"


def test_added_triggers_are_listed_in_file_order_before_removed_ones() -> None:
    old = [_trigger("gone"), _trigger("kept"), _trigger("other")]
    new = [_trigger("other", expiration="$last"), _trigger("fresh"), _trigger("kept")]
    assert [str(each) for each in compare_triggers(old, new)] == [
        "other changed in expiration",
        "fresh added",
        "gone removed",
    ]
