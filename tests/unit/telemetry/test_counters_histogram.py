"""Durations are counted in buckets."""

from __future__ import annotations

import pytest

from winchester_core.telemetry.counters import BOUNDS_SECONDS, Histogram


def test_a_duration_counts_in_its_bucket_and_all_larger_ones() -> None:
    histogram = Histogram()
    for seconds in (0.0, 0.01, 0.011, 1e9):
        histogram.observe("a", seconds)
    histogram.observe("b", 2)
    taken = histogram.snapshot()
    within = dict(zip(BOUNDS_SECONDS, taken["a"].cumulative, strict=True))
    assert (within[0.001], within[0.005], within[0.01], within[0.025]) == (1, 1, 2, 3)
    assert (within[3600.0], taken["a"].number) == (3, 4)
    assert taken["a"].seconds == pytest.approx(1e9 + 0.021)
    assert (taken["b"].number, sum(taken["b"].cumulative)) == (1, len(BOUNDS_SECONDS) - 10)


def test_bounds_are_ascending() -> None:
    assert sorted(set(BOUNDS_SECONDS)) == list(BOUNDS_SECONDS)


def test_unobserved_durations_are_omitted() -> None:
    assert Histogram().snapshot() == {}
