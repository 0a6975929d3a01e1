"""Time axis with breaks: order, bounds, and which gaps become breaks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from winchester_core.console.time_ticks import DAY, HOUR, MINUTE, SECOND
from winchester_core.console.timeline.compressed_axis import (
    MAX_BREAKS,
    SEGMENT_WIDTH,
    CompressedAxis,
)

TIMES = st.lists(
    st.one_of(
        st.integers(-30_610_224_000 * SECOND, 253_402_300_799 * SECOND),
        st.integers(0, 10 * MINUTE),
        st.integers(400 * DAY, 400 * DAY + 50),
    ),
    min_size=1,
    max_size=60,
)


@given(TIMES)
def test_positions_are_in_the_drawing_and_in_the_order_of_times(times: list[int]) -> None:
    axis = CompressedAxis(times)
    positions = [axis.position(at) for at in sorted(times)]
    assert all(0 <= each <= 1 for each in positions)
    assert all(one <= other + 1e-12 for one, other in pairwise(positions))


@given(TIMES)
def test_times_between_the_given_ones_are_in_order_too(times: list[int]) -> None:
    axis = CompressedAxis(times)
    step = max((axis.end - axis.begin) // 97, 1)
    positions = [axis.position(at) for at in range(axis.begin, axis.end + 1, step)][:200]
    assert all(one <= other + 1e-12 for one, other in pairwise(positions))


@given(TIMES)
def test_breaks_and_segments_fill_the_axis_without_overlaps(times: list[int]) -> None:
    axis = CompressedAxis(times)
    assert len(axis.breaks) == len(axis.segments) - 1 <= MAX_BREAKS
    for segment, later, idle in zip(axis.segments, axis.segments[1:], axis.breaks, strict=False):
        assert idle.duration == later.begin - segment.end > 0
        assert segment.right == pytest.approx(idle.left)
        assert later.left == pytest.approx(idle.right)
    assert all(each.pixels >= SEGMENT_WIDTH - 1e-6 for each in axis.segments)


@given(TIMES)
def test_only_the_longest_gaps_are_breaks(times: list[int]) -> None:
    axis = CompressedAxis(times)
    ordered = sorted(times)
    gaps = sorted((later - one for one, later in pairwise(ordered)), reverse=True)
    breaks = sorted((each.duration for each in axis.breaks), reverse=True)
    assert breaks == gaps[: len(breaks)]


@pytest.mark.parametrize(
    ("times", "idle"),
    [
        ([0], []),
        ([0, DAY], []),
        ([0, 10, 20, 30], []),
        ([0, 5 * MINUTE, 20 * MINUTE, HOUR], []),
        ([0, 2 * HOUR, DAY], [22 * HOUR]),
        ([0, 1, DAY, DAY + 1, 3 * DAY, 3 * DAY + 1], [DAY - 1, 2 * DAY - 1]),
        ([0, 1, *(HOUR * each for each in range(1, 10))], []),
    ],
    ids=["one", "two", "even", "growing", "then idle", "three bursts", "more gaps than bursts"],
)
def test_gaps_that_become_breaks(times: list[int], idle: list[int]) -> None:
    assert [each.duration for each in CompressedAxis(times).breaks] == idle


def test_a_time_outside_the_axis_has_the_position_of_its_nearest_end() -> None:
    axis = CompressedAxis([100, 200])
    assert axis.position(0) == axis.position(100)
    assert axis.position(10**18) == axis.position(200)
