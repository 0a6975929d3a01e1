"""Counts of activity on pages."""

from __future__ import annotations

from winchester_core.console.activity import STYLES
from winchester_core.model.activity import ActivityCounts


def test_each_count_has_a_label_and_a_colour() -> None:
    assert set(STYLES) == set(ActivityCounts._fields) - {"run_seconds"}
